// SPDX-License-Identifier: Apache-2.0
#include "model/findings.hpp"

#include "base/units.hpp"
#include "catalog/uring.hpp"
#include "model/accesses.hpp"
#include "model/story.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::model {

namespace {

constexpr std::uint8_t sqe_async = 1U << 4U;
constexpr std::size_t gone_kept = 16'384;
constexpr std::uint64_t no_opcode = 0xffff;

Finding about(const Request& request, std::uint64_t time_ns) {
    Finding finding;
    finding.time_ns = time_ns;
    finding.pid = request.pid;
    finding.tid = request.tid;
    finding.comm = request.comm;
    finding.stories = {request};
    return finding;
}

std::uint64_t end_of(const Request& request) {
    return request.complete_ns.value_or(request.reap_ns.value_or(request.submit_ns.value_or(0)));
}

}  // namespace

Findings::State& Findings::state(std::uint64_t context_id) {
    if (last_state_ == nullptr || last_context_id_ != context_id) {
        last_state_ = &states_[context_id];
        last_context_id_ = context_id;
    }
    return *last_state_;
}

void Findings::on_request(const Request& request) {
    next_.on_request(request);
    State& known = state(request.context_id);
    if (!request.complete_ns) {
        keep_oldest(request);
        count(known, request);
        return;
    }
    if (const auto latency_ns = request.latency_ns()) {
        check_stuck(request, *latency_ns, true);
    }
    if (request.outcome == Outcome::abandoned) {
        check_abandoned(request);
    } else if (request.family == Family::aio) {
        check_reaping(known, request);
    }
    count(known, request);
    check_worker_wait(known, request);
    if (request.uring && request.uring->overflowed && known.seen) {
        check_overflow(known.last, 1, 0);
    }
}

void Findings::on_completion(const Completion& completion) {
    next_.on_completion(completion);
    if (completion.cqe.overflowed || completion.cqe.dropped) {
        Context context = state(completion.context_id).last;
        context.context_id = completion.context_id;
        context.time_ns = completion.cqe.time_ns;
        context.pid = completion.pid;
        context.comm = completion.comm;
        if (completion.cqe.of_no_request && context.ring) {
            // The ring was looked at before.
            auto& ring = *context.ring;
            ring.overflowed_others = std::max<std::uint64_t>(ring.overflowed_others, 1);
        }
        check_overflow(context, 1, completion.cqe.dropped ? 1 : 0);
    }
}

void Findings::on_finding(const Finding& finding) {
    // A warning is told even if a lesser finding of the same kind was told before.
    const auto severity = static_cast<std::uint64_t>(finding.severity) << 32U;
    if (!finding.once_for || once_.first_of_many(finding.code, *finding.once_for, finding.operation | severity)) {
        next_.on_finding(finding);
    }
}

void Findings::keep_oldest(const Request& request) {
    if (!request.submit_ns || nature_of(request) == Nature::waiting) {
        return;
    }
    Request& oldest =
        in_flight_.try_emplace({request.context_id, request.opcode.value_or(no_opcode)}, request).first->second;
    if (*request.submit_ns < *oldest.submit_ns) {
        oldest = request;
    }
}

void Findings::check_stuck(const Request& request, std::uint64_t taken_ns, bool ended) {
    if (taken_ns < options_.stuck_ns) {
        return;
    }
    const Nature nature = nature_of(request);
    if (nature == Nature::waiting) {
        return;
    }
    if (!once_.first_of_many("stuck-request", request.context_id, request.opcode.value_or(no_opcode))) {
        return;
    }
    Finding finding = about(request, *request.submit_ns + taken_ns);
    finding.code = "stuck-request";
    finding.severity = nature == Nature::storage ? Severity::warn : Severity::info;
    finding.message = ended ? fmt::format("{} took {}", words_for(request), format_duration(taken_ns))
                            : fmt::format("{} has been in flight for {} and has not completed", words_for(request),
                                          format_duration(taken_ns));
    finding.advice = nature == Nature::storage
                         ? "regular files and block devices answer by themselves: look at the device and its queue "
                           "(iostat, dmesg), at a network or FUSE file system behind the path, at a cgroup's I/O limit"
                         : "if it may wait that long, raise --stuck; else give it a linked timeout, or cancel it";
    next_.on_finding(finding);
}

void Findings::check_abandoned(const Request& request) {
    const Nature nature = nature_of(request);
    // That a poll or an accept is pending when a server stops is how servers stop.
    if (nature == Nature::waiting && !fills_memory(request)) {
        return;
    }
    const bool storage = nature == Nature::storage;
    if (!once_.first_of_many(storage ? "in-flight-at-end storage" : "in-flight-at-end", request.context_id,
                             request.opcode.value_or(no_opcode))) {
        return;
    }
    Finding finding = about(request, end_of(request));
    finding.code = "in-flight-at-end";
    finding.severity = storage ? Severity::warn : Severity::info;
    finding.message = fmt::format(
        "{} was in flight when its {} went away{}{}", words_for(request),
        request.family == Family::aio ? "context or process" : "ring, task or process",
        request.submit_ns ? ", " + format_duration(request.latency_ns().value_or(0)) + " after its submission"
                          : std::string(),
        storage && !fills_memory(request) ? ": nobody knows whether its data was written" : "");
    finding.advice =
        "reap every completion before the end, or cancel what is still pending and reap that; its memory must not be "
        "freed or used again before";
    next_.on_finding(finding);
}

void Findings::check_reaping(State& known, const Request& request) {
    if (!request.reap_ns) {
        known.never_reaped++;
        if (!known.first_never_reaped) {
            known.first_never_reaped = request;
        }
        return;
    }
    known.reaped_by_call++;
    // Whoever was in the call already waits there for more.
    const std::uint64_t waited_ns = request.reap_call_ns.value_or(*request.reap_ns) -
                                    std::min(request.reap_call_ns.value_or(*request.reap_ns), *request.complete_ns);
    if (waited_ns < options_.unreaped_ns || !once_.first_of_many("unreaped-completions", request.context_id)) {
        return;
    }
    Finding finding = about(request, *request.reap_ns);
    finding.code = "unreaped-completions";
    finding.message =
        fmt::format("{} completed, and its event was taken {} later", words_for(request), format_duration(waited_ns));
    finding.advice = "call io_getevents as soon as something has completed; an eventfd (IOCB_FLAG_RESFD) tells when";
    next_.on_finding(finding);
}

void Findings::count(State& known, const Request& request) const {
    const UringPart* part = request.uring.get();
    if (part == nullptr || !request.opcode) {
        return;
    }
    const catalog::UringOp* op = catalog::uring_op(*request.opcode);
    if ((part->sqe_flags & sqe_async) == 0 && (op == nullptr || !op->punts)) {
        OperationCount& operation = known.operations[*request.opcode];
        operation.requests++;
        operation.punted += part->punts != 0 ? 1 : 0;
    }
    // An SQ thread takes what it finds; there is no call to be counted.
    if (part->batch != 0 && part->sq_thread_tid == 0) {
        known.batch_known++;
        known.single += part->batch == 1 ? 1 : 0;
    }
}

void Findings::finish(std::uint64_t end_ns) {
    for (const auto& [key, request] : in_flight_) {
        check_stuck(request, end_ns - std::min(end_ns, *request.submit_ns), false);
    }
    in_flight_.clear();
    for (auto& [id, known] : states_) {
        conclude(known, end_ns);
    }
}

void Findings::on_context(const Context& context) {
    next_.on_context(context);
    State& known = state(context.context_id);
    known.last = context;
    known.seen = true;
    if (context.ring) {
        look_at_ring(known, context);
    }
    if (context.change != ContextChange::destroyed) {
        return;
    }
    conclude(known, context.time_ns);
    if (!known.gone) {
        // Requests of it may still come, with what the kernel cancelled for it.
        known.gone = true;
        gone_.push_back(context.context_id);
        if (gone_.size() > gone_kept) {
            states_.erase(gone_.front());
            gone_.pop_front();
            last_state_ = nullptr;
        }
    }
}

}  // namespace inflight::model
