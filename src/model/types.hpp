// SPDX-License-Identifier: Apache-2.0
// The values of the model: what happened, in the words of the glossary. Views get these and nothing else.
//
// Times are CLOCK_MONOTONIC in nanoseconds, as the kernel's bpf_ktime_get_ns gives them. An empty optional means
// "not known", which is never the same as zero. All types are plain values, safe to copy and to hand to a thread.
#pragma once

#include "contract/records.h"
#include "model/uring.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::model {

enum class Family : std::uint8_t { aio, uring };

// The bit of a system call in a mask of them. One that this inflight does not know is in no mask.
[[nodiscard]] constexpr std::uint32_t event_bit(std::uint8_t syscall) {
    return syscall < IFL_SYSCALL_COUNT ? 1U << syscall : 0;
}

enum class Tier : std::uint8_t { none, fentry, kprobe, tracepoint };

enum class Outcome : std::uint8_t { in_flight, completed, failed, cancelled, abandoned };

enum class Verdict : std::uint8_t {
    cancelled,
    completed_first,
    already_cancelled,
    not_cancellable,
    unknown_request,
    bad_context,
    bad_key,
    bad_pointer,
    running,       // io_uring: an io-wq worker was executing it; the reason says what became of it
    bad_argument,  // io_uring
};

enum class Severity : std::uint8_t { info, warn, critical };

[[nodiscard]] std::string_view name(Family family);
[[nodiscard]] std::string_view name(Tier tier);
[[nodiscard]] std::string_view name(Outcome outcome);
[[nodiscard]] std::string_view name(Verdict verdict);  // "completed-first"
[[nodiscard]] std::string_view name(Severity severity);
[[nodiscard]] std::optional<Outcome> outcome_by_name(std::string_view name);

// An open file as it was named when a request first used it.
struct File {
    std::string name;  // path, "pipe:[n]", "socket:[n]", "anon_inode:[eventfd]"
    std::string kind;  // "regular file", "directory", "pipe", "socket", "block device", "eventfd", ...
    std::uint64_t inode = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    bool unlinked = false;
    bool truncated = false;  // `name` is only the end of the path
};
using FilePtr = std::shared_ptr<const File>;

// Where the fields of an iocb were read.
enum class Origin : std::uint8_t {
    unknown,
    kernel,  // K: the copy that the kernel works on
    user,    // U: user memory, which can change after the kernel has read it
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): ordered for the reader
struct Request {
    Family family = Family::aio;
    Tier tier = Tier::none;
    Outcome outcome = Outcome::in_flight;

    std::uint64_t kernel_address = 0;  // struct aio_kiocb or struct io_kiocb
    std::uint64_t context_id = 0;      // inflight's number of the context
    std::uint64_t ctx_id = 0;          // what the program knows it by; of a ring its descriptor, or no_ring_fd
    std::uint64_t address = 0;         // the iocb, in the program's memory; 0 for io_uring
    std::uint64_t call_id = 0;         // the io_submit or io_uring_enter that brought it, 0 not known

    std::optional<std::uint16_t> opcode;
    Origin origin = Origin::unknown;  // of the next eight
    std::int32_t fd = -1;
    std::uint64_t buffer = 0;
    std::uint64_t length = 0;
    std::int64_t offset = 0;
    std::uint32_t rw_flags = 0;
    std::uint32_t aio_flags = 0;
    std::uint16_t ioprio = 0;
    std::uint32_t resfd = 0;
    std::uint64_t user_data = 0;
    bool user_data_known = false;
    FilePtr file;

    std::uint32_t pid = 0;
    std::uint32_t host_pid = 0;  // of the machine, where `pid` is of a pid namespace; 0: the same, or not known
    std::uint32_t tid = 0;       // 0: not known
    std::uint32_t uid = 0;
    std::uint64_t cgroup_id = 0;
    std::string comm;
    std::uint32_t completer_pid = 0;
    std::uint32_t completer_tid = 0;

    std::optional<std::uint64_t> submit_ns;
    std::optional<std::uint64_t> complete_ns;
    std::optional<std::uint64_t> reap_ns;
    std::optional<std::uint64_t> reap_call_ns;  // AIO: when the call began that took its event
    std::uint64_t reap_call_id = 0;             // AIO: that call; 0 not known, or its event was taken without a call
    std::int64_t result = 0;
    std::int64_t result2 = 0;

    bool existed = false;          // in flight before the hooks were attached
    bool unpaired = false;         // its submission should have been seen and was not
    bool synchronous = false;      // completed inside io_submit; of io_uring nothing tells
    bool compat = false;           // submitted by a 32-bit call
    bool appended = false;         // went to the end of the file, whatever its offset: O_APPEND, RWF_APPEND
    bool completion_exact = true;  // false: complete_ns is an upper bound (free of the request, or its reaping)
    bool completion_seen = true;   // false: no hook saw it complete; it is known from its event or from what came after
    bool end_guessed = false;      // a CQE overflowed that several requests of one user_data could have ended with
    bool result_known = true;      // false: it ended unseen, and its event was not seen either
    bool context_dead = false;     // its context was being destroyed when it completed
    bool poll_cancelled = false;   // poll_iocb.cancelled was set when it completed

    std::shared_ptr<const UringPart> uring;  // not null for Family::uring

    [[nodiscard]] std::optional<std::uint64_t> latency_ns() const {
        if (!submit_ns || !complete_ns || *complete_ns < *submit_ns) {
            return std::nullopt;
        }
        return *complete_ns - *submit_ns;
    }
    // errno of a failed request as a positive number, 0 for none
    [[nodiscard]] int error() const {
        return complete_ns && result < 0 && result >= -4095 ? static_cast<int>(-result) : 0;
    }
};

struct Cancel {
    Family family = Family::aio;
    CancelWay way = CancelWay::io_cancel;
    Tier tier = Tier::none;
    std::uint64_t call_id = 0;
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint32_t pid = 0;
    std::uint32_t host_pid = 0;  // of the machine, where `pid` is of a pid namespace; 0: the same, or not known
    std::uint32_t tid = 0;
    std::uint32_t uid = 0;
    std::string comm;
    std::uint64_t cgroup_id = 0;
    std::uint64_t ctx_id = 0;
    std::uint64_t context_id = 0;  // 0: ctx_id named none
    std::uint64_t address = 0;     // the iocb
    std::uint64_t result_address = 0;
    std::int64_t ret = 0;
    Verdict verdict = Verdict::unknown_request;
    std::string reason;                                // one sentence
    bool certain = true;                               // false: the reason says what may not have been seen
    std::optional<Request> target;                     // as far as known when the verdict fell
    std::optional<std::uint64_t> completed_before_ns;  // completed-first: that long before the call
    CancelKey key;                                     // io_uring
    std::vector<Request> more_targets;                 // io_uring, of a cancel that took several: the others
};

struct IocbArgument {
    std::uint32_t index = 0;
    std::uint64_t address = 0;
    bool readable = false;
    std::array<std::uint8_t, IFL_IOCB_BYTES> bytes{};  // struct iocb of linux/aio_abi.h
    FilePtr file;
};

// One system call, as the catalogue's event of that name describes it.
struct Event {
    ifl_call call{};  // the record: arguments, task, times
    Family family = Family::aio;
    Tier tier = Tier::none;
    std::string container_id;            // empty: none
    std::string cgroup_path;             // empty: not known
    std::vector<IocbArgument> iocbs;     // io_submit, where asked for
    std::vector<ifl_io_event> returned;  // io_getevents, where asked for
    bool in_progress = false;            // has not returned yet: call.header.time_ns is when we looked
    bool exit_missed = false;
    bool decoded = true;
    std::vector<Detail> details;  // io_uring: what the arguments point at
};

// One CQE of a request that goes on, as it comes: multishot, zero-copy notification, message from another ring.
struct Completion {
    Tier tier = Tier::none;
    std::uint64_t context_id = 0;
    std::uint64_t user_data = 0;
    Cqe cqe;
    std::uint32_t pid = 0;  // the ring's owner
    std::string comm;
    std::shared_ptr<const Request> request;  // that it belongs to, null: not known
};

// `observed`: a periodic reading of the counters of a ring. Only findings use it, and views do not get it.
enum class ContextChange : std::uint8_t { created, found, destroyed, at_end, observed };
[[nodiscard]] std::string_view name(ContextChange change);

struct Context {
    Family family = Family::aio;
    ContextChange change = ContextChange::created;
    std::uint64_t time_ns = 0;
    std::uint64_t context_id = 0;
    std::uint64_t ctx_id = 0;
    std::uint32_t pid = 0;
    std::uint32_t host_pid = 0;  // of the machine, where `pid` is of a pid namespace; 0: the same, or not known
    std::uint32_t uid = 0;
    std::string comm;
    std::optional<std::uint64_t> created_ns;
    std::optional<std::uint64_t> destroyed_ns;
    bool by_exit = false;  // destroyed because its process ended
    std::uint32_t in_flight = 0;
    std::uint32_t in_flight_max = 0;
    std::uint64_t submitted = 0;
    std::uint64_t completed = 0;
    std::uint32_t capacity = 0;      // requests that it really accepts
    std::uint32_t max_requests = 0;  // what it takes of aio-max-nr
    std::uint32_t refused = 0;       // iocbs that io_submit did not take
    int refused_error = 0;           // the last known errno of these
    std::optional<RingPart> ring;    // of Family::uring; ctx_id is its descriptor

    // Nothing shows what was in flight on a ring before the trace: `in_flight` and `in_flight_max` then mean nothing.
    // Of one that is being freed the kernel's own count is known.
    [[nodiscard]] bool in_flight_known() const {
        return family != Family::uring || created_ns.has_value() || (ring && ring->closing);
    }
};

// A call that takes memory away from a process, as it begins; only where it was asked for.
struct Unmap {
    std::uint64_t time_ns = 0;
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::string comm;
    std::string call;  // "munmap", "mmap", "mremap"
    std::uint64_t address = 0;
    std::uint64_t length_bytes = 0;
};

struct Finding {
    std::string code;  // "slow-submit"
    Severity severity = Severity::warn;
    std::uint64_t time_ns = 0;
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::string comm;
    std::string message;                    // what, with its evidence, in a sentence
    std::string advice;                     // what to do
    std::vector<Request> stories;           // the requests that it is about, where it is about some
    std::optional<std::uint64_t> once_for;  // context or process: told once for it, code and `operation`
    std::uint64_t operation = 0;
};

// Records of one kind: delivered + lost = generated.
struct KindLoss {
    std::string kind;  // "request", "call", ...
    std::uint64_t generated = 0;
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
};

struct CpuLoss {
    std::uint32_t cpu = 0;
    std::vector<KindLoss> kinds;
};

// What was not seen. A total of 0 is the only good one.
struct Losses {
    std::vector<CpuLoss> cpus;
    std::uint64_t requests_untracked = 0;  // accepted by the kernel, never in our table
    std::uint64_t calls_untracked = 0;
    std::uint64_t contexts_untracked = 0;
    std::uint64_t exits_missed = 0;        // calls whose return was not seen
    std::uint64_t programs_skipped = 0;    // times the kernel skipped a program (recursion), as it counts them itself
    std::uint64_t completions_unseen = 0;  // known from io_getevents alone
    std::uint64_t submissions_unseen = 0;  // completed without a submission although the context was watched
    std::uint64_t out_of_order = 0;        // records that came later than the sorter waits

    [[nodiscard]] std::uint64_t records_lost() const;
    [[nodiscard]] std::uint64_t total() const;
};

}  // namespace inflight::model
