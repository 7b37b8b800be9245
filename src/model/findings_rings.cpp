// SPDX-License-Identifier: Apache-2.0
// What looking at a ring again and again shows, and what is said of it as a whole at its end.
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "model/findings.hpp"
#include "model/story.hpp"
#include "model/uring_abi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace inflight::model {

namespace {

constexpr std::uint32_t sq_need_wakeup = 1U << 0U;  // IORING_SQ_NEED_WAKEUP

// A share of AIO events that are taken by call, above which it is believed that all are.
constexpr std::uint64_t reaped_by_call_percent = 90;

Finding about(const Context& context, std::uint64_t time_ns) {
    Finding finding;
    finding.time_ns = time_ns;
    finding.pid = context.pid;
    finding.comm = context.comm;
    return finding;
}

std::string ring_name(const Context& context) {
    return context.ring && context.ring->fd >= 0 ? fmt::format("the ring of fd {}", context.ring->fd) : "a ring";
}

std::string_view was(std::uint64_t count) {
    return count == 1 ? "was" : "were";
}

bool at_least(std::uint64_t part, std::uint64_t percent, std::uint64_t whole) {
    return part * 100 >= percent * whole;
}

}  // namespace

std::optional<std::uint64_t> Findings::Streak::look(bool is_so, std::uint32_t value_now, std::uint64_t time_ns) {
    if (!is_so || !since_ns || value != value_now) {
        since_ns = is_so ? std::optional(time_ns) : std::nullopt;
        value = value_now;
        return std::nullopt;
    }
    return time_ns - std::min(time_ns, *since_ns);
}

void Findings::look_at_ring(State& known, const Context& context) {
    const RingPart& ring = *context.ring;
    if (!ring.counted) {
        check_overflow(context, 0, 0);
        return;
    }
    check_overflow(context, 0, ring.cq_overflow);

    // The program can write any numbers to the ring's memory: impossible ones are not used.
    const std::uint32_t waiting = ring.cq_tail - ring.cq_head;
    const bool unreaped = waiting != 0 && waiting <= ring.cq_entries && !ring.waited_for;
    const auto unreaped_ns = known.unreaped.look(unreaped, ring.cq_head, context.time_ns);
    if (unreaped_ns && *unreaped_ns >= options_.unreaped_ns &&
        once_.first("unreaped-completions", context.context_id)) {
        Finding finding = about(context, context.time_ns);
        finding.code = "unreaped-completions";
        finding.message = fmt::format("{} in {} (room for {}), and none has been taken for {}",
                                      counted(waiting, "completion waits", "completions wait"), ring_name(context),
                                      format_count(ring.cq_entries), format_duration(*unreaped_ns));
        finding.advice =
            "reap them: when the completion queue is full the kernel keeps the next ones in a backlog, and what is "
            "submitted then may fail with EBUSY";
        next_.on_finding(finding);
    }

    const std::uint32_t unread = ring.sq_tail - ring.sq_head;
    const bool asleep = (ring.setup_flags & uring::setup_sqpoll) != 0 && (ring.sq_flags & sq_need_wakeup) != 0 &&
                        unread != 0 && unread <= ring.sq_entries;
    const auto asleep_ns = known.asleep.look(asleep, ring.sq_head, context.time_ns);
    if (asleep_ns && *asleep_ns >= options_.asleep_ns && once_.first("sqpoll-asleep", context.context_id)) {
        Finding finding = about(context, context.time_ns);
        finding.code = "sqpoll-asleep";
        finding.message =
            fmt::format("{} in {} while its SQ thread has been asleep for {}",
                        counted(unread, "SQE waits", "SQEs wait"), ring_name(context), format_duration(*asleep_ns));
        finding.advice =
            "when IORING_SQ_NEED_WAKEUP is set, call io_uring_enter with IORING_ENTER_SQ_WAKEUP after the tail was "
            "moved, with a full barrier between the two (io_uring_submit does both)";
        next_.on_finding(finding);
    }
    look_at_workers(known, context);
}

void Findings::check_overflow(const Context& context, std::uint64_t seen, std::uint64_t dropped) {
    const std::uint64_t all = std::max(seen, context.ring ? context.ring->overflowed : 0);
    const std::uint64_t others = context.ring ? context.ring->overflowed_others : 0;
    if (all == 0 && dropped == 0) {
        return;
    }
    const bool of_requests = all > others;
    // Lost completions are told even if an overflow without loss was told before.
    const auto* const code =
        dropped != 0 ? "cq-overflow dropped" : (of_requests ? "cq-overflow" : "cq-overflow others");
    if (!once_.first(code, context.context_id)) {
        return;
    }
    Finding finding = about(context, context.time_ns);
    finding.code = "cq-overflow";
    const std::string room =
        context.ring ? fmt::format(" (room for {})", format_count(context.ring->cq_entries)) : std::string();
    finding.message = fmt::format("the completion queue of {}{} was full", ring_name(context), room);
    if (dropped != 0) {
        finding.severity = Severity::critical;
        finding.message += fmt::format(", and the kernel has lost {}", counted(dropped, "completion"));
        finding.advice =
            "whoever waits for them waits forever: reap sooner, or make the completion queue larger "
            "(IORING_SETUP_CQSIZE)";
    } else if (of_requests) {
        finding.severity = Severity::warn;
        finding.message += fmt::format(": {} so far went to the kernel's backlog", counted(all, "completion"));
        finding.advice =
            "reap sooner, keep fewer requests in flight (multishot ones count with every completion), or make "
            "the completion queue larger (IORING_SETUP_CQSIZE)";
    } else {
        finding.severity = Severity::info;
        finding.message += fmt::format(
            ": {} of no request, {} of registered files and buffers or {} of other rings, "
            "went to the kernel's backlog",
            counted(all, "completion"), all == 1 ? "a tag" : "tags", all == 1 ? "a message" : "messages");
        finding.advice = "none is lost: the next io_uring_enter that waits for completions moves them into the queue";
    }
    next_.on_finding(finding);
}

void Findings::look_at_workers(State& known, const Context& context) {
    const RingPart& ring = *context.ring;
    const std::uint32_t now = ring.workers_bound + ring.workers_unbound;
    // Each kind has its own most, which need not have been at one time.
    const std::uint32_t most = std::max({now, ring.workers_bound_max, ring.workers_unbound_max});
    if (most >= options_.workers && once_.first("worker-explosion", context.context_id)) {
        Finding finding = about(context, context.time_ns);
        finding.code = "worker-explosion";
        finding.message = fmt::format(
            "{} at once for {}: now {} for files and devices (at most {}), {} "
            "for what may wait without end (at most {})",
            counted(most, "io-wq worker"), ring_name(context), ring.workers_bound, ring.workers_bound_limit,
            ring.workers_unbound, ring.workers_unbound_limit);
        finding.advice =
            "each blocked request holds a thread: set a limit with IORING_REGISTER_IOWQ_MAX_WORKERS, leave out "
            "IOSQE_ASYNC, use files that can be polled without O_NONBLOCK tricks, or fewer requests at a time";
        next_.on_finding(finding);
    }
    const bool bound_full = ring.workers_bound_limit != 0 && ring.workers_bound >= ring.workers_bound_limit;
    const bool unbound_full = ring.workers_unbound_limit != 0 && ring.workers_unbound >= ring.workers_unbound_limit;
    if (!bound_full && !unbound_full) {
        known.at_limit_since_ns.reset();
        return;
    }
    if (!known.at_limit_since_ns) {
        known.at_limit_since_ns = context.time_ns;
    }
    known.at_limit_until_ns = context.time_ns;
}

void Findings::check_worker_wait(const State& known, const Request& request) {
    if (!known.at_limit_since_ns || !request.uring || !request.uring->punt_ns || !request.uring->worker_ns) {
        return;
    }
    const std::uint64_t from_ns = *request.uring->punt_ns;
    const std::uint64_t until_ns = std::max(from_ns, *request.uring->worker_ns);
    const bool meets = from_ns <= known.at_limit_until_ns && until_ns >= *known.at_limit_since_ns;
    if (!meets || until_ns - from_ns < options_.asleep_ns || !once_.first("workers-at-limit", request.context_id)) {
        return;
    }
    const RingPart& ring = *known.last.ring;
    Finding finding = about(known.last, until_ns);
    finding.code = "worker-explosion";
    finding.severity = Severity::info;
    finding.tid = request.tid;
    finding.stories = {request};
    finding.message = fmt::format(
        "{} waited {} for an io-wq worker: {} of at most {}, and {} of at most {} for what "
        "may wait without end, were busy",
        words_for(request), format_duration(until_ns - from_ns), ring.workers_bound, ring.workers_bound_limit,
        ring.workers_unbound, ring.workers_unbound_limit);
    finding.advice =
        "find why requests are punted (a punt-storm finding names the operation), or raise the limit with "
        "IORING_REGISTER_IOWQ_MAX_WORKERS";
    next_.on_finding(finding);
}

void Findings::conclude(State& known, std::uint64_t end_ns) {
    if (!known.seen) {
        return;
    }
    if (known.last.ring) {
        conclude_shares(known, end_ns);
        return;
    }
    conclude_refusals(known.last, end_ns);
    if (known.gone || !known.first_never_reaped) {
        return;
    }
    // Events that a program takes from the ring in its own memory leave no trace: of one that does so nothing is said.
    const Request& first = *known.first_never_reaped;
    const std::uint64_t waited_ns = end_ns - std::min(end_ns, *first.complete_ns);
    const bool calls =
        at_least(known.reaped_by_call, reaped_by_call_percent, known.reaped_by_call + known.never_reaped);
    if (known.reaped_by_call == 0 || !calls || waited_ns < options_.unreaped_ns ||
        !once_.first("unreaped-completions", known.last.context_id)) {
        return;
    }
    Finding finding = about(known.last, end_ns);
    finding.code = "unreaped-completions";
    finding.severity = Severity::info;
    finding.message =
        fmt::format("{} of {} {} not taken by an io_getevents, the first for {}: {}", format_count(known.never_reaped),
                    counted(known.reaped_by_call + known.never_reaped, "completed request"), was(known.never_reaped),
                    format_duration(waited_ns), words_for(first));
    finding.advice = "reap every event: the context takes no more requests than it has room for events";
    finding.stories = {first};
    next_.on_finding(finding);
}

// When a batch ends early, io_submit returns how many iocbs were taken, but not the error of the next one.
void Findings::conclude_refusals(const Context& context, std::uint64_t end_ns) {
    if (context.refused == 0 || !once_.first("submit-refused", context.context_id)) {
        return;
    }
    constexpr int full = EAGAIN;
    Finding finding = about(context, end_ns);
    finding.code = "submit-refused";
    finding.severity = Severity::info;
    const std::string why = context.refused_error == 0
                                ? ", for reasons that were not seen"
                                : fmt::format("{} with {}", context.refused > 1 ? ", the last" : "",
                                              catalog::errno_name(context.refused_error));
    finding.message = fmt::format("io_submit did not take {}{}", counted(context.refused, "iocb"), why);
    finding.advice = context.refused_error == full
                         ? fmt::format(
                               "the context had no room: it accepts {} at a time; wait for completions before "
                               "the next io_submit, or ask io_setup for more",
                               counted(context.capacity, "request"))
                         : "the iocb that ends a batch is the one behind those that were taken: submit it alone, and "
                           "io_submit returns the error; `inflight trace --events io_submit` shows each call";
    next_.on_finding(finding);
}

void Findings::conclude_shares(const State& known, std::uint64_t end_ns) {
    const Context& context = known.last;
    for (const auto& [opcode, operation] : known.operations) {
        if (operation.requests < options_.punt_requests ||
            !at_least(operation.punted, options_.punt_percent, operation.requests) || operation.punted == 0 ||
            !once_.first("punt-storm", context.context_id, opcode)) {
            continue;
        }
        const std::string name = catalog::opcode_name("uring", opcode);
        Finding finding = about(context, end_ns);
        finding.code = "punt-storm";
        finding.severity = Severity::info;
        finding.message =
            fmt::format("{} of {} ({}) of {} {} handed to an io-wq worker", format_count(operation.punted),
                        counted(operation.requests, name + " request"),
                        format_share(operation.punted, operation.requests), ring_name(context), was(operation.punted));
        finding.advice =
            "a worker costs a thread and two switches for each: open the file with O_DIRECT, preallocate what is "
            "written, or use a file system that can do it without waiting (FMODE_NOWAIT)";
        next_.on_finding(finding);
    }
    if (known.batch_known >= options_.single_requests &&
        at_least(known.single, options_.single_percent, known.batch_known) && context.in_flight_max > 1 &&
        (context.ring->setup_flags & uring::setup_sqpoll) == 0 &&
        once_.first("one-enter-per-request", context.context_id)) {
        Finding finding = about(context, end_ns);
        finding.code = "one-enter-per-request";
        finding.severity = Severity::info;
        finding.message = fmt::format("{} of {} ({}) of {} {} submitted one by one, with up to {} in flight",
                                      format_count(known.single), counted(known.batch_known, "request"),
                                      format_share(known.single, known.batch_known), ring_name(context),
                                      was(known.single), format_count(context.in_flight_max));
        finding.advice = "prepare what there is to do, then submit it with one io_uring_enter, which can wait as well";
        next_.on_finding(finding);
    }
}

}  // namespace inflight::model
