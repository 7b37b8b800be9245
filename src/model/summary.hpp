// SPDX-License-Identifier: Apache-2.0
// What is said at the end of a trace.
#pragma once

#include "model/types.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace inflight::model {

inline constexpr std::size_t outcome_count = 5;
inline constexpr std::size_t verdict_count = 10;

// Latencies in nanoseconds, counted in buckets whose width is 1/64 of their value at most; `max` is exact.
class LatencyHistogram {
public:
    void add(std::uint64_t latency_ns);
    void merge(const LatencyHistogram& other);
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max_ns() const { return max_ns_; }
    // The upper end of the bucket that holds the quantile (0 < q <= 1), at most max_ns(): never too small, and too
    // large by at most 1/64. 0 without any latency.
    [[nodiscard]] std::uint64_t quantile_ns(double q) const;

private:
    std::vector<std::uint64_t> buckets_;
    std::uint64_t count_ = 0;
    std::uint64_t max_ns_ = 0;
};

struct OperationStats {
    std::uint32_t pid = 0;
    std::string comm;
    Family family = Family::aio;
    std::optional<std::uint16_t> opcode;
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;  // transferred by reads and writes: the sum of their positive results
    std::array<std::uint64_t, outcome_count> outcomes{};  // by enum Outcome
    LatencyHistogram latency;                             // of requests whose both ends are known
};

struct Summary {
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint64_t requests = 0;
    std::uint64_t cancels = 0;
    std::uint64_t events = 0;
    std::uint64_t findings = 0;
    std::uint64_t completions = 0;  // CQEs of requests that went on; the last one is part of its request
    std::array<std::uint64_t, outcome_count> outcomes{};
    std::array<std::uint64_t, verdict_count> verdicts{};
    std::vector<OperationStats> operations;  // most requests first
    std::vector<Context> contexts;           // every one seen, most requests first
    std::uint64_t aio_nr = 0;                // /proc/sys/fs/aio-nr at the end
    std::uint64_t aio_max_nr = 0;
    Losses losses;
    std::string ended_by;  // "command exited with status 0", "SIGINT", "duration", ...
};

}  // namespace inflight::model
