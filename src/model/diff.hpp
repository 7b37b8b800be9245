// SPDX-License-Identifier: Apache-2.0
// Two runs, operation by operation: rates, latencies, outcomes, findings, and whether they differ by more than noise.
#pragma once

#include "model/noise.hpp"
#include "model/sink.hpp"
#include "model/summary.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace inflight::model {

// Collects one run in slices of time of equal width, which grows with the run: memory does not. Not thread-safe.
class RunSlices final : public Sink {
public:
    // `start_ns` is before everything that comes.
    explicit RunSlices(std::uint64_t start_ns) : start_ns_(start_ns) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override;
    void on_event(const Event&) override {}
    void on_context(const Context&) override {}
    void on_finding(const Finding& finding) override;

    struct Cell {
        std::uint64_t requests = 0;  // that ended in the slice
        std::uint64_t bytes = 0;
        std::array<std::uint64_t, outcome_count> outcomes{};
        LatencyHistogram latency;
        void add(const Cell& other);
    };
    using Subject = std::pair<std::string, std::string>;         // family and operation
    using FindingSubject = std::pair<std::string, std::string>;  // code and operation; "" where it is about none

    // The run cut into equal slices, from the first request to the last; what stands in the two slices at its ends,
    // which are not full, is in the totals only.
    struct Cut {
        std::uint64_t slice_ns = 0;
        std::size_t slices = 0;
        std::uint64_t span_ns = 0;  // from the first request to the last
        std::uint64_t requests = 0;
        std::uint64_t cancels = 0;
        std::map<Subject, std::vector<Cell>> operations{};
        std::map<Subject, Cell> totals{};
        std::map<FindingSubject, std::vector<std::uint64_t>> findings{};
        std::map<FindingSubject, std::uint64_t> finding_totals{};
    };
    [[nodiscard]] Cut cut() const;

private:
    [[nodiscard]] std::size_t slice_of(std::uint64_t time_ns);

    std::uint64_t start_ns_;
    std::uint64_t width_ns_ = 1'000'000;
    std::uint64_t first_ns_ = 0;
    std::uint64_t last_ns_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t cancels_ = 0;
    std::map<std::pair<Family, int>, std::vector<Cell>> operations_;
    std::map<FindingSubject, std::vector<std::uint64_t>> findings_;
};

enum class FigureUnit : std::uint8_t { per_second, bytes_per_second, nanoseconds, share, count };
[[nodiscard]] std::string_view name(FigureUnit unit);

struct Difference {
    std::string family{};   // "aio", "uring"; empty for a finding
    std::string subject{};  // the operation; of a finding, that it is about, or empty
    std::string finding{};  // its code, empty for an operation
    std::string figure{};   // "rate", "p99", "failed"
    FigureUnit unit = FigureUnit::count;
    std::optional<double> a{};  // of the whole run; nothing where there is none
    std::optional<double> b{};
    NoiseComparison comparison{};
    std::size_t slices_a = 0;  // that had enough in them to be compared
    std::size_t slices_b = 0;

    // (b - a) / a; nothing where it has no meaning
    [[nodiscard]] std::optional<double> change() const;
};

[[nodiscard]] std::vector<Difference> differences(const RunSlices::Cut& a, const RunSlices::Cut& b);

}  // namespace inflight::model
