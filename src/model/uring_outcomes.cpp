// SPDX-License-Identifier: Apache-2.0
// How an io_uring request ended, and why, from its result and what is known of the moment.
#include "model/uring_tracked.hpp"

#include <cerrno>

namespace inflight::model::uring {

namespace {

// Results that stay inside the kernel elsewhere; io-wq hands them out when a worker is interrupted.
constexpr std::int64_t first_restart_code = 512;  // ERESTARTSYS
constexpr std::int64_t last_restart_code = 516;   // ERESTART_RESTARTBLOCK

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
        return {Outcome::failed, EndCause::none};
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
        return {Outcome::completed, EndCause::none};
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

void decide_outcome(Tracked& tracked) {
    const End end = end_of(tracked);
    tracked.request.outcome = end.outcome;
    tracked.part->cause = end.cause;
    tracked.part->cancelled_by = tracked.taken_ns && end.outcome == Outcome::cancelled ? tracked.taken_by : 0;
}

}  // namespace inflight::model::uring
