// SPDX-License-Identifier: Apache-2.0
// How an io_uring request ended, and why, from its result and what is known of the moment.
#include "base/units.hpp"
#include "catalog/uring.hpp"
#include "model/uring_tracked.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <optional>

namespace inflight::model::uring {

namespace {

// Results that stay inside the kernel elsewhere; io-wq hands them out when a worker is interrupted.
constexpr std::int64_t first_restart_code = 512;  // ERESTARTSYS
constexpr std::int64_t last_restart_code = 516;   // ERESTART_RESTARTBLOCK

constexpr std::uint32_t msg_waitall = 0x100;

// Nothing: not known, or what the buffer that the kernel chose has room for.
std::optional<std::uint64_t> bytes_asked(const Request& request, const catalog::UringOp& operation) {
    const bool in_bytes = operation.len == catalog::SqeField::length_bytes && request.origin != Origin::unknown;
    const bool chosen_by_kernel = request.uring && (request.uring->sqe_flags & sqe_buffer_select) != 0;
    return in_bytes && !chosen_by_kernel && !sends_vectors(request) ? std::optional(request.length) : std::nullopt;
}

struct End {
    Outcome outcome = Outcome::completed;
    EndCause cause = EndCause::none;
};

End end_of_interrupted(const Tracked& tracked) {
    const Request& request = tracked.request;
    if (tracked.taken_ns) {
        return {Outcome::cancelled, tracked.taken_by_timeout ? EndCause::link_timeout : EndCause::cancel};
    }
    if ((tracked.flags & IFL_UREQ_TASK_EXITING) != 0) {
        return {Outcome::abandoned, EndCause::task_exit};
    }
    if ((tracked.flags & IFL_UREQ_RING_DYING) != 0) {
        return {Outcome::abandoned, EndCause::ring_closed};
    }
    if (request.result != -ECANCELED) {
        return {Outcome::failed, EndCause::none};
    }
    if ((tracked.flags & IFL_UREQ_LINK_FAILED) != 0) {
        return {Outcome::cancelled, EndCause::link_failed};
    }
    if (request.opcode == op_link_timeout) {
        return {Outcome::cancelled, EndCause::target_ended};
    }
    return {Outcome::cancelled, EndCause::unknown};
}

End end_of(const Tracked& tracked) {
    const Request& request = tracked.request;
    if (!request.complete_ns) {
        return {Outcome::in_flight, EndCause::none};
    }
    if (tracked.part->prep_failed) {
        return {Outcome::failed, (tracked.flags & IFL_UREQ_FILTERED) != 0     ? EndCause::denied_by_filter
                                 : (tracked.flags & IFL_UREQ_RESTRICTED) != 0 ? EndCause::denied_by_restriction
                                                                              : EndCause::none};
    }
    if (!request.result_known) {
        // Without the wish for no CQE, a success would have had one: its ring or its task took it along.
        if (!tracked.part->cqe_skipped && (tracked.flags & IFL_UREQ_RING_DYING) != 0) {
            return {Outcome::abandoned, EndCause::ring_closed};
        }
        // A chain that breaks takes the wish for no CQE along (io_fail_links).
        const bool broken = tracked.part->cqe_skipped && (tracked.flags & IFL_UREQ_LINK_FAILED) != 0;
        return broken ? End{Outcome::cancelled, EndCause::link_failed} : End{Outcome::completed, EndCause::none};
    }
    if (request.result >= 0) {
        // Only what a cancel ended early is ever noted as taken; the bytes of before are its result.
        return tracked.taken_ns ? end_of_interrupted(tracked) : End{Outcome::completed, EndCause::none};
    }
    const bool is_timeout = request.opcode == op_timeout || request.opcode == op_link_timeout;
    if (is_timeout && request.result == -ETIME) {
        return {Outcome::completed, EndCause::none};
    }
    return interrupted(request) ? end_of_interrupted(tracked) : End{Outcome::failed, EndCause::none};
}

}  // namespace

bool interrupted(const Request& request) {
    const std::int64_t error = -request.result;
    return request.complete_ns && request.result_known &&
           (error == ECANCELED || error == EINTR || (error >= first_restart_code && error <= last_restart_code));
}

bool partial(const Request& request) {
    const auto* const operation = request.opcode ? catalog::uring_op(*request.opcode) : nullptr;
    if (operation == nullptr || !operation->transfers_bytes || !request.complete_ns || !request.result_known ||
        request.result <= 0) {
        return false;
    }
    const auto asked = bytes_asked(request, *operation);
    return !asked || static_cast<std::uint64_t>(request.result) < *asked;
}

std::string partial_text(const Request& request) {
    const auto got = static_cast<std::uint64_t>(request.result);
    const auto asked = bytes_asked(request, *catalog::uring_op(*request.opcode));
    return asked ? fmt::format("{} of {}", got, counted(*asked, "byte")) : counted(got, "byte");
}

bool waits_for_all(const Request& request) {
    return (request.opcode == op_recv || request.opcode == op_recvmsg) && (request.rw_flags & msg_waitall) != 0;
}

bool breaks_chain(const Request& request) {
    constexpr std::uint32_t etime_success = 1U << 5U;
    const UringPart* const part = request.uring.get();
    if (part == nullptr || (part->sqe_flags & sqe_io_link) == 0 || (part->sqe_flags & sqe_io_hardlink) != 0 ||
        !request.complete_ns || !request.result_known || !request.opcode) {
        return false;
    }
    if (request.result < 0) {
        return request.opcode != op_timeout || request.result != -ETIME || (request.rw_flags & etime_success) == 0;
    }
    const auto* const operation = catalog::uring_op(*request.opcode);
    const auto asked =
        operation != nullptr && operation->transfers_bytes ? bytes_asked(request, *operation) : std::nullopt;
    const bool on_socket = request.opcode == op_send || request.opcode == op_recv || zero_copy(request);
    return asked && static_cast<std::uint64_t>(request.result) < *asked &&
           (!on_socket || (request.rw_flags & msg_waitall) != 0);
}

void decide_outcome(Tracked& tracked) {
    const End end = end_of(tracked);
    tracked.request.outcome = end.outcome;
    tracked.part->cause = end.cause;
    tracked.part->cancelled_by = tracked.taken_ns && end.outcome == Outcome::cancelled ? tracked.taken_by : 0;
}

}  // namespace inflight::model::uring
