// SPDX-License-Identifier: Apache-2.0
#include "model/tracker.hpp"

#include "model/files.hpp"
#include "model/known_names.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace inflight::model {

namespace {

constexpr std::size_t graves_limit = 4096;
constexpr std::size_t files_limit = 1U << 16U;
constexpr std::size_t unreaped_limit = 1U << 17U;  // in all contexts
// A context that is gone may still be named by records of the same moment.
constexpr std::uint64_t linger_ns = 1'000'000'000;

// The record behind a header, unless it is shorter than it claims to be.
template <typename Record>
const Record* as(const ifl_header& header) {
    return header.size_bytes >= sizeof(Record) ? reinterpret_cast<const Record*>(&header) : nullptr;
}

// The x86-64 numbers of the calls that take memory away.
constexpr std::pair<std::uint32_t, std::string_view> unmapping_calls[] = {{9, "mmap"}, {11, "munmap"}, {25, "mremap"}};

Unmap unmap_from(const ifl_unmap& record) {
    const auto* const call =
        std::ranges::find(unmapping_calls, record.syscall_number, &std::pair<std::uint32_t, std::string_view>::first);
    return {.time_ns = record.header.time_ns,
            .pid = record.pid,
            .tid = record.tid,
            .comm = comm_of(record.comm),
            .call = call == std::end(unmapping_calls) ? "" : std::string(call->second),
            .address = record.address,
            .length_bytes = record.length};
}

}  // namespace

Tracker::Tracker(TrackerOptions options, Sink& sink) : options_(options), sink_(sink) {}
Tracker::~Tracker() = default;

void Tracker::on_record(const ifl_header& record) {
    now_ns_ = std::max(now_ns_, record.time_ns);
    switch (record.kind) {
        case IFL_REQUEST:
            if (const auto* request = as<ifl_request>(record)) {
                request->state == IFL_REQUEST_IN_FLIGHT ? on_in_flight(*request) : on_request(*request);
            }
            break;
        case IFL_CALL:
            if (const auto* call = as<ifl_call>(record)) {
                on_call(*call);
            }
            break;
        case IFL_IOCBS:
            if (const auto* iocbs = as<ifl_iocbs>(record)) {
                on_iocbs(*iocbs);
            }
            break;
        case IFL_IO_EVENTS:
            // Of this kind a record may be shorter than the structure: it ends after its last event.
            if (record.size_bytes >= offsetof(ifl_io_events, events)) {
                on_io_events(*reinterpret_cast<const ifl_io_events*>(&record));
            }
            break;
        case IFL_CONTEXT:
            if (const auto* context = as<ifl_context>(record)) {
                on_context(*context);
            }
            break;
        case IFL_FILE:
            if (const auto* file = as<ifl_file>(record)) {
                // A file that is used again after it was forgotten here is shown without its name, never with
                // another's.
                if (names_.files.size() >= files_limit) {
                    names_.files.clear();
                }
                names_.files[file->file_id] = std::make_shared<const File>(file_from(*file));
            }
            break;
        case IFL_CGROUP:
            if (const auto* cgroup = as<ifl_cgroup>(record)) {
                if (names_.cgroups.size() >= files_limit) {
                    names_.cgroups.clear();
                }
                names_.cgroups[cgroup->cgroup_id] = cgroup_path_from(*cgroup);
            }
            break;
        case IFL_PROCESS:
            if (const auto* process = as<ifl_process>(record)) {
                if (names_.host_pids.size() >= files_limit) {
                    names_.host_pids.clear();
                }
                names_.host_pids[process->pid] = process->host_pid;
            }
            break;
        case IFL_PROCESS_EXIT:
            if (const auto* exit = as<ifl_process_exit>(record)) {
                on_process_exit(*exit);
                uring_.on_process_exit(*exit);
            }
            break;
        case IFL_SNAPSHOT:
            if (const auto* snapshot = as<ifl_snapshot>(record)) {
                on_snapshot(*snapshot);
                uring_.on_snapshot(*snapshot);
            }
            break;
        case IFL_UNMAP:
            if (const auto* unmap = as<ifl_unmap>(record)) {
                sink_.on_unmap(unmap_from(*unmap));
            }
            break;
        case IFL_URING_REQUEST:
            // Of this kind too: what a brief record leaves out is not read.
            if (record.size_bytes >= IFL_UREQ_BRIEF_BYTES) {
                uring_.on_request(reinterpret_cast<const ifl_uring_request&>(record));
            }
            break;
        case IFL_URING_CQE:
            if (const auto* cqe = as<ifl_uring_cqe>(record)) {
                uring_.on_cqe(*cqe);
            }
            break;
        case IFL_RING:
            if (const auto* ring = as<ifl_ring>(record)) {
                uring_.on_ring(*ring);
            }
            break;
        case IFL_DETAIL:
            uring_.on_detail(record);
            break;
        default:
            break;
    }
}

void Tracker::each_in_flight(const std::function<void(const Request&)>& visit) const {
    for (const auto& [id, context] : contexts_) {
        for (const auto& [key, tracked] : context->in_flight.entries()) {
            visit(*tracked->request);
        }
    }
    uring_.each_in_flight(visit);
}

void Tracker::each_context(const std::function<void(const Context&)>& visit) const {
    for (const auto& [id, context] : contexts_) {
        if (!context->gone) {
            visit(context->context);
        }
    }
    uring_.each_context(visit);
}

Request Tracker::request_from(const ifl_request& record) const {
    Request request;
    request.tier = static_cast<Tier>(record.header.tier);
    request.kernel_address = record.kiocb;
    request.context_id = record.context_id;
    request.ctx_id = record.ctx_id;
    request.address = record.iocb;
    request.call_id = record.call_id;
    if ((record.flags & IFL_REQ_OP_UNKNOWN) == 0) {
        request.opcode = record.opcode;
    }
    if ((record.flags & IFL_REQ_IOCB_UNREAD) == 0) {
        request.origin = (record.flags & (IFL_REQ_KERNEL_IOCB | IFL_REQ_EXISTED)) != 0 ? Origin::kernel : Origin::user;
    }
    request.fd = record.fd;
    request.buffer = record.buffer;
    request.length = record.length;
    request.offset = record.offset;
    request.rw_flags = record.rw_flags;
    request.aio_flags = record.aio_flags;
    request.ioprio = record.ioprio;
    request.resfd = record.resfd;
    request.user_data = record.user_data;
    // A completed struct aio_kiocb has it, whatever could be read before.
    request.user_data_known =
        request.origin != Origin::unknown || (record.complete_ns != 0 && (record.flags & IFL_REQ_END_UNSEEN) == 0);
    request.file = names_.file(record.file_id);
    request.pid = record.pid;
    request.host_pid = names_.host_pid(record.pid);
    request.tid = record.tid;
    request.uid = record.uid;
    request.cgroup_id = record.cgroup_id;
    request.comm = comm_of(record.comm);
    request.completer_pid = record.completer_pid;
    request.completer_tid = record.completer_tid;
    if (record.submit_ns != 0) {
        request.submit_ns = record.submit_ns;
    }
    if (record.state != IFL_REQUEST_IN_FLIGHT) {
        request.complete_ns = record.complete_ns != 0 ? record.complete_ns : record.header.time_ns;
    }
    request.result = record.result;
    request.result2 = record.result2;
    request.existed = (record.flags & IFL_REQ_EXISTED) != 0;
    request.unpaired = (record.flags & IFL_REQ_UNPAIRED) != 0;
    request.synchronous = (record.flags & IFL_REQ_SYNC) != 0;
    request.compat = (record.flags & IFL_REQ_COMPAT) != 0;
    request.completion_exact = (record.flags & IFL_REQ_EXACT_END) != 0;
    request.context_dead = (record.flags & IFL_REQ_CONTEXT_DEAD) != 0;
    request.poll_cancelled = (record.flags & IFL_REQ_POLL_CANCELLED) != 0;
    request.completion_seen = (record.flags & IFL_REQ_END_UNSEEN) == 0;
    request.appended = (record.flags & IFL_REQ_APPENDED) != 0;
    request.result_known = request.completion_seen;
    return request;
}

void Tracker::decide_outcome(Tracked& tracked) {
    Request& request = *tracked.request;
    if (!request.complete_ns) {
        request.outcome = Outcome::in_flight;
    } else if (request.result == 0 && (tracked.taken_ns || (request.poll_cancelled && !request.context_dead))) {
        // A context that goes away cancels its polls too; those are abandoned, unless an io_cancel came before.
        request.outcome = Outcome::cancelled;
    } else if (request.context_dead) {
        request.outcome = Outcome::abandoned;
    } else {
        request.outcome = request.result < 0 ? Outcome::failed : Outcome::completed;
    }
}

Tracker::ContextState* Tracker::context_of(std::uint64_t context_id) {
    auto found = contexts_.find(context_id);
    if (found == contexts_.end()) {
        if (context_id != 0 && contexts_.size() >= options_.contexts_limit) {
            records_left_out_++;
            return nullptr;
        }
        found = contexts_.emplace(context_id, std::make_unique<ContextState>()).first;
        found->second->context.context_id = context_id;
    }
    return found->second.get();
}

void Tracker::index(const ContextState& state) {
    const Context& context = state.context;
    if (!state.gone && context.context_id != 0) {
        contexts_by_pid_.emplace(context.pid, context.context_id);
        contexts_by_ctx_id_.emplace(context.ctx_id, context.pid, context.context_id);
    }
}

void Tracker::unindex(const ContextState& state) {
    const Context& context = state.context;
    contexts_by_pid_.erase({context.pid, context.context_id});
    contexts_by_ctx_id_.erase({context.ctx_id, context.pid, context.context_id});
}

void Tracker::on_request(const ifl_request& record) {
    auto tracked = std::make_shared<Tracked>();
    tracked->request = std::make_shared<Request>(request_from(record));
    Request& request = *tracked->request;
    if (request.unpaired) {
        submissions_unseen_++;
    }
    if (!request.completion_seen) {
        completions_unseen_++;
    }
    tracked->number = ++ended_;
    ContextState* const known = context_of(record.context_id);
    decide_outcome(*tracked);
    if (known == nullptr) {
        hand_out(*tracked);
        return;
    }
    ContextState& context = *known;
    remember(context, tracked);
    tell_pending(tracked);
    if (take_early_reap(context, request)) {
        decide_outcome(*tracked);
        hand_out(*tracked);
        return;
    }
    if (request.outcome == Outcome::abandoned || context.gone || record.context_id == 0) {
        hand_out(*tracked);
    } else {
        context.waiting.push_back(tracked);
        schedule_.at(record.context_id, context.due_ns, later(*request.complete_ns, options_.reap_wait_ns + 1));
    }
    if (record.context_id == 0) {
        return;
    }
    // Also when it was abandoned: an io_getevents that was waiting when its context was destroyed may return its event.
    context.unreaped.add(tracked);
    unreaped_++;
    context.completed_order.push_back(tracked);
    // The ring holds as many events as the context takes requests: with more than that, the oldest has been reaped in
    // user space, without a call.
    const std::size_t capacity = context.context.capacity == 0 ? options_.history_limit : context.context.capacity;
    while (context.unreaped.size() > capacity || (unreaped_ > unreaped_limit && context.unreaped.size() != 0)) {
        forget_oldest_unreaped(context);
    }
}

void Tracker::on_context(const ifl_context& record) {
    ContextState* const known = context_of(record.context_id);
    if (known == nullptr) {
        return;
    }
    ContextState& state = *known;
    Context& context = state.context;
    unindex(state);
    context.time_ns = record.header.time_ns;
    context.ctx_id = record.ctx_id;
    context.pid = record.pid;
    context.host_pid = names_.host_pid(record.pid);
    context.uid = record.uid;
    context.comm = comm_of(record.comm);
    context.in_flight = record.in_flight;
    context.in_flight_max = record.in_flight_max;
    context.submitted = record.submitted;
    context.completed = record.completed;
    context.capacity = record.capacity;
    context.refused = record.refused;
    context.refused_error = record.refused_error;
    context.max_requests = record.max_reqs;
    index(state);
    if (record.created_ns != 0) {
        context.created_ns = record.created_ns;
    }
    switch (record.state) {
        case IFL_CONTEXT_CREATED:
            context.change = ContextChange::created;
            break;
        case IFL_CONTEXT_FOUND:
            context.change = ContextChange::found;
            state.existed = true;
            break;
        case IFL_CONTEXT_DESTROYED:
            context.change = ContextChange::destroyed;
            context.destroyed_ns = record.header.time_ns;
            hand_out_waiting(state, ~std::uint64_t{0});
            if (!state.gone) {
                bury(state, record.header.time_ns);
            }
            break;
        case IFL_CONTEXT_COUNTERS:
            return;
        default:
            if (state.gone) {
                return;
            }
            context.change = ContextChange::at_end;
            break;
    }
    sink_.on_context(context);
}

// It is gone, and a cancel that names it still may be explained by that.
void Tracker::bury(ContextState& state, std::uint64_t time_ns) {
    const Context& context = state.context;
    unindex(state);
    state.gone = true;
    state.gone_ns = time_ns;
    gone_order_.push_back({time_ns, context.context_id});
    // The next context of the process is often made at the same address: that grave is a young one again.
    const GraveName name(context.pid, context.ctx_id);
    Grave& grave = graves_[name];
    graves_order_.erase(grave.number);
    grave = {.destroyed_ns = time_ns, .number = ++graves_made_};
    graves_order_.emplace(grave.number, name);
}

void Tracker::on_process_exit(const ifl_process_exit& record) {
    const auto first = contexts_by_pid_.lower_bound({record.pid, 1});
    const auto last = contexts_by_pid_.upper_bound({record.pid, ~std::uint64_t{0}});
    const std::vector<std::pair<std::uint32_t, std::uint64_t>> ended(first, last);
    for (const auto& [pid, id] : ended) {
        ContextState& state = *contexts_.at(id);
        hand_out_waiting(state, ~std::uint64_t{0});
        unindex(state);
        state.gone = true;
        state.gone_ns = record.header.time_ns;
        state.context.change = ContextChange::destroyed;
        state.context.by_exit = true;
        state.context.in_flight = 0;  // the kernel lets no request outlive the memory of its process
        state.context.time_ns = record.header.time_ns;
        state.context.destroyed_ns = record.header.time_ns;
        gone_order_.push_back({record.header.time_ns, id});
        sink_.on_context(state.context);
    }
    // Its number will be another process's.
    for (auto grave = graves_.lower_bound({record.pid, 0}); grave != graves_.end() && grave->first.first == record.pid;
         grave = graves_.erase(grave)) {
        graves_order_.erase(grave->second.number);
    }
}

void Tracker::advance(std::uint64_t now_ns) {
    now_ns_ = std::max(now_ns_, now_ns);
    for (const std::uint64_t id : schedule_.take(now_ns_)) {
        const auto found = contexts_.find(id);
        if (found == contexts_.end()) {
            continue;
        }
        ContextState& state = *found->second;
        state.due_ns = Schedule::never_ns;
        hand_out_waiting(state, now_ns_ - std::min(now_ns_, options_.reap_wait_ns));
        if (!state.waiting.empty()) {
            const std::uint64_t next_ns =
                later(*state.waiting.front()->request->complete_ns, options_.reap_wait_ns + 1);
            schedule_.at(id, state.due_ns, std::max(next_ns, later(now_ns_, 1)));
        }
    }
    forget_old_partial();
    retire_contexts(now_ns_);
    uring_.advance(now_ns_);
}

void Tracker::retire_contexts(std::uint64_t now_ns) {
    while (!gone_order_.empty() && later(gone_order_.front().first, linger_ns) < now_ns) {
        const auto found = contexts_.find(gone_order_.front().second);
        if (found != contexts_.end() && found->second->cancels_pending != 0) {
            break;
        }
        // Events without a completion are settled at the end, when it is known what was in flight then.
        if (found != contexts_.end() && found->second->early_reaps.empty()) {
            ContextState& state = *found->second;
            unreaped_ -= state.unreaped.size();
            forget_history(state);
            unindex(state);
            schedule_.forget(found->first, state.due_ns);
            contexts_.erase(found);
        }
        gone_order_.pop_front();
    }
    while (graves_.size() > graves_limit) {
        graves_.erase(graves_order_.begin()->second);
        graves_order_.erase(graves_order_.begin());
    }
}

void Tracker::finish(std::uint64_t end_ns) {
    now_ns_ = std::max(now_ns_, end_ns);
    resolve_pending(end_ns, true);
    for (auto& [id, state] : contexts_) {
        resolve_early_reaps(*state, end_ns);
        hand_out_waiting(*state, ~std::uint64_t{0});
        for (auto& [key, tracked] : state->in_flight.entries()) {
            decide_outcome(*tracked);
            hand_out(*tracked);
        }
    }
    uring_.finish(end_ns);
}

}  // namespace inflight::model
