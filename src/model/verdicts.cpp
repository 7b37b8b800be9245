// SPDX-License-Identifier: Apache-2.0
#include "model/verdicts.hpp"

#include "base/arithmetic.hpp"
#include "base/units.hpp"
#include "catalog/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace inflight::model {

namespace {

constexpr std::uint16_t poll_opcode = 5;  // IOCB_CMD_POLL

// "pread on a regular file (/data/t.ibd)"
std::string describe(const Request& request) {
    std::string text = request.opcode ? catalog::opcode_name("aio", *request.opcode) : "request";
    if (request.file) {
        text += fmt::format(" on {} ({})", request.file->kind, request.file->name);
    }
    return text;
}

bool is_poll(const Request& request) {
    return request.opcode == poll_opcode;
}

bool in_flight_after(const Request& request, std::uint64_t time_ns) {
    return !request.complete_ns || *request.complete_ns > time_ns;
}

Judgement judge_bad_context(const CancelFacts& facts) {
    const auto& call = *facts.call;
    Judgement judgement{
        .verdict = Verdict::bad_context, .reason = {}, .certain = true, .target = nullptr, .completed_before_ns = {}};
    const auto ctx_id = call.args[0];
    if (ctx_id == 0) {
        judgement.reason = "ctx_id is 0, which io_setup never returns";
    } else if (facts.context.why == KnownContext::Why::destroyed) {
        judgement.reason =
            fmt::format("context {:#x} was destroyed {} before", ctx_id,
                        format_duration(call.start_ns - std::min(call.start_ns, facts.context.destroyed_ns)));
    } else if (facts.context.why == KnownContext::Why::other_process) {
        judgement.reason = fmt::format(
            "context {:#x} belongs to process {} ({}); a context is good in the memory it was made in only, "
            "not in a child after fork",
            ctx_id, facts.context.owner_pid, facts.context.owner_comm);
    } else {
        judgement.reason = fmt::format("the process has no context {:#x}", ctx_id);
    }
    return judgement;
}

Judgement judge_taken(const CancelFacts& facts) {
    Judgement judgement{
        .verdict = Verdict::cancelled, .reason = {}, .certain = true, .target = nullptr, .completed_before_ns = {}};
    if (!facts.taken) {
        judgement.reason = "the kernel took the request off its list of requests that can be cancelled";
        judgement.certain = false;
        return judgement;
    }
    const Request& target = *facts.taken->request;
    judgement.target = &target;
    if (!target.complete_ns) {
        judgement.reason =
            fmt::format("{} was pending and is being cancelled; its event has not been queued yet", describe(target));
    } else if (target.result != 0) {
        judgement.verdict = Verdict::completed_first;
        judgement.reason = fmt::format(
            "the kernel accepted the cancel of {}, but its event had fired already and was "
            "delivered with events {:#x}",
            describe(target), target.result);
    } else {
        judgement.reason = fmt::format("{} was pending; its event was queued with res 0", describe(target));
    }
    return judgement;
}

Judgement judge_in_flight(const Candidate& candidate, const ifl_call& call) {
    const Request& target = *candidate.request;
    Judgement judgement{.verdict = Verdict::not_cancellable,
                        .reason = {},
                        .certain = true,
                        .target = &target,
                        .completed_before_ns = {}};
    if (candidate.taken_ns) {
        judgement.verdict = Verdict::already_cancelled;
        judgement.reason = fmt::format("{} was cancelled by an io_cancel {} before", describe(target),
                                       format_duration(call.start_ns - std::min(call.start_ns, *candidate.taken_ns)));
    } else if (!target.opcode) {
        judgement.reason = fmt::format(
            "{} was in flight and not on the kernel's list of requests that can be cancelled", describe(target));
        judgement.certain = false;
    } else if (!is_poll(target)) {
        judgement.reason = fmt::format("{} was in flight; the kernel can cancel polls only", describe(target));
    } else if (target.complete_ns) {
        judgement.verdict = Verdict::completed_first;
        judgement.completed_before_ns = 0;
        judgement.reason =
            fmt::format("the event of {} had fired; its completion was on its way and came {} after the call began",
                        describe(target), format_duration(*target.complete_ns - call.start_ns));
    } else {
        judgement.verdict = Verdict::completed_first;
        judgement.reason =
            fmt::format("the event of {} had fired; its completion has not been seen yet", describe(target));
        judgement.certain = false;
    }
    return judgement;
}

Judgement judge_finished(const Candidate& candidate, const ifl_call& call) {
    const Request& target = *candidate.request;
    const std::uint64_t before = call.start_ns - *target.complete_ns;
    Judgement judgement{.verdict = Verdict::completed_first,
                        .reason = {},
                        .certain = true,
                        .target = &target,
                        .completed_before_ns = {}};
    if (candidate.taken_ns && target.outcome == Outcome::cancelled) {
        judgement.verdict = Verdict::already_cancelled;
        judgement.reason = fmt::format("{} was cancelled by an io_cancel {} before", describe(target),
                                       format_duration(call.start_ns - std::min(call.start_ns, *candidate.taken_ns)));
        return judgement;
    }
    judgement.completed_before_ns = before;
    judgement.reason =
        fmt::format("{} had completed {} before{}", describe(target), format_duration(before),
                    target.reap_ns && *target.reap_ns <= call.start_ns ? " and its event was reaped"
                                                                       : "; its event was still to be reaped");
    return judgement;
}

Judgement judge_not_found(const CancelFacts& facts) {
    const auto& call = *facts.call;
    // The one the kernel could have meant is in flight; else the last to finish.
    const Candidate* in_flight = nullptr;
    const Candidate* finished = nullptr;
    for (const auto& candidate : facts.candidates) {
        if (!in_flight_after(*candidate.request, call.start_ns)) {
            if (finished == nullptr || *finished->request->complete_ns <= *candidate.request->complete_ns) {
                finished = &candidate;
            }
        } else if (in_flight == nullptr || !is_poll(*candidate.request)) {
            in_flight = &candidate;
        }
    }
    if (in_flight != nullptr) {
        return judge_in_flight(*in_flight, call);
    }
    Judgement judgement;
    if (finished != nullptr) {
        judgement = judge_finished(*finished, call);
        if (facts.records_lost) {
            judgement.certain = false;
            judgement.reason += "; records were lost, so a later request with this iocb may be meant";
        }
        return judgement;
    }
    judgement.reason = fmt::format("no request with iocb {:#x} was submitted to this context", call.args[1]);
    if (facts.context_existed) {
        judgement.certain = false;
        judgement.reason += " since the trace began; one from before it may be meant";
    } else if (facts.history_incomplete) {
        judgement.certain = false;
        judgement.reason += ", as far as was seen: records were lost or forgotten";
    }
    return judgement;
}

}  // namespace

Judgement judge(const CancelFacts& facts) {
    const auto& call = *facts.call;
    Judgement judgement;
    if (call.ret == -EFAULT) {
        judgement.verdict = Verdict::bad_pointer;
        judgement.reason = call.args[1] == 0 ? "iocb is NULL"
                                             : fmt::format("aio_key of the iocb at {:#x} cannot be read", call.args[1]);
        return judgement;
    }
    // 0 is what kernels before 3.12 said; EINPROGRESS is what they say now.
    if (call.ret == -EINPROGRESS || call.ret == 0) {
        return judge_taken(facts);
    }
    if (call.ret != -EINVAL) {
        // A ki_cancel() of a driver has its own errors (USB gadgets), passed through.
        judgement.verdict = Verdict::not_cancellable;
        judgement.reason =
            fmt::format("the driver refused to cancel it: {}", catalog::errno_name(error_of_result(call.ret)));
        const auto pending = std::ranges::find_if(facts.candidates, [&call](const Candidate& candidate) {
            return in_flight_after(*candidate.request, call.start_ns);
        });
        judgement.target = pending == facts.candidates.end() ? nullptr : pending->request;
        return judgement;
    }
    if ((call.flags & IFL_CALL_NOT_DECODED) != 0) {
        judgement.reason =
            "the call came through an ABI that is not decoded: neither its key nor its context were looked at";
        judgement.certain = false;
        return judgement;
    }
    // In the kernel's own order: the key, the context, the list.
    if (call.key_state == IFL_READ_OK && call.aio_key != 0) {
        judgement.verdict = Verdict::bad_key;
        judgement.reason =
            fmt::format("aio_key of the iocb is {:#x}; io_submit sets it to 0 and io_cancel wants it so", call.aio_key);
        return judgement;
    }
    const bool context_there = (call.flags & IFL_CALL_CTX_AT_ENTRY) != 0;
    judgement = context_there ? judge_not_found(facts) : judge_bad_context(facts);
    if (call.key_state != IFL_READ_OK) {
        judgement.certain = false;
        judgement.reason += "; aio_key could not be read, it may be wrong";
    }
    if (context_there && (call.flags & IFL_CALL_CTX_AT_EXIT) == 0) {
        judgement.certain = false;
        judgement.reason += "; the context was destroyed meanwhile";
    }
    return judgement;
}

}  // namespace inflight::model
