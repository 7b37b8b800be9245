// SPDX-License-Identifier: Apache-2.0
// Whether two runs differ by more than each of them varies in itself. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace inflight::model {

enum class NoiseVerdict : std::uint8_t {
    not_enough_data,
    within_noise,
    lower,
    higher
};  // the second, against the first
[[nodiscard]] std::string_view name(NoiseVerdict judgement);  // "within-noise"

// A figure of B counts as different when the test of Mann and Whitney (two-sided, ties corrected) gives less than
// `max_p`, and in at least `min_superiority` of all pairs of slices the one of B lies on the same side. The second is
// there because slices of one run are not independent of each other, and many of them make any p small.
inline constexpr std::size_t min_slices = 8;  // with anything to measure in them, of each run
inline constexpr double max_p = 0.01;
inline constexpr double min_superiority = 0.8;

struct NoiseComparison {
    NoiseVerdict judgement = NoiseVerdict::not_enough_data;
    double p = 1;              // only where there is enough
    double superiority = 0.5;  // share of pairs in which B is larger, ties counted half
};

[[nodiscard]] NoiseComparison compare_samples(std::span<const double> a, std::span<const double> b);

}  // namespace inflight::model
