// SPDX-License-Identifier: Apache-2.0
// The kernel's rules for AIO (fs/aio.c), as small as they can be written: random programs run against it, and it knows
// what each request and each cancel came to and which records the hooks would have written.
#pragma once

#include "records.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

namespace inflight::model::test {

struct HistoryKind {
    bool tracepoints = false;   // completions are seen at the free, which may come after the event was reaped
    bool unique_data = true;    // else user data are the iocb's address
    bool user_reaping = false;  // some events are taken from the ring without a call
    bool losses = false;        // some records of completions are lost
    std::uint64_t scale_ns = 1;
    unsigned steps = 60;
};

struct HistoryRequest {
    RequestRecord record{0};  // as it is written, or would be
    std::size_t context = 0;  // index
    std::uint64_t queued_ns = 0;
    std::optional<std::uint64_t> taken_ns;  // start of the io_cancel that took it
    std::uint64_t reaped_ns = 0;            // by io_getevents
    bool listed = false;                    // on active_reqs
    bool lost = false;

    [[nodiscard]] bool queued() const { return queued_ns != 0; }
    [[nodiscard]] Outcome outcome() const;
    // When it ended as far as can be seen; in flight: never.
    [[nodiscard]] std::uint64_t end_ns() const;
};

struct HistoryCancel {
    CallRecord record{IFL_IO_CANCEL};
    std::optional<std::size_t> target;        // index of the request that it took
    std::set<Verdict> verdicts;               // of EINVAL and EFAULT that do not depend on requests
    std::optional<std::size_t> in_context{};  // index; the list was searched
};

class KernelModel {
public:
    KernelModel(unsigned seed, HistoryKind kind) : kind_(kind), random_(seed) { make_context(); }

    void run();

    // What the hooks wrote, in the order of their times.
    [[nodiscard]] const std::multimap<std::uint64_t, std::vector<std::uint64_t>>& records() const { return records_; }
    [[nodiscard]] const std::vector<HistoryRequest>& requests() const { return requests_; }
    [[nodiscard]] const std::vector<HistoryCancel>& cancels() const { return cancels_; }
    // Every verdict that is right for it. More than one only where several requests have its iocb.
    [[nodiscard]] std::set<Verdict> right_verdicts(const HistoryCancel& attempt) const;
    [[nodiscard]] std::uint64_t end_ns() const { return now_; }

private:
    struct ContextInKernel {
        std::uint64_t id = 0;
        std::uint64_t ctx_id = 0;
        bool alive = true;
        std::deque<std::size_t> ring;
    };

    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    bool chance(unsigned percent) { return pick(100) < percent; }
    std::uint64_t tick() { return now_ += (1 + pick(20)) * kind_.scale_ns; }

    template <typename Record>
    void write(const Record& record) {
        std::vector<std::uint64_t> bytes(sizeof(Record) / 8);
        std::memcpy(bytes.data(), &record, sizeof(Record));
        records_.emplace(record.header.time_ns, std::move(bytes));
    }

    void make_context();
    void submit();
    void complete_something();
    void run_worker();
    void queue_event(std::size_t index, std::int64_t result, bool dead);
    void cancel_something();
    void search_list(HistoryCancel& attempt);
    void reap(bool with_a_call);
    void destroy();
    void look(bool final);
    [[nodiscard]] std::vector<std::size_t> unqueued(bool taken) const;
    std::int64_t random_result(std::uint16_t opcode);
    std::uint64_t kernel_memory();

    HistoryKind kind_;
    std::mt19937 random_;
    std::uint64_t now_ = 1000;
    std::uint64_t last_worker_record_ns_ = 0;
    std::vector<ContextInKernel> contexts_;
    std::vector<HistoryRequest> requests_;
    std::vector<HistoryCancel> cancels_;
    std::deque<std::size_t> workers_;                            // polls that were taken, until the worker has run
    std::vector<std::pair<std::uint64_t, std::uint64_t>> slab_;  // free memory, and since when
    std::uint64_t slab_end_ = 0xffff888000000000;
    std::multimap<std::uint64_t, std::vector<std::uint64_t>> records_;
};

}  // namespace inflight::model::test
