// SPDX-License-Identifier: Apache-2.0
// What can be said of a request that is in flight: where it is, whether it can be cancelled and by which way, and a
// name by which another run finds it again. Pure functions.
#pragma once

#include "model/types.hpp"
#include "model/uring.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::model {

enum class Stage : std::uint8_t {
    issued,      // with a file system or a device: no list of the kernel holds it
    iopoll,      // with a device, which the program polls (IORING_SETUP_IOPOLL)
    work,        // it is ready, or its timer has fired: it waits for its thread to enter the kernel
    poll,        // a poll is armed: the file is not ready
    timer,       // a timer runs
    futex,       // waits on a futex
    child,       // waits for a child process
    command,     // with a driver that can give it up
    wq_queued,   // waits for an io-wq worker
    wq_running,  // an io-wq worker works on it
    drain,       // held back by IOSQE_IO_DRAIN
    link,        // behind another of its chain
    kworker,     // AIO: a kworker runs its fsync
    unreaped,    // it has completed: its result stands in the ring
    backlog,     // it has completed: its result stands in the kernel, for the ring was full
};

// "armed on poll": for people; "poll": for programs.
[[nodiscard]] std::string_view describe(Stage stage);
[[nodiscard]] std::string_view name(Stage stage);
// Why one there cannot be cancelled, or a remark; may be empty.
[[nodiscard]] std::string_view reason(Stage stage);
// It has completed.
[[nodiscard]] constexpr bool is_over(Stage stage) {
    return stage == Stage::unreaped || stage == Stage::backlog;
}

// Of one that a snapshot showed after the lists were walked (LiveOptions::places_wanted).
[[nodiscard]] Stage stage_of(const Request& request);

enum class CancelMeans : std::uint8_t {
    none,    // nothing can cancel it
    ring,    // from outside, on a duplicate of its ring's descriptor: IORING_REGISTER_SYNC_CANCEL
    inject,  // by a call made inside its process
};
[[nodiscard]] std::string_view name(CancelMeans means);

struct Cancellable {
    CancelMeans means = CancelMeans::none;
    std::string_view why;  // of none: the reason; else a remark, or empty
};
// `ring`: that of an io_uring request, null when it is not known. Sources: fs/aio.c (io_cancel), io_uring/cancel.c
// (io_try_cancel, io_sync_cancel) and io_uring/register.c of Linux 6.1 to 6.18.
[[nodiscard]] Cancellable cancellable(const Request& request, const RingPart* ring);

// "4242-1f3a90c2d7": the process and a digest of the kernel's request (its address) with what it was submitted with. It
// is the same in each run while the request is in flight. A later one at the same address, with the same operation,
// file descriptor and user_data, has the same id.
[[nodiscard]] std::string id_of(const Request& request);

// By which descriptors the file of a request in flight is open at the time of the look. They are found by the file, not
// by the number that the request was submitted with: that may be closed, or another file, since.
struct FileNow {
    bool known = false;                    // false: it works on no file, or that was not looked up
    std::vector<std::int32_t> fds;         // of its process, ascending; empty: closed there
    bool number_reused = false;            // the number that it was submitted with is another file now
    std::vector<std::uint32_t> elsewhere;  // other processes that have it open, ascending
};

// A request in flight as a list of them shows it.
struct InFlight {
    Request request;
    std::string id;
    Stage stage = Stage::issued;
    Cancellable cancellable;
    std::uint64_t age_ns = 0;
    bool age_known = false;  // false: older than that, for it was there before the trace
    std::optional<RingPart> ring;
    std::uint64_t ring_address = 0;  // struct io_ring_ctx; 0: not known
    FileNow file_now;
};

class Tracker;
// What the last snapshot showed, the oldest first. `start_ns`: of the trace.
[[nodiscard]] std::vector<InFlight> list_in_flight(const Tracker& tracker, std::uint64_t start_ns,
                                                   std::uint64_t now_ns);

}  // namespace inflight::model
