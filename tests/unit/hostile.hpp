// SPDX-License-Identifier: Apache-2.0
// Loads that a program can make on purpose: n of something that looks alike, so that a search through all of them at
// each step takes a time that grows with the square of n. The unit tests bound them, the benchmark shows their growth.
#pragma once

#include "made.hpp"
#include "model/conflicts.hpp"
#include "model/findings.hpp"
#include "uring_records.hpp"

#include <cerrno>
#include <cstdint>
#include <span>

namespace inflight::model::test {

// Counts what it gets and keeps nothing.
struct CountingSink : Sink {
    void on_request(const Request& /*request*/) override { requests++; }
    void on_cancel(const Cancel& /*cancel*/) override { cancels++; }
    void on_event(const Event& /*event*/) override {}
    void on_context(const Context& /*context*/) override { contexts++; }
    void on_finding(const Finding& /*finding*/) override { findings++; }

    std::uint64_t requests = 0;
    std::uint64_t cancels = 0;
    std::uint64_t contexts = 0;
    std::uint64_t findings = 0;
};

inline TrackerOptions many_contexts() {
    TrackerOptions options;
    options.contexts_limit = 1U << 21U;
    return options;
}

struct Load : CountingSink {
    explicit Load(TrackerOptions options = many_contexts()) : tracker(options, *this) {}
    template <typename... Records>
    void feed(const Records&... records) {
        (tracker.on_record(records.header), ...);
    }
    void finish(std::uint64_t end_ns) {
        feed(final_snapshot(end_ns));
        tracker.finish(end_ns);
    }
    Tracker tracker;
};

// What came out, for a test to compare.
struct LoadResult {
    std::uint64_t requests = 0;
    std::uint64_t cancels = 0;
    std::uint64_t contexts = 0;
};
inline LoadResult result_of(const CountingSink& load) {
    return {.requests = load.requests, .cancels = load.cancels, .contexts = load.contexts};
}

// Polls of a ring on itself, all with one user_data, whose CQEs overflow while they stand in the table.
inline LoadResult overflow_in_flight(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(last_cqe(10 + n + i, 0).overflowed());
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(i + 1).data(0).submit(10 + i).in_flight(10 + 3 * n));
    }
    load.finish(10 + 4 * n);
    return result_of(load);
}

// The same, whose memory is used again one by one.
inline LoadResult overflow_then_unseen(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(last_cqe(10 + n + i, 7).overflowed());
    }
    for (std::uint64_t i = n; i > 0; i--) {
        load.feed(uring(i).data(7).submit(10 + i).unseen(10 + 3 * n));
    }
    load.finish(10 + 4 * n);
    return result_of(load);
}

// The records of the ends come before their CQEs.
inline LoadResult unseen_then_overflow(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(i + 1).data(7).submit(10 + i).unseen(10 + 3 * n));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(last_cqe(10 + 2 * n + i, 7).overflowed());
    }
    load.finish(10 + 4 * n);
    return result_of(load);
}

// Multishot polls with one user_data; CQEs that name none of them; then they end.
inline LoadResult equal_multishots(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(i + 1).op(uring::op_poll_add).data(7).submit(10 + i).announced());
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(more_cqe(10 + n + i, 7));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(i + 1).op(uring::op_poll_add).data(7).submit(10 + i).complete(10 + 2 * n + i, 0));
        if (i % 16 == 0) {
            load.tracker.advance(10 + 2 * n + i);
        }
    }
    load.finish(10 + 3 * n);
    return result_of(load);
}

// Zero-copy sends that wait for their notifications, which all look alike.
inline LoadResult equal_notifications(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(i + 1).op(uring::op_send_zc).data(7).submit(10 + i).announced());
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(
            uring(i + 1).op(uring::op_send_zc).data(7).submit(10 + i).complete(10 + n + i, 64).cqe(uring::cqe_more));
        if (i % 16 == 0) {
            load.tracker.advance(10 + n + i);
        }
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(notification(10 + 2 * n + i, 7));
        if (i % 16 == 0) {
            load.tracker.advance(10 + 2 * n + i);
        }
    }
    load.finish(10 + 3 * n);
    return result_of(load);
}

// Cancels of one user_data that find nothing, then requests with that user_data that end.
inline LoadResult waiting_cancels(std::uint64_t n, std::uint32_t flags = 0) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(async_cancel(i + 1, 7, flags).data(8).submit(10 + n + i).complete(11 + n + i, -ENOENT));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(n + i + 1).data(7).submit(10 + i).complete(10 + 3 * n + i, 0));
        if (i % 16 == 0) {
            load.tracker.advance(10 + 3 * n + i);
        }
    }
    load.finish(10 + 5 * n);
    return result_of(load);
}

// User_data that fall into one bucket of the history.
inline LoadResult colliding_user_data(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        const std::uint64_t chosen = (i << 52U) << 3U;
        load.feed(uring(i + 1).data(chosen).submit(10 + 2 * i).complete(11 + 2 * i, 0));
    }
    load.finish(10 + 3 * n);
    return result_of(load);
}

// A chain of n requests; the last is cancelled by its timeout.
inline LoadResult long_chain(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(i + 1).submit(10 + i).chain(i == 0 ? 0 : 1).complete(10 + n + i, i == 0 ? 0 : -ECANCELED));
        if (i % 16 == 0) {
            load.tracker.advance(10 + n + i);
        }
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(uring(n + i + 1)
                      .op(uring::op_link_timeout)
                      .submit(10 + i)
                      .chain(1)
                      .complete(10 + 3 * n + i, i % 2 == 0 ? -ENOENT : -ETIME));
    }
    load.finish(10 + 5 * n);
    return result_of(load);
}

// CQEs whose places in the ring come from the last to the first.
inline LoadResult backward_queue(std::uint64_t n) {
    Load load;
    load.feed(ring().created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        const auto tail = static_cast<std::uint32_t>(n - i);
        load.feed(uring(i + 1).submit(10 + i).complete(10 + n + i, 0).queue(tail, 0));
    }
    load.finish(10 + 3 * n);
    return result_of(load);
}

// n rings, n moments and n looks at the tables, none of which is about them; then n processes that end.
inline LoadResult many_rings(std::uint64_t n) {
    Load load;
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(ring(100 + i).created(10 + i));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.tracker.advance(10 + n + i);
        load.feed(snapshot(10 + n + i));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(process_exit(10 + 2 * n + i, static_cast<std::uint32_t>(1000 + i)));
    }
    load.feed(process_exit(10 + 3 * n));
    load.tracker.advance(second * 10);
    load.finish(second * 20);
    return result_of(load);
}

inline LoadResult many_aio_contexts(std::uint64_t n) {
    Load load;
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(context(100 + i).user_id(the_ctx_id + 4096 * i).created(10 + i));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.tracker.advance(10 + n + i);
        load.feed(snapshot(10 + n + i));
        load.feed(cancel(the_iocb).no_context(0x7000 + i).by(the_pid + 1, the_tid).span(10 + n + i, 11 + n + i));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(context(100 + i).user_id(the_ctx_id + 4096 * i).destroyed(10 + 2 * n + i));
        load.feed(process_exit(10 + 2 * n + i, static_cast<std::uint32_t>(1000 + i)));
    }
    load.feed(process_exit(10 + 3 * n));
    load.tracker.advance(second * 10);
    load.finish(second * 20);
    return result_of(load);
}

// One iocb for all requests, which complete and are then reaped, the last first.
inline LoadResult equal_iocbs(std::uint64_t n) {
    Load load;
    load.feed(context().room(static_cast<std::uint32_t>(n)).created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(request(the_iocb).kernel_address(0x1000 + 64 * i).submit(10 + i).data(i).complete(10 + n + i));
    }
    for (std::uint64_t i = n; i > 0; i--) {
        load.feed(reaped(10 + 3 * n).event(the_iocb, 0, i - 1));
    }
    load.finish(10 + 4 * n);
    return result_of(load);
}

// The events come before the completions.
inline LoadResult equal_early_iocbs(std::uint64_t n) {
    Load load;
    load.feed(context().room(static_cast<std::uint32_t>(n)).created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(reaped(10 + 3 * n).event(the_iocb, 0, i));
    }
    for (std::uint64_t i = n; i > 0; i--) {
        load.feed(
            request(the_iocb).kernel_address(0x1000 + 64 * i).submit(10 + i).data(i - 1).complete(10 + 2 * n + i));
    }
    load.finish(10 + 4 * n);
    return result_of(load);
}

// In flight with one iocb as a look at the table shows them, refused cancels of it, and then their ends.
inline LoadResult equal_iocbs_in_flight(std::uint64_t n) {
    Load load;
    load.feed(context().room(static_cast<std::uint32_t>(n)).created(1));
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(request(the_iocb).kernel_address(0x1000 + 64 * i).submit(10 + i).in_flight(10 + 2 * n));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(cancel(the_iocb).span(10 + 2 * n + i, 11 + 2 * n + i));
    }
    for (std::uint64_t i = 0; i < n; i++) {
        if (i == n / 2) {
            load.feed(snapshot(10 + 3 * n));
        }
        load.feed(request(the_iocb).kernel_address(0x1000 + 64 * i).submit(10 + i).complete(10 + 4 * n + i));
    }
    load.finish(10 + 6 * n);
    return result_of(load);
}

// Calls whose parts come and which never return.
inline LoadResult calls_in_parts(std::uint64_t n) {
    TrackerOptions options = many_contexts();
    options.events_wanted = ~0U;
    Load load(options);
    for (std::uint64_t i = 0; i < n; i++) {
        load.feed(reaped(10 + i).event(the_iocb, 0, i).of_call(1000 + i));
        load.tracker.advance(10 + i);
    }
    load.finish(10 + 2 * n);
    return result_of(load);
}

struct CheckedLoad : CountingSink {
    CheckedLoad() : conflicts({}, *this) {}
    Conflicts conflicts;
};

// Writes of the same bytes of a file from the same memory.
inline LoadResult equal_ranges(std::uint64_t n) {
    CheckedLoad load;
    for (std::uint64_t i = 0; i < n; i++) {
        load.conflicts.on_request(
            UringMade(23).memory(0x10000, 4096).at(4096).time(10 + i, 10 + n + i).moved(4096).done());
    }
    return result_of(load);
}

// The same one after the other, told in the order in which they ended backwards: none meets another.
inline LoadResult backward_ranges(std::uint64_t n) {
    CheckedLoad load;
    for (std::uint64_t i = n; i > 0; i--) {
        load.conflicts.on_request(
            UringMade(23).memory(0x10000, 4096).at(4096).time(10 * i, 10 * i + 5).moved(4096).done());
    }
    return result_of(load);
}

// Small ranges one after the other, and large ones over all of them.
inline LoadResult small_in_large_ranges(std::uint64_t n) {
    CheckedLoad load;
    for (std::uint64_t i = 0; i < n; i++) {
        load.conflicts.on_request(
            UringMade(22).memory(0x1000000 + 64 * i, 64).time(10 * i + 1, 10 * i + 5).moved(64).done());
    }
    for (std::uint64_t i = n; i < 2 * n; i++) {
        load.conflicts.on_request(
            UringMade(22).memory(0x1000000, 64 * n).time(10 * i + 1, 10 * i + 5).moved(64 * n).done());
    }
    return result_of(load);
}

struct HostileLoad {
    const char* name;
    LoadResult (*run)(std::uint64_t n);
    unsigned steps;  // records or requests for each of n
    std::uint64_t requests;
    std::uint64_t cancels;          // for each of n, as they come out; ~0: not compared
    std::uint64_t tested = 60'000;  // n of the unit test
};

inline std::span<const HostileLoad> hostile_loads() {
    constexpr std::uint64_t any = ~std::uint64_t{0};
    static const HostileLoad loads[] = {
        {"overflowed CQEs of requests in flight with one user_data", overflow_in_flight, 2, 1, 0},
        {"overflowed CQEs, then the ends of their requests", overflow_then_unseen, 2, 1, 0},
        {"ends without a result, then overflowed CQEs", unseen_then_overflow, 2, 1, 0},
        {"multishot requests with one user_data", equal_multishots, 3, 1, 0},
        {"zero-copy sends with one user_data", equal_notifications, 3, 1, 0},
        {"cancels of one user_data that wait", [](std::uint64_t n) { return waiting_cancels(n); }, 2, 2, 1},
        {"cancels of any request that wait",
         [](std::uint64_t n) { return waiting_cancels(n, uring::cancel_any | uring::cancel_all); }, 2, 2, 1},
        {"user_data that share a bucket", colliding_user_data, 1, 1, 0},
        {"a chain of links and their timeouts", long_chain, 2, 2, any},
        {"CQEs from the last to the first", backward_queue, 1, 1, 0},
        {"rings, moments, looks and ends of processes", many_rings, 4, 0, 0},
        {"AIO contexts, moments, looks, cancels and ends", many_aio_contexts, 6, 0, 1},
        {"requests with one iocb, reaped backwards", equal_iocbs, 2, 1, 0},
        {"events of one iocb before their completions", equal_early_iocbs, 2, 1, 0},
        {"cancels and requests in flight of one iocb", equal_iocbs_in_flight, 3, 1, 1, 20'000},
        {"parts of calls that do not return", calls_in_parts, 2, any, 0},
        {"writes of the same bytes", equal_ranges, 1, any, 0, 10'000},
        {"writes of the same bytes, told backwards", backward_ranges, 1, any, 0, 10'000},
        {"small ranges under large ones", small_in_large_ranges, 2, any, 0, 10'000},
    };
    return loads;
}

}  // namespace inflight::model::test
