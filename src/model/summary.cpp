// SPDX-License-Identifier: Apache-2.0
#include "model/summary.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace inflight::model {
namespace {

// Log-linear buckets, as in HdrHistogram: values below 64 have a bucket each; above, every power of two is cut into 64
// equal ones.
constexpr unsigned sub_bucket_bits = 6;
constexpr std::uint64_t sub_buckets = 1U << sub_bucket_bits;

// How many low bits a bucket spans, for a value of `sub_buckets` or more.
unsigned shift_of(std::uint64_t value) {
    return static_cast<unsigned>(std::bit_width(value)) - sub_bucket_bits - 1;
}

std::size_t bucket_of(std::uint64_t value) {
    if (value < sub_buckets) {
        return value;
    }
    const unsigned shift = shift_of(value);
    return sub_buckets * shift + (value >> shift);
}

std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < 2 * sub_buckets) {
        return bucket;
    }
    const auto shift = static_cast<unsigned>(bucket / sub_buckets) - 1;
    const std::uint64_t leading = sub_buckets + bucket % sub_buckets;
    return ((leading + 1) << shift) - 1;  // wraps to the largest value for the last bucket, as it should
}

}  // namespace

void LatencyHistogram::add(std::uint64_t latency_ns) {
    const std::size_t bucket = bucket_of(latency_ns);
    if (bucket >= buckets_.size()) {
        buckets_.resize(bucket + 1);
    }
    ++buckets_[bucket];
    ++count_;
    max_ns_ = std::max(max_ns_, latency_ns);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
    buckets_.resize(std::max(buckets_.size(), other.buckets_.size()));
    for (std::size_t bucket = 0; bucket < other.buckets_.size(); ++bucket) {
        buckets_[bucket] += other.buckets_[bucket];
    }
    count_ += other.count_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
}

std::uint64_t LatencyHistogram::quantile_ns(double q) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
        seen += buckets_[bucket];
        if (seen >= wanted && seen != 0) {
            return std::min(upper_end(bucket), max_ns_);
        }
    }
    return max_ns_;
}

}  // namespace inflight::model
