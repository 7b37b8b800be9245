// SPDX-License-Identifier: Apache-2.0
// A request of io_uring while the model works on it: its value, and what is known beside.
#pragma once

#include "model/types.hpp"
#include "model/uring_abi.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace inflight::model::uring {

struct Tracked {
    Request request;
    std::shared_ptr<UringPart> part;           // request.uring, which is written to until it is handed out
    std::shared_ptr<const Request> announced;  // as it was announced: what its completions refer to
    std::uint32_t flags = 0;                   // IFL_UREQ_*
    std::uint32_t cq_tail = 0;
    std::optional<std::uint64_t> taken_ns;  // by a cancel that started then
    std::uint64_t taken_by = 0;             // call_id or request_id of that cancel
    std::uint64_t place = 0;                // in the history, 0: none
    bool taken_by_timeout = false;          // taken_by is a linked timeout
    bool ended = false;
    bool handed_out = false;
    bool held = false;  // back, until it is explained
    bool awaits_notification = false;
    bool plain = false;  // its record says all of it: see Brief
    bool named = false;  // by a cancel, which refers to it
};
using TrackedPtr = std::shared_ptr<Tracked>;

// Of nothing yet.
[[nodiscard]] TrackedPtr new_tracked();
// Makes one of nothing again from one that nobody else refers to, which saves its memory; false: somebody does.
[[nodiscard]] bool renew(const TrackedPtr& tracked);

// -ECANCELED, or what a request returns whose worker was interrupted.
[[nodiscard]] bool interrupted(const Request& request);

// A transfer that ended with less than it was asked for, as one does that is cancelled after a part was done.
[[nodiscard]] bool partial(const Request& request);
// "5 of 64 bytes"
[[nodiscard]] std::string partial_text(const Request& request);
// A request that comes back with less only when it is told to end: MSG_WAITALL.
[[nodiscard]] bool waits_for_all(const Request& request);

// Its end cancels what is linked behind it: an error, the ETIME of a timeout, or a transfer that is shorter than asked
// for. Source: io_uring/rw.c (io_rw_done), io_uring/net.c (req_set_fail), io_uring/timeout.c (io_timeout_fn).
[[nodiscard]] bool breaks_chain(const Request& request);

// Sets outcome and cause from what is known by now.
void decide_outcome(Tracked& tracked);

[[nodiscard]] inline bool zero_copy(const Request& request) {
    return request.opcode == op_send_zc || request.opcode == op_sendmsg_zc;
}

// A send whose address is that of vectors, and whose length is their number.
[[nodiscard]] inline bool sends_vectors(const Request& request) {
    return (request.opcode == op_send || request.opcode == op_send_zc) && (request.ioprio & send_vectorized) != 0;
}

[[nodiscard]] inline std::uint64_t chain_of(const Tracked& tracked) {
    return tracked.part->link_head != 0 ? tracked.part->link_head : tracked.part->request_id;
}

}  // namespace inflight::model::uring
