// SPDX-License-Identifier: Apache-2.0
#include "model/uring_verdicts.hpp"

#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "catalog/uring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace inflight::model {

using namespace uring;

namespace {

struct Refusal {
    int error;
    std::string_view reason;
};
constexpr Refusal refusals[] = {
    {EINVAL, "the kernel refused its arguments"},
    {EBADF, "the descriptor of its key is not open"},
    {EFAULT, "its argument cannot be read"},
    {EEXIST, "the ring has IORING_SETUP_SINGLE_ISSUER and another task than its own made the call"},
    {EBADFD, "the ring has not been enabled yet"},
};

bool in_flight_at(const Request& request, std::uint64_t time_ns) {
    return !request.complete_ns || *request.complete_ns >= time_ns;
}

bool on_disk(const Request& request) {
    return request.file && (request.file->kind == "regular file" || request.file->kind == "block device");
}

std::string ending(const Request& request) {
    if (!request.result_known) {
        return "ended, with a result that was not seen";
    }
    if (request.result < 0) {
        return fmt::format("ended with {}", catalog::errno_name(error_of_result(request.result)));
    }
    return fmt::format("completed with {}", request.result);
}

// Of one that a cancel ended.
std::string early_ending(const Request& request) {
    return partial(request) ? fmt::format("ended with {}", partial_text(request)) : ending(request);
}

std::string after(const Request& request, std::uint64_t time_ns) {
    return format_duration(*request.complete_ns - std::min(*request.complete_ns, time_ns));
}

// What a cancel of this way never finds, whatever state it is in.
std::string_view looks_only_for(CancelWay way, const Request& request) {
    if (way == CancelWay::poll_remove && request.opcode != op_poll_add) {
        return "poll_remove looks for poll_add only";
    }
    if (way == CancelWay::timeout_remove && request.opcode != op_timeout) {
        return "timeout_remove looks for timeout only";
    }
    return {};
}

// What is judged by what was seen to end may have been another request, whose record was lost.
void doubt_after_losses(const UringCancelFacts& facts, UringJudgement& judgement) {
    if (facts.records_lost) {
        judgement.certain = false;
        judgement.reason += "; records were lost, so another request that it names may be meant";
    }
}

UringJudgement judge_taken(const UringCancelFacts& facts) {
    const Attempt& attempt = *facts.attempt;
    UringJudgement judgement;
    judgement.verdict = Verdict::cancelled;
    for (const TrackedPtr& each : attempt.taken) {
        judgement.targets.push_back(each.get());
    }
    const std::size_t seen = attempt.taken.size();
    if (seen == 1) {
        const Request& target = attempt.taken.front()->request;
        judgement.reason = fmt::format("{} was pending and {} {} later", describe_uring(target), early_ending(target),
                                       after(target, attempt.cancel.start_ns));
        // Another one may have ended short by itself.
        judgement.certain = !partial(target) || facts.candidates.size() == 1;
    } else if (seen > 1) {
        judgement.reason = fmt::format("{} requests were pending and ended after it", seen);
    }
    const bool counts = (attempt.cancel.key.flags & (cancel_all | cancel_any)) != 0 && attempt.ret_known;
    if (seen != 0 && counts && seen < attempt.expected) {
        judgement.certain = false;
        judgement.reason += fmt::format("; the kernel says that it cancelled {}", attempt.expected);
    }
    if (seen != 0) {
        return judgement;
    }
    // The kernel says so, and no CQE does.
    for (const Tracked* each : facts.candidates) {
        const Request& request = each->request;
        if (request.complete_ns && in_flight_at(request, attempt.from_ns) && request.outcome != Outcome::cancelled) {
            judgement.verdict = Verdict::completed_first;
            judgement.targets = {each};
            judgement.completed_before_ns = 0;
            judgement.reason = fmt::format(
                "the kernel accepted the cancel, and {} {} by itself before it took effect, {} after the "
                "call began",
                describe_uring(request), ending(request), after(request, attempt.cancel.start_ns));
            doubt_after_losses(facts, judgement);
            return judgement;
        }
    }
    judgement.certain = false;
    const auto pending =
        std::ranges::find_if(facts.candidates, [](const Tracked* each) { return !each->request.complete_ns; });
    if (pending != facts.candidates.end()) {
        judgement.targets = {*pending};
        judgement.reason =
            fmt::format("{} is being cancelled; its CQE has not come yet", describe_uring((*pending)->request));
    } else if (attempt.cancel.way == CancelWay::link_timeout) {
        judgement.verdict = Verdict::unknown_request;
        judgement.reason = "the timeout fired; the end of the request that it was linked to was not seen";
    } else {
        judgement.reason = attempt.ret_known ? "the kernel says that it was cancelled; no CQE was seen that shows it"
                                             : "it succeeded without a CQE; the end of its target was not seen";
    }
    return judgement;
}

UringJudgement judge_in_flight(const UringCancelFacts& facts, const Tracked& target) {
    const Attempt& attempt = *facts.attempt;
    const Request& request = target.request;
    const std::string what = describe_uring(request);
    UringJudgement judgement;
    judgement.verdict = Verdict::not_cancellable;
    judgement.targets = {&target};
    const auto only = looks_only_for(attempt.cancel.way, request);
    if (target.taken_ns && *target.taken_ns < attempt.cancel.start_ns) {
        judgement.verdict = Verdict::already_cancelled;
        judgement.reason = fmt::format("{} was being cancelled already, for {}", what,
                                       format_duration(attempt.cancel.start_ns - *target.taken_ns));
    } else if (!only.empty()) {
        judgement.reason = fmt::format("{} was in flight; {}", what, only);
    } else if (facts.sqpoll && (target.part->punt_ns || target.part->worker_ns)) {
        judgement.reason = fmt::format(
            "{} was with an io-wq worker of the SQ thread, where the kernel looks only for the thread itself", what);
    } else if (on_disk(request)) {
        judgement.reason = fmt::format("{} was in flight; the kernel cannot take back I/O that a disk works on", what);
    } else if (request.complete_ns) {
        judgement.reason = fmt::format("{} was just being completed or could not be found: it {} {} after", what,
                                       ending(request), after(request, attempt.cancel.start_ns));
    } else {
        judgement.reason = fmt::format("{} was in flight, and not where the kernel looks for what it can cancel", what);
    }
    return judgement;
}

UringJudgement judge_finished(const UringCancelFacts& facts, const Tracked& target) {
    const Attempt& attempt = *facts.attempt;
    const Request& request = target.request;
    UringJudgement judgement;
    judgement.targets = {&target};
    const std::uint64_t before = attempt.cancel.start_ns - std::min(attempt.cancel.start_ns, *request.complete_ns);
    const std::string when = *request.complete_ns <= attempt.cancel.start_ns
                                 ? format_duration(before) + " before"
                                 : std::string("while the cancel was on its way");
    if (request.outcome == Outcome::cancelled || request.outcome == Outcome::abandoned) {
        judgement.verdict = Verdict::already_cancelled;
        judgement.reason = fmt::format("{} had been cancelled {}", describe_uring(request), when);
        return judgement;
    }
    judgement.verdict = Verdict::completed_first;
    judgement.completed_before_ns = before;
    judgement.certain = *request.complete_ns <= attempt.cancel.start_ns && request.completion_exact;
    judgement.reason =
        fmt::format("{} {} {}{}", describe_uring(request), ending(request), when,
                    request.reap_ns && *request.reap_ns <= attempt.cancel.start_ns ? "; its CQE had been taken" : "");
    return judgement;
}

UringJudgement judge_not_found(const UringCancelFacts& facts) {
    const Attempt& attempt = *facts.attempt;
    const Tracked* in_flight = nullptr;
    const Tracked* finished = nullptr;
    for (const Tracked* each : facts.candidates) {
        if (in_flight_at(each->request, attempt.cancel.end_ns)) {
            in_flight = in_flight == nullptr ? each : in_flight;
        } else if (finished == nullptr || *finished->request.complete_ns <= *each->request.complete_ns) {
            finished = each;
        }
    }
    UringJudgement judgement;
    if (in_flight != nullptr) {
        judgement = judge_in_flight(facts, *in_flight);
    } else if (finished != nullptr) {
        judgement = judge_finished(facts, *finished);
        doubt_after_losses(facts, judgement);
    } else {
        judgement.reason = attempt.cancel.key.user_data
                               ? fmt::format("no request with user_data {:#x} was submitted to this ring",
                                             *attempt.cancel.key.user_data)
                               : std::string("no request that its key names was submitted to this ring");
        if (facts.ring_existed) {
            judgement.certain = false;
            judgement.reason += " since the trace began; one from before it may be meant";
        } else if (facts.history_incomplete) {
            judgement.certain = false;
            judgement.reason += ", as far as was seen: records were lost or forgotten";
        }
    }
    if (in_flight == nullptr && !attempt.looked) {
        judgement.certain = false;
        judgement.reason += "; what was in flight could not be looked at";
    }
    return judgement;
}

// EALREADY, or a synchronous cancel that did not wait for the end: what became of the target tells.
UringJudgement judge_running(const UringCancelFacts& facts, bool gave_up) {
    const Attempt& attempt = *facts.attempt;
    UringJudgement judgement;
    judgement.verdict = Verdict::running;
    const Tracked* target = attempt.taken.empty() ? nullptr : attempt.taken.front().get();
    for (const Tracked* each : facts.candidates) {
        if (target == nullptr && in_flight_at(each->request, attempt.cancel.start_ns)) {
            target = each;
        }
    }
    if (target == nullptr) {
        judgement.certain = false;
        judgement.reason = "the kernel says that it was running; its end was not seen";
        return judgement;
    }
    judgement.targets = {target};
    const Request& request = target->request;
    const std::string what = describe_uring(request);
    const bool by_worker =
        attempt.cancel.way != CancelWay::poll_remove && attempt.cancel.way != CancelWay::timeout_remove;
    const std::string state = by_worker ? "was executing in an io-wq worker" : "was just being handled";
    if (!request.complete_ns) {
        judgement.reason = fmt::format("{} {}; it has not ended since", what, state);
    } else if (!attempt.taken.empty()) {
        judgement.verdict = gave_up ? Verdict::cancelled : Verdict::running;
        judgement.reason = gave_up ? fmt::format("the call did not wait for it, but {} {} {} after it began", what,
                                                 early_ending(request), after(request, attempt.cancel.start_ns))
                                   : fmt::format("{} {}; it was interrupted and {} {} later", what, state,
                                                 early_ending(request), after(request, attempt.cancel.start_ns));
    } else {
        judgement.reason = fmt::format("{} {}; it could not be stopped and {} {} later", what, state, ending(request),
                                       after(request, attempt.cancel.start_ns));
        doubt_after_losses(facts, judgement);
    }
    return judgement;
}

UringJudgement judge_refused(const Attempt& attempt) {
    UringJudgement judgement;
    judgement.verdict = Verdict::bad_argument;
    const int error = error_of_result(attempt.cancel.ret);
    const auto* const known = std::ranges::find(refusals, error, &Refusal::error);
    judgement.reason = known == std::end(refusals)
                           ? fmt::format("the kernel refused it: {}", catalog::errno_name(error))
                           : std::string(known->reason);
    if (error == EBADF && attempt.cancel.key.fd) {
        judgement.reason = fmt::format("descriptor {} of its key is not open", *attempt.cancel.key.fd);
    }
    if (error == EINVAL && attempt.cancel.key.flags != 0) {
        judgement.reason += fmt::format(": flags {:#x}", attempt.cancel.key.flags);
    }
    return judgement;
}

UringJudgement judge_answer(const UringCancelFacts& facts) {
    const Attempt& attempt = *facts.attempt;
    switch (answer_of(attempt)) {
        case CancelAnswer::taken:
            return judge_taken(facts);
        case CancelAnswer::not_found:
            return judge_not_found(facts);
        case CancelAnswer::running:
            return judge_running(facts, false);
        case CancelAnswer::gave_up:
            return judge_running(facts, true);
        case CancelAnswer::refused:
            return judge_refused(attempt);
        case CancelAnswer::unknown:
            break;
    }
    UringJudgement judgement = attempt.taken.empty() ? judge_not_found(facts) : judge_taken(facts);
    judgement.certain = false;
    judgement.reason += "; what the cancel returned was not seen";
    return judgement;
}

}  // namespace

CancelAnswer answer_of(const Attempt& attempt) {
    const std::int64_t ret = attempt.cancel.ret;
    if (!attempt.ret_known && attempt.expected == 0) {
        return CancelAnswer::unknown;
    }
    if (attempt.cancel.way == CancelWay::link_timeout && ret == -ETIME) {
        return CancelAnswer::taken;
    }
    const bool counts = (attempt.cancel.key.flags & (cancel_all | cancel_any)) != 0;
    if (ret > 0 || (ret == 0 && (!counts || !attempt.ret_known))) {
        return CancelAnswer::taken;
    }
    switch (ret) {
        case 0:
        case -ENOENT:
            return CancelAnswer::not_found;
        case -EALREADY:
            return CancelAnswer::running;
        case -ETIME:
        case -EINTR:
        case -512:  // ERESTARTSYS
            return CancelAnswer::gave_up;
        default:
            return CancelAnswer::refused;
    }
}

std::string describe_uring(const Request& request) {
    if (!request.opcode) {
        return "a request";
    }
    const catalog::UringOp* op = catalog::uring_op(*request.opcode);
    std::string text = op == nullptr ? fmt::format("op {}", *request.opcode) : std::string(op->name);
    if (request.file) {
        text += fmt::format(" on {} ({})", request.file->kind, request.file->name);
    }
    return text;
}

UringJudgement judge_uring(const UringCancelFacts& facts) {
    const Attempt& attempt = *facts.attempt;
    UringJudgement judgement = judge_answer(facts);
    for (const Tracked* each : facts.candidates) {
        judgement.matches += in_flight_at(each->request, attempt.from_ns) ? 1 : 0;
    }
    if (!attempt.key_known && answer_of(attempt) != CancelAnswer::refused) {
        judgement.certain = false;
        judgement.reason = "what it was asked to find could not be read; the kernel's answer is all that is known";
    }
    return judgement;
}

}  // namespace inflight::model
