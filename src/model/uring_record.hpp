// SPDX-License-Identifier: Apache-2.0
// From one record to what it says of its request. What else is known of that - its ring, file, details, the cancels
// that took it - is the tracker's.
#pragma once

#include "model/uring_tracked.hpp"

namespace inflight::model::uring {

// Only the bytes that a brief record has may then be read.
[[nodiscard]] inline bool is_brief(const ifl_uring_request& record) {
    return record.header.size_bytes < sizeof(record);
}

// All but ctx_id, file and details; and but the submitting process where the record leaves that to the ring (pid 0).
void fill_from(Tracked& tracked, const ifl_uring_request& record);

// Who completed it: nobody is named where a BPF program that drives the ring did, in the thread that called
// io_uring_enter (Linux 7.1, io_uring/loop.c).
void set_completer(Tracked& tracked, std::uint32_t pid, std::uint32_t tid);

// How it ended; of one that ended unseen nothing is known.
void end_from(Tracked& tracked, const ifl_uring_request& record);

// A refused SQE whose CQE nobody has seen: it has the error that it was refused with (io_submit_fail_init).
void take_refusal(Tracked& tracked);

}  // namespace inflight::model::uring
