// SPDX-License-Identifier: Apache-2.0
#include "model/noise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace inflight::model {

namespace {

struct RankSum {
    double of_b = 0;  // ranks from 1, ties get their mean
    double ties = 0;  // sum of t^3 - t over groups of t equal values
};

RankSum rank_sum(std::span<const double> a, std::span<const double> b) {
    struct Sample {
        double value = 0;
        bool of_b = false;
    };
    std::vector<Sample> all;
    all.reserve(a.size() + b.size());
    for (const double value : a) {
        all.push_back({.value = value, .of_b = false});
    }
    for (const double value : b) {
        all.push_back({.value = value, .of_b = true});
    }
    std::ranges::sort(all, {}, &Sample::value);
    RankSum sum;
    for (std::size_t first = 0; first < all.size();) {
        std::size_t end = first;
        std::size_t of_b = 0;
        while (end < all.size() && !(all[first].value < all[end].value)) {
            of_b += all[end].of_b ? 1 : 0;
            ++end;
        }
        const auto tied = static_cast<double>(end - first);
        sum.of_b += static_cast<double>(of_b) * (static_cast<double>(first + end + 1) / 2);
        sum.ties += tied * tied * tied - tied;
        first = end;
    }
    return sum;
}

}  // namespace

std::string_view name(NoiseVerdict judgement) {
    constexpr std::array<std::string_view, 4> names{"not-enough-data", "within-noise", "lower", "higher"};
    return names.at(static_cast<std::size_t>(judgement));
}

NoiseComparison compare_samples(std::span<const double> a, std::span<const double> b) {
    NoiseComparison result;
    if (a.size() < min_slices || b.size() < min_slices) {
        return result;
    }
    const auto n_a = static_cast<double>(a.size());
    const auto n_b = static_cast<double>(b.size());
    const double n = n_a + n_b;
    const RankSum sum = rank_sum(a, b);
    const double u = sum.of_b - n_b * (n_b + 1) / 2;
    const double mean = n_a * n_b / 2;
    const double variance = n_a * n_b / 12 * (n + 1 - sum.ties / (n * (n - 1)));
    result.superiority = u / (n_a * n_b);
    result.judgement = NoiseVerdict::within_noise;
    if (variance <= 0) {
        return result;  // all values are the same
    }
    const double distance = std::max(0.0, std::abs(u - mean) - 0.5);  // 0.5: U is a whole number, the normal is not
    result.p = std::erfc(distance / std::sqrt(variance) / std::numbers::sqrt2);
    if (result.p < max_p && result.superiority >= min_superiority) {
        result.judgement = NoiseVerdict::higher;
    } else if (result.p < max_p && result.superiority <= 1 - min_superiority) {
        result.judgement = NoiseVerdict::lower;
    }
    return result;
}

}  // namespace inflight::model
