// SPDX-License-Identifier: Apache-2.0
#include "kernel_model.hpp"

namespace inflight::model::test {

namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr unsigned iocb_pool = 4;
constexpr std::size_t room = 24;

std::uint64_t iocb_number(unsigned number) {
    return 0x5000 + number * 0x40U;
}

}  // namespace

Outcome HistoryRequest::outcome() const {
    if (!queued()) {
        return Outcome::in_flight;
    }
    if (taken_ns && record.result == 0) {
        return Outcome::cancelled;
    }
    if ((record.flags & IFL_REQ_CONTEXT_DEAD) != 0) {
        return Outcome::abandoned;
    }
    return record.result < 0 ? Outcome::failed : Outcome::completed;
}

std::uint64_t HistoryRequest::end_ns() const {
    if (!queued()) {
        return never;
    }
    return reaped_ns != 0 ? std::min(reaped_ns, record.complete_ns) : record.complete_ns;
}

void KernelModel::make_context() {
    const std::uint64_t id = contexts_.size() + 1;
    // The memory of a ring that went is given to the next one.
    const std::uint64_t ctx_id = the_ctx_id + 0x1000 * pick(2);
    for (const auto& other : contexts_) {
        if (other.alive && other.ctx_id == ctx_id) {
            return;
        }
    }
    contexts_.push_back({.id = id, .ctx_id = ctx_id, .alive = true, .ring = {}});
    write(context(id).created(tick()).user_id(ctx_id).room(room));
}

std::uint64_t KernelModel::kernel_memory() {
    for (auto& [address, since] : slab_) {
        if (since < now_) {
            const std::uint64_t found = address;
            slab_.erase(slab_.begin() + (&address - &slab_.front().first) / 2);
            return found;
        }
    }
    return slab_end_ += 0x100;
}

std::int64_t KernelModel::random_result(std::uint16_t opcode) {
    switch (opcode) {
        case IOCB_CMD_POLL:
            return 1 + pick(4);
        case IOCB_CMD_FSYNC:
            return chance(80) ? 0 : -EIO;
        default:
            return chance(80) ? 512 : -EIO;
    }
}

void KernelModel::submit() {
    const std::size_t in = pick(static_cast<unsigned>(contexts_.size()));
    std::size_t used = contexts_[in].ring.size();
    for (const auto& each : requests_) {
        used += each.context == in && !each.queued() ? 1 : 0;
    }
    if (!contexts_[in].alive || used >= room) {
        return;
    }
    HistoryRequest made;
    const std::uint64_t iocb = iocb_number(pick(iocb_pool));
    const unsigned kind = pick(10);
    made.record = request(iocb).in(contexts_[in].id).submit(tick()).kernel_address(kernel_memory());
    made.record.ctx_id = contexts_[in].ctx_id;
    made.record.op(kind < 6 ? IOCB_CMD_POLL : kind < 9 ? IOCB_CMD_PREAD : IOCB_CMD_FSYNC);
    made.record.tier(kind_.tracepoints ? IFL_TIER_TRACEPOINT : IFL_TIER_FENTRY);
    if (kind_.unique_data) {
        made.record.data(1'000'000 + requests_.size());
    }
    made.context = in;
    made.listed = made.record.opcode == IOCB_CMD_POLL;
    requests_.push_back(made);
}

std::vector<std::size_t> KernelModel::unqueued(bool taken) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < requests_.size(); i++) {
        if (!requests_[i].queued() && requests_[i].taken_ns.has_value() == taken) {
            found.push_back(i);
        }
    }
    return found;
}

void KernelModel::queue_event(std::size_t index, std::int64_t result, bool dead) {
    HistoryRequest& request = requests_[index];
    request.queued_ns = tick();
    request.listed = false;
    contexts_[request.context].ring.push_back(index);
    // The memory goes back a little later than the event is queued, and that is what the tracepoint sees.
    std::uint64_t seen_ns = request.queued_ns;
    if (kind_.tracepoints) {
        seen_ns += pick(60) * kind_.scale_ns;
        request.record.flags &= ~std::uint32_t{IFL_REQ_EXACT_END};
    }
    if (request.taken_ns) {
        seen_ns = std::max(seen_ns, last_worker_record_ns_ + 1);
        last_worker_record_ns_ = seen_ns;
    }
    request.record.complete(seen_ns, result);
    if (dead) {
        request.record.context_dead();
        now_ = std::max(now_, seen_ns);  // io_destroy waits for the end of every request
    }
    request.lost = kind_.losses && chance(15);
    if (!request.lost) {
        write(static_cast<const ifl_request&>(request.record));
    }
    slab_.emplace_back(request.record.kiocb, seen_ns);
}

void KernelModel::complete_something() {
    const auto waiting = unqueued(false);
    if (!waiting.empty()) {
        const std::size_t index = waiting[pick(static_cast<unsigned>(waiting.size()))];
        queue_event(index, random_result(requests_[index].record.opcode), false);
    }
}

// What was cancelled completes in a worker, in the order of the cancels.
void KernelModel::run_worker() {
    if (workers_.empty()) {
        return;
    }
    const std::size_t index = workers_.front();
    workers_.pop_front();
    // The worker may have looked at the file just before the cancel came.
    queue_event(index, chance(85) ? 0 : random_result(IOCB_CMD_POLL), !contexts_[requests_[index].context].alive);
}

void KernelModel::cancel_something() {
    HistoryCancel attempt;
    const unsigned kind = pick(20);
    const auto& context = contexts_[pick(static_cast<unsigned>(contexts_.size()))];
    attempt.record = cancel(kind == 0 ? 0x9999 : iocb_number(pick(iocb_pool))).id(cancels_.size() + 1);
    std::uint64_t ctx_id = kind == 1 ? 0xdead000 : context.ctx_id;
    attempt.record.no_context(ctx_id);
    for (std::size_t i = 0; i < contexts_.size(); i++) {
        if (contexts_[i].alive && contexts_[i].ctx_id == ctx_id) {
            attempt.record.in(contexts_[i].id, ctx_id);
            attempt.in_context = i;
        }
    }
    const std::uint64_t start = tick();
    attempt.record.start_ns = start;
    if (chance(20)) {
        complete_something();
    }
    if (kind == 2) {
        attempt.record.argument(1, 0).returns(-EFAULT).key_state = IFL_READ_NULL;
        attempt.verdicts = {Verdict::bad_pointer};
    } else if (kind == 3) {
        attempt.record.key(7);
        attempt.verdicts = {Verdict::bad_key};
    } else if (!attempt.in_context) {
        attempt.verdicts = {Verdict::bad_context};
    } else {
        search_list(attempt);
    }
    if (chance(30)) {
        run_worker();
    }
    attempt.record.span(start, tick());
    write(static_cast<const ifl_call&>(attempt.record));
    cancels_.push_back(attempt);
}

void KernelModel::search_list(HistoryCancel& attempt) {
    for (std::size_t i = 0; i < requests_.size(); i++) {
        HistoryRequest& request = requests_[i];
        if (request.listed && request.context == *attempt.in_context && request.record.iocb == attempt.record.args[1]) {
            request.listed = false;
            request.taken_ns = attempt.record.start_ns;
            request.record.cancelled();
            attempt.target = i;
            attempt.record.returns(-EINPROGRESS);
            workers_.push_back(i);
            return;
        }
    }
}

void KernelModel::reap(bool with_a_call) {
    auto& context = contexts_[pick(static_cast<unsigned>(contexts_.size()))];
    if (!context.alive || context.ring.empty()) {
        return;
    }
    const std::uint64_t time_ns = tick();
    EventsRecord record = reaped(time_ns, context.id);
    for (unsigned left = 1 + pick(4); left > 0 && !context.ring.empty(); left--) {
        HistoryRequest& request = requests_[context.ring.front()];
        context.ring.pop_front();
        if (with_a_call) {
            record.event(request.record.iocb, request.record.result, request.record.user_data);
            request.reaped_ns = time_ns;
        }
    }
    if (with_a_call) {
        write(static_cast<const ifl_io_events&>(record));
    }
}

void KernelModel::destroy() {
    const std::size_t index = pick(static_cast<unsigned>(contexts_.size()));
    if (!contexts_[index].alive) {
        return;
    }
    contexts_[index].alive = false;
    while (!workers_.empty()) {
        run_worker();
    }
    for (std::size_t i = 0; i < requests_.size(); i++) {
        HistoryRequest& request = requests_[i];
        if (request.context == index && !request.queued()) {
            const bool poll = request.listed;
            if (poll) {
                request.record.cancelled();
            }
            queue_event(i, poll ? 0 : random_result(request.record.opcode), true);
        }
    }
    contexts_[index].ring.clear();
    write(context(contexts_[index].id).user_id(contexts_[index].ctx_id).room(room).destroyed(tick()));
}

// The reader's look at the table of requests in flight. What ends while it looks has its record between the copies and
// the end of the look.
void KernelModel::look(bool final) {
    const std::uint64_t looked_ns = tick();
    std::vector<RequestRecord> seen;
    for (const auto& each : requests_) {
        if (!each.queued() || each.record.complete_ns > looked_ns) {
            seen.push_back(each.record);
        }
    }
    if (!final && chance(40)) {
        complete_something();
        run_worker();
    }
    const std::uint64_t time_ns = tick();
    for (RequestRecord& record : seen) {
        // What its completion told is not known yet, and where an fsync is in memory neither, where functions are
        // hooked.
        const bool unbound = record.opcode == IOCB_CMD_FSYNC && !kind_.tracepoints;
        record.flags &= ~std::uint32_t{IFL_REQ_POLL_CANCELLED | IFL_REQ_CONTEXT_DEAD};
        record.result = 0;
        write(static_cast<const ifl_request&>(record.in_flight(looked_ns).kernel_address(unbound ? 0 : record.kiocb)));
    }
    write(final ? final_snapshot(time_ns) : snapshot(time_ns));
}

void KernelModel::run() {
    for (unsigned step = 0; step < kind_.steps; step++) {
        switch (const unsigned what = pick(100); what / 5) {
            case 0:
                make_context();
                break;
            case 1:
                chance(50) ? destroy() : make_context();
                break;
            case 2:
            case 3:
                look(false);
                break;
            case 4:
            case 5:
                run_worker();
                break;
            case 6:
            case 7:
            case 8:
                reap(!kind_.user_reaping || chance(70));
                break;
            case 9:
            case 10:
            case 11:
                complete_something();
                break;
            case 12:
            case 13:
            case 14:
                cancel_something();
                break;
            default:
                submit();
        }
    }
    now_ += 100 * kind_.scale_ns;  // all that has completed has been seen
    look(true);
    tick();
}

std::set<Verdict> KernelModel::right_verdicts(const HistoryCancel& attempt) const {
    if (!attempt.verdicts.empty()) {
        return attempt.verdicts;
    }
    if (attempt.target) {
        const HistoryRequest& target = requests_[*attempt.target];
        return {target.queued() && target.record.result != 0 ? Verdict::completed_first : Verdict::cancelled};
    }
    const std::uint64_t start = attempt.record.start_ns;
    std::set<Verdict> right;
    const HistoryRequest* last = nullptr;
    for (const HistoryRequest& each : requests_) {
        if (each.context != *attempt.in_context || each.record.iocb != attempt.record.args[1] ||
            each.record.submit_ns > start) {
            continue;
        }
        const bool taken_before = each.taken_ns && *each.taken_ns < start;
        if (each.end_ns() > start) {
            right.insert(each.record.opcode != IOCB_CMD_POLL ? Verdict::not_cancellable
                         : taken_before                      ? Verdict::already_cancelled
                                                             : Verdict::completed_first);
        } else if (last == nullptr || each.end_ns() > last->end_ns()) {
            last = &each;
        }
    }
    if (!right.empty()) {
        return right;
    }
    if (last == nullptr) {
        return {Verdict::unknown_request};
    }
    return {last->outcome() == Outcome::cancelled ? Verdict::already_cancelled : Verdict::completed_first};
}

}  // namespace inflight::model::test
