// SPDX-License-Identifier: Apache-2.0
// The io_uring tracker's part that deals with cancels: what each was asked to find, and what it found.
#include "model/tracker.hpp"
#include "model/uring_tracker.hpp"
#include "model/uring_verdicts.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace inflight::model {

using namespace uring;

namespace {

// For a cancel whose key is not one user_data, at most this many finished requests and this many in flight are looked
// through.
constexpr std::size_t recent_limit = 1024;
constexpr std::size_t looked_through_limit = 1024;
constexpr std::size_t finished_limit = 256;
// When a request ends, at most this many attempts that may have meant it learn of the end. The verdicts of any further
// attempts are not certain.
constexpr unsigned told_limit = 256;
constexpr std::size_t attempts_limit = 1U << 16U;
constexpr std::size_t addressed_limit = 4096;
constexpr std::uint64_t uncounted = ~std::uint64_t{0};

template <typename Value, typename Bytes>
Value at(const Bytes& bytes, std::size_t place) {
    Value value{};
    if (place + sizeof(value) <= bytes.size()) {
        std::memcpy(&value, bytes.data() + place, sizeof(value));
    }
    return value;
}

struct CancelOp {
    std::uint8_t opcode;
    CancelWay way;
};
constexpr CancelOp cancel_ops[] = {
    {op_async_cancel, CancelWay::async_cancel},
    {op_poll_remove, CancelWay::poll_remove},
    {op_timeout_remove, CancelWay::timeout_remove},
    {op_link_timeout, CancelWay::link_timeout},
};

bool is_update(const UringPart& part, CancelWay way) {
    if (!part.sqe_known) {
        return false;
    }
    if (way == CancelWay::poll_remove) {
        return (at<std::uint32_t>(part.sqe, sqe_len_at) & (poll_update_events | poll_update_user_data)) != 0;
    }
    return way == CancelWay::timeout_remove && (at<std::uint32_t>(part.sqe, sqe_op_flags_at) & timeout_update) != 0;
}

// Whether it was carried out at all: of a linked timeout, whether it fired.
bool carried_out(const Request& request, CancelWay way) {
    if (way == CancelWay::link_timeout) {
        return request.result_known &&
               (request.result == -ETIME || request.result == -EALREADY || request.result == -ENOENT);
    }
    return !(request.result_known && request.result == -ECANCELED);
}

void set_key(Attempt& attempt, std::uint64_t user_data, std::int32_t fd, std::uint8_t opcode) {
    CancelKey& key = attempt.cancel.key;
    if ((key.flags & (cancel_fd | cancel_op | cancel_any)) == 0 ||
        ((key.flags & cancel_userdata) != 0 && (key.flags & cancel_any) == 0)) {
        key.user_data = user_data;
    }
    if ((key.flags & cancel_any) != 0) {
        return;
    }
    if ((key.flags & cancel_fd) != 0) {
        key.fd = fd;
        attempt.fd_fixed = (key.flags & cancel_fd_fixed) != 0;
    }
    if ((key.flags & cancel_op) != 0) {
        key.opcode = opcode;
    }
}

void set_expected(Attempt& attempt) {
    const bool counts = (attempt.cancel.key.flags & (cancel_all | cancel_any)) != 0;
    if (attempt.ret_known) {
        attempt.expected = counts && attempt.cancel.ret > 0 ? static_cast<std::uint64_t>(attempt.cancel.ret) : 1;
    } else if (attempt.expected != 0) {
        attempt.expected = counts ? uncounted : 1;
    }
}

bool same_file(const Attempt& attempt, const Tracked& tracked) {
    const Request& request = tracked.request;
    return (request.fd == attempt.cancel.key.fd && tracked.part->fixed_file == attempt.fd_fixed) ||
           (attempt.file && request.file == attempt.file);
}

// io_cancel_req_match()
bool names(const Attempt& attempt, const Tracked& tracked) {
    const Request& request = tracked.request;
    if (!attempt.key_known || request.submit_ns.value_or(0) > attempt.cancel.end_ns ||
        (attempt.request_id != 0 && tracked.part->request_id == attempt.request_id)) {
        return false;
    }
    const bool cancels = request.opcode == op_async_cancel || request.opcode == op_poll_remove ||
                         request.opcode == op_timeout_remove || tracked.part->prep_failed;
    if (cancels) {
        return false;
    }
    if (attempt.cancel.way == CancelWay::link_timeout) {
        return chain_of(tracked) == attempt.chain && request.submit_ns.value_or(0) <= attempt.from_ns &&
               request.opcode != op_link_timeout;
    }
    const CancelKey& key = attempt.cancel.key;
    return (!key.user_data || request.user_data == *key.user_data) && (!key.fd || same_file(attempt, tracked)) &&
           (!key.opcode || request.opcode == *key.opcode);
}

// Whether the cancel may be what ended it. The kernel lets a transfer that it cancels keep what was transferred
// (io_sendrecv_fail, io_rw_fail). One that runs in a worker may also have ended short by itself.
bool ended_early(const Attempt& attempt, const Request& request, CancelAnswer answer) {
    if (interrupted(request)) {
        return true;
    }
    const bool kept_a_part = partial(request) && *request.complete_ns >= attempt.cancel.start_ns;
    return kept_a_part &&
           (answer == CancelAnswer::taken || (answer != CancelAnswer::unknown && waits_for_all(request)));
}

bool may_take(const Attempt& attempt, const Tracked& tracked) {
    const CancelAnswer answer = answer_of(attempt);
    return answer != CancelAnswer::not_found && answer != CancelAnswer::refused &&
           attempt.taken.size() < std::max<std::uint64_t>(attempt.expected, 1) && !tracked.taken_ns &&
           ended_early(attempt, tracked.request, answer) && *tracked.request.complete_ns >= attempt.from_ns;
}

void note_finished(Attempt& attempt, const TrackedPtr& tracked) {
    if (attempt.finished.size() >= finished_limit) {
        return;
    }
    // Most are told once.
    const bool known = tracked->named && std::ranges::find(attempt.finished, tracked) != attempt.finished.end();
    if (!known) {
        attempt.finished.push_back(tracked);
        tracked->named = true;
    }
}

bool waits_for_a_look(const Attempt& attempt) {
    switch (answer_of(attempt)) {
        case CancelAnswer::not_found:
        case CancelAnswer::running:
        case CancelAnswer::gave_up:
        case CancelAnswer::unknown:
            return attempt.key_known && attempt.cancel.context_id != 0;
        default:
            return false;
    }
}

}  // namespace

uring::AttemptKey uring::key_of(const Attempt& attempt) {
    AttemptKey key{
        .kind = AttemptKey::Kind::other, .value = 0, .end_ns = attempt.cancel.end_ns, .number = attempt.number};
    if (attempt.cancel.way == CancelWay::link_timeout) {
        key.kind = AttemptKey::Kind::chain;
        key.value = attempt.chain;
    } else if (attempt.cancel.key.user_data) {
        key.kind = AttemptKey::Kind::user_data;
        key.value = *attempt.cancel.key.user_data;
    }
    return key;
}

void UringTracker::take(Ring& ring, Attempt& attempt, const TrackedPtr& tracked) {
    attempt.taken.push_back(tracked);
    tracked->taken_ns = attempt.cancel.start_ns;
    tracked->taken_by = attempt.cancel.call_id;
    tracked->taken_by_timeout = attempt.cancel.way == CancelWay::link_timeout;
    if (!tracked->handed_out) {
        decide_outcome(*tracked);
        note_explained(ring, tracked);
    }
}

void UringTracker::try_cancel_request(Ring& ring, const TrackedPtr& tracked) {
    const Request& request = tracked->request;
    const UringPart& part = *tracked->part;
    const auto* const op =
        std::ranges::find_if(cancel_ops, [&](const CancelOp& each) { return request.opcode == each.opcode; });
    if (op == std::end(cancel_ops) || is_update(part, op->way) || !carried_out(request, op->way)) {
        return;
    }
    Attempt attempt;
    Cancel& cancel = attempt.cancel;
    cancel.family = Family::uring;
    cancel.way = op->way;
    cancel.tier = request.tier;
    cancel.call_id = part.request_id;
    cancel.end_ns = *request.complete_ns;
    cancel.start_ns = request.submit_ns.value_or(cancel.end_ns);
    cancel.pid = request.pid;
    cancel.host_pid = request.host_pid;
    cancel.tid = request.tid;
    cancel.uid = request.uid;
    cancel.comm = request.comm;
    cancel.cgroup_id = request.cgroup_id;
    cancel.ctx_id = request.ctx_id;
    cancel.context_id = request.context_id;
    cancel.ret = request.result;
    attempt.request_id = part.request_id;
    attempt.from_ns = cancel.start_ns;
    attempt.ret_known = request.result_known;
    if (!request.result_known && !part.cqe_skipped) {
        attempt.expected = 0;
    }
    if (op->way == CancelWay::link_timeout) {
        // It was made when it fired, not when it was submitted.
        cancel.start_ns = cancel.end_ns;
        attempt.chain = part.link_head;
        attempt.key_known = part.link_head != 0;
    } else {
        attempt.key_known = part.sqe_known;
        cancel.key.flags = op->way == CancelWay::async_cancel ? at<std::uint32_t>(part.sqe, sqe_op_flags_at) : 0;
        if (part.sqe_known) {
            set_key(attempt, at<std::uint64_t>(part.sqe, sqe_addr_at), at<std::int32_t>(part.sqe, sqe_fd_at),
                    static_cast<std::uint8_t>(at<std::uint32_t>(part.sqe, sqe_len_at)));
        }
        attempt.file = cancel.key.fd ? request.file : nullptr;
    }
    set_expected(attempt);
    start_attempt(ring, std::move(attempt));
}

void UringTracker::on_call(const ifl_call& record) {
    note_time(record.header.time_ns);
    const bool over = (record.flags & (IFL_CALL_IN_PROGRESS | IFL_CALL_EXIT_MISSED)) == 0;
    if (over && record.syscall == IFL_IO_URING_REGISTER &&
        (static_cast<std::uint32_t>(record.args[1]) & ~register_use_registered_ring) == register_sync_cancel) {
        on_sync_cancel(record);
    }
}

std::vector<Detail> UringTracker::take_details(const ifl_call& record) {
    if ((record.flags & IFL_CALL_IN_PROGRESS) == 0) {
        return details_.take(record.call_id);
    }
    const auto* found = details_.find(record.call_id);
    return found == nullptr ? std::vector<Detail>{} : *found;
}

void UringTracker::on_sync_cancel(const ifl_call& record) {
    Attempt attempt;
    Cancel& cancel = attempt.cancel;
    cancel.family = Family::uring;
    cancel.way = CancelWay::sync_cancel;
    cancel.tier = static_cast<Tier>(record.header.tier);
    cancel.call_id = record.call_id;
    cancel.start_ns = record.start_ns;
    cancel.end_ns = record.header.time_ns;
    cancel.pid = record.task.pid;
    cancel.host_pid = names_.host_pid(cancel.pid);
    cancel.tid = record.task.tid;
    cancel.uid = record.task.uid;
    cancel.comm = {&record.task.comm[0], strnlen(&record.task.comm[0], IFL_COMM_BYTES)};
    cancel.cgroup_id = record.task.cgroup_id;
    cancel.ctx_id = record.args[0];
    cancel.context_id = record.context_id;
    cancel.address = record.args[2];
    cancel.ret = record.ret;
    attempt.from_ns = cancel.start_ns;
    attempt.key_known = false;
    if (const auto* details = details_.find(record.call_id); details != nullptr) {
        const auto argument = std::ranges::find_if(*details, [](const Detail& each) {
            return each.kind == IFL_DETAIL_SYNC_CANCEL && each.bytes.size() > sync_cancel_opcode_at;
        });
        if (argument != details->end()) {
            attempt.key_known = true;
            cancel.key.flags = at<std::uint32_t>(argument->bytes, sync_cancel_flags_at);
            set_key(attempt, at<std::uint64_t>(argument->bytes, sync_cancel_addr_at),
                    at<std::int32_t>(argument->bytes, sync_cancel_fd_at),
                    at<std::uint8_t>(argument->bytes, sync_cancel_opcode_at));
        }
    }
    set_expected(attempt);
    if (Ring* const ring = ring_of(record.context_id); ring != nullptr) {
        start_attempt(*ring, std::move(attempt));
    }
}

void UringTracker::start_attempt(Ring& ring, Attempt attempt) {
    std::set<const Tracked*> seen;
    const auto add = [&](const TrackedPtr& each) {
        if (attempt.finished.size() < finished_limit && names(attempt, *each) && seen.insert(each.get()).second) {
            attempt.finished.push_back(each);
            each->named = true;
        }
    };
    const auto& user_data = attempt.cancel.key.user_data;
    const auto add_finished = [&](Finished& each) { add(each.whole()); };
    if (user_data) {
        ring.history.each_of(*user_data, add_finished);
        if (ring.addressed.size() < addressed_limit) {
            ring.addressed.insert({.user_data = *user_data,
                                   .fd = attempt.cancel.key.fd,
                                   .fixed = attempt.fd_fixed,
                                   .opcode = attempt.cancel.key.opcode});
        }
    } else {
        std::ranges::for_each(ring.unexplained, add);
        ring.history.each_recent(recent_limit, add_finished);
    }
    attempt.deadline_ns = later(attempt.cancel.end_ns, options_.reap_wait_ns);
    attempt.number = ++attempts_;
    claim(ring, attempt);
    attempt.wants_look = waits_for_a_look(attempt) && !complete(attempt);
    ring.attempts.push_back(std::move(attempt));
    const auto place = std::prev(ring.attempts.end());
    if (place->wants_look) {
        looks_.emplace(std::pair(place->cancel.end_ns, place->number), Look{.ring = &ring, .attempt = place});
    }
    ring.attempts_by_key.emplace(key_of(*place), place);
    ring.attempts_by_deadline.emplace(std::pair(place->deadline_ns, place->number), place);
    due(ring, later(place->deadline_ns, 1));
    if (complete(*place)) {
        resolve(ring, place);
    } else if (ring.attempts.size() > attempts_limit) {
        ring.untold_ns = now_ns_;
        resolve(ring, ring.attempts.begin());
    }
}

// The target may have ended before the cancel itself did.
void UringTracker::claim(Ring& ring, Attempt& attempt) {
    std::ranges::stable_sort(attempt.finished, {}, [](const TrackedPtr& each) { return *each->request.complete_ns; });
    for (const TrackedPtr& each : attempt.finished) {
        if (may_take(attempt, *each)) {
            take(ring, attempt, each);
        }
    }
}

// A cancel may be waiting for exactly this end, or to learn what was in flight when it was made.
void UringTracker::tell_attempts(Ring& ring, const TrackedPtr& tracked) {
    if (ring.attempts.empty()) {
        return;
    }
    std::vector<AttemptList::iterator> told;
    auto taker = ring.attempts.end();
    const auto tell = [&](AttemptList::iterator each) {
        if (!names(*each, *tracked)) {
            return;
        }
        note_finished(*each, tracked);
        told.push_back(each);
        const bool earlier = taker == ring.attempts.end() || each->cancel.start_ns < taker->cancel.start_ns;
        if (earlier && may_take(*each, *tracked)) {
            taker = each;
        }
    };
    const auto tell_those = [&](AttemptKey::Kind kind, std::uint64_t value) {
        const AttemptKey from{
            .kind = kind, .value = value, .end_ns = tracked->request.submit_ns.value_or(0), .number = 0};
        unsigned count = 0;
        for (auto each = ring.attempts_by_key.lower_bound(from); each != ring.attempts_by_key.end(); ++each) {
            if (each->first.kind != kind || each->first.value != value) {
                break;
            }
            if (++count > told_limit) {
                ring.untold_ns = now_ns_;
                break;
            }
            tell(each->second);
        }
    };
    tell_those(AttemptKey::Kind::user_data, tracked->request.user_data);
    tell_those(AttemptKey::Kind::chain, chain_of(*tracked));
    tell_those(AttemptKey::Kind::other, 0);
    if (taker != ring.attempts.end()) {
        take(ring, *taker, tracked);
    }
    for (const auto each : told) {
        if (complete(*each)) {
            resolve(ring, each);
        }
    }
}

// Whether nothing that is still to come can tell more.
bool UringTracker::complete(const Attempt& attempt) {
    if (!attempt.key_known) {
        return true;
    }
    switch (answer_of(attempt)) {
        case CancelAnswer::taken:
            return attempt.taken.size() >= attempt.expected;
        case CancelAnswer::not_found:
            return attempt.looked;
        case CancelAnswer::running:
        case CancelAnswer::gave_up:
            return std::ranges::any_of(attempt.finished, [&](const TrackedPtr& each) {
                return *each->request.complete_ns >= attempt.cancel.start_ns;
            });
        case CancelAnswer::refused:
            return true;
        case CancelAnswer::unknown:
            return false;
    }
    return true;
}

void UringTracker::note_look(std::uint64_t looked_ns) {
    while (!looks_.empty() && looks_.begin()->first.first < looked_ns) {
        const auto [ring, attempt] = looks_.begin()->second;
        looks_.erase(looks_.begin());
        attempt->looked = true;
        attempt->wants_look = false;
        if (complete(*attempt)) {
            resolve(*ring, attempt);
        }
    }
}

void UringTracker::resolve_due(Ring& ring, bool all) {
    while (!ring.attempts.empty() && all) {
        resolve(ring, ring.attempts.begin());
    }
    while (!ring.attempts_by_deadline.empty() && ring.attempts_by_deadline.begin()->first.first < now_ns_) {
        resolve(ring, ring.attempts_by_deadline.begin()->second);
    }
}

void UringTracker::resolve(Ring& ring, AttemptList::iterator place) {
    ring.attempts_by_key.erase(key_of(*place));
    ring.attempts_by_deadline.erase({place->deadline_ns, place->number});
    looks_.erase({place->cancel.end_ns, place->number});
    const Attempt attempt = std::move(*place);
    ring.attempts.erase(place);

    UringCancelFacts facts;
    facts.attempt = &attempt;
    facts.ring_existed = ring.existed;
    facts.records_lost = losses_ || records_left_out_ != 0;
    facts.history_incomplete = facts.records_lost || ring.history.dropped() ||
                               (ring.untold_ns != 0 && ring.untold_ns >= attempt.cancel.start_ns);
    facts.sqpoll = (ring.part.setup_flags & setup_sqpoll) != 0;
    std::set<const Tracked*> seen;
    const auto add = [&](const TrackedPtr& each) {
        if (names(attempt, *each) && seen.insert(each.get()).second) {
            facts.candidates.push_back(each.get());
        }
    };
    std::ranges::for_each(attempt.taken, add);
    std::ranges::for_each(attempt.finished, add);
    const auto& user_data = attempt.cancel.key.user_data;
    std::size_t looked_through = 0;
    const auto add_open = [&](const auto& table) {
        auto each = user_data ? table.lower_bound({*user_data, 0, 0}) : table.begin();
        for (; each != table.end() && (!user_data || each->first.user_data == *user_data); ++each) {
            if (facts.candidates.size() >= 2 * finished_limit || ++looked_through > looked_through_limit) {
                facts.history_incomplete = facts.history_incomplete || facts.candidates.empty();
                break;
            }
            if (!each->second->ended) {
                add(each->second);
            }
        }
    };
    add_open(ring.in_flight);
    add_open(ring.announced.open());
    std::ranges::stable_sort(facts.candidates, {},
                             [](const Tracked* each) { return each->request.submit_ns.value_or(0); });
    UringJudgement judgement = judge_uring(facts);
    Cancel cancel = attempt.cancel;
    cancel.verdict = judgement.verdict;
    cancel.reason = std::move(judgement.reason);
    cancel.certain = judgement.certain;
    cancel.completed_before_ns = judgement.completed_before_ns;
    cancel.key.count = attempt.taken.size();
    cancel.key.matches = judgement.matches;
    for (const Tracked* each : judgement.targets) {
        if (!cancel.target) {
            cancel.target = each->request;
        } else {
            cancel.more_targets.push_back(each->request);
        }
    }
    sink_.on_cancel(cancel);
}

}  // namespace inflight::model
