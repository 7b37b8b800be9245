// SPDX-License-Identifier: Apache-2.0
#include "model/diff.hpp"

#include "catalog/names.hpp"
#include "model/statistics.hpp"
#include "model/story.hpp"
#include "model/where_filter.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace inflight::model {

namespace {

// Fine slices are collected, a multiple of them makes a slice that is compared.
constexpr std::size_t max_fine_slices = 256;
constexpr std::size_t wanted_slices = 24;
constexpr double second_ns = 1e9;

using Cell = RunSlices::Cell;
using Cut = RunSlices::Cut;

template <typename Value, typename Add>
void halve(std::vector<Value>& fine, Add add) {
    for (std::size_t index = 0; index < fine.size(); ++index) {
        if (index % 2 == 0) {
            fine[index / 2] = std::move(fine[index]);
        } else {
            add(fine[index / 2], fine[index]);
        }
    }
    fine.resize((fine.size() + 1) / 2);
}

void add_cell(Cell& to, const Cell& from) {
    to.add(from);
}

void add_count(std::uint64_t& to, std::uint64_t from) {
    to += from;
}

template <typename Value>
Value& at_slice(std::vector<Value>& fine, std::size_t index) {
    if (fine.size() <= index) {
        fine.resize(index + 1);
    }
    return fine[index];
}

// `fine` from slice `first` on, in `slices` groups of `each`.
template <typename Value, typename Add>
std::vector<Value> regroup(const std::vector<Value>& fine, std::size_t first, std::size_t slices, std::size_t each,
                           Add add) {
    std::vector<Value> groups(slices);
    for (std::size_t index = first; index < std::min(fine.size(), first + slices * each); ++index) {
        add(groups[(index - first) / each], fine[index]);
    }
    return groups;
}

}  // namespace

void RunSlices::Cell::add(const Cell& other) {
    requests += other.requests;
    bytes += other.bytes;
    for (std::size_t index = 0; index < outcomes.size(); ++index) {
        outcomes.at(index) += other.outcomes.at(index);
    }
    latency.merge(other.latency);
}

std::size_t RunSlices::slice_of(std::uint64_t time_ns) {
    const std::uint64_t since_ns = time_ns - std::min(time_ns, start_ns_);
    while (since_ns / width_ns_ >= max_fine_slices) {
        width_ns_ *= 2;
        for (auto& [key, cells] : operations_) {
            halve(cells, add_cell);
        }
        for (auto& [key, counts] : findings_) {
            halve(counts, add_count);
        }
    }
    return since_ns / width_ns_;
}

void RunSlices::on_request(const Request& request) {
    const std::uint64_t time_ns = time_of(request);
    if (time_ns == 0) {
        return;
    }
    const std::size_t slice = slice_of(time_ns);
    requests_++;
    first_ns_ = first_ns_ == 0 ? time_ns : std::min(first_ns_, time_ns);
    last_ns_ = std::max(last_ns_, time_ns);
    auto& cells = operations_[{request.family, request.opcode ? int{*request.opcode} : -1}];
    Cell& cell = at_slice(cells, slice);
    cell.requests++;
    cell.bytes += bytes_moved(request);
    cell.outcomes.at(static_cast<std::size_t>(request.outcome))++;
    if (const auto latency = request.latency_ns()) {
        cell.latency.add(*latency);
    }
}

void RunSlices::on_cancel(const Cancel& /*cancel*/) {
    cancels_++;
}

void RunSlices::on_finding(const Finding& finding) {
    const std::string operation = finding.stories.empty() ? std::string() : operation_of(finding.stories.front());
    const std::size_t slice = slice_of(finding.time_ns);
    at_slice(findings_[{finding.code, operation}], slice)++;
}

RunSlices::Cut RunSlices::cut() const {
    Cut cut{.requests = requests_, .cancels = cancels_};
    if (requests_ == 0 && findings_.empty()) {
        return cut;
    }
    cut.span_ns = last_ns_ - first_ns_;
    // The first and the last fine slice are full in part only.
    const std::size_t first = (first_ns_ - std::min(first_ns_, start_ns_)) / width_ns_ + 1;
    const std::size_t last = (last_ns_ - std::min(last_ns_, start_ns_)) / width_ns_;
    const std::size_t whole = last > first ? last - first : 0;
    const std::size_t each = std::max<std::size_t>(1, whole / wanted_slices);
    cut.slices = whole / each;
    cut.slice_ns = width_ns_ * each;
    for (const auto& [key, cells] : operations_) {
        const Subject subject{
            name(key.first), key.second < 0 ? std::string("unknown")
                                            : catalog::opcode_name(name(key.first), static_cast<unsigned>(key.second))};
        cut.operations[subject] = regroup(cells, first, cut.slices, each, add_cell);
        for (const Cell& cell : cells) {
            cut.totals[subject].add(cell);
        }
    }
    for (const auto& [subject, counts] : findings_) {
        cut.findings[subject] = regroup(counts, first, cut.slices, each, add_count);
        for (const auto count : counts) {
            cut.finding_totals[subject] += count;
        }
    }
    return cut;
}

std::string_view name(FigureUnit unit) {
    constexpr std::array<std::string_view, 5> names{"per_second", "bytes_per_second", "nanoseconds", "share", "count"};
    return names.at(static_cast<std::size_t>(unit));
}

std::optional<double> Difference::change() const {
    if (!a || !b || *a == 0) {
        return std::nullopt;
    }
    return (*b - *a) / *a;
}

namespace {

// One figure of a cell that lasted `seconds`; nothing where the cell has too few requests for it.
using Measure = std::optional<double> (*)(const Cell&, double seconds);

struct Figure {
    std::string_view name;
    FigureUnit unit;
    Measure measure;
};

// A quantile needs some requests beyond it to be one.
template <int per_mille>
std::optional<double> quantile(const Cell& cell, double /*seconds*/) {
    constexpr std::uint64_t beyond = 2;
    constexpr std::uint64_t needed = beyond * 1000 / (1000 - per_mille);
    if (cell.latency.count() < needed) {
        return std::nullopt;
    }
    return static_cast<double>(cell.latency.quantile_ns(per_mille / 1000.0));
}

template <Outcome outcome>
std::optional<double> share(const Cell& cell, double /*seconds*/) {
    if (cell.requests == 0) {
        return std::nullopt;
    }
    return static_cast<double>(cell.outcomes.at(static_cast<std::size_t>(outcome))) /
           static_cast<double>(cell.requests);
}

constexpr auto figures = std::to_array<Figure>({
    {"rate", FigureUnit::per_second,
     [](const Cell& cell, double seconds) {
         return seconds > 0 ? std::optional(static_cast<double>(cell.requests) / seconds) : std::nullopt;
     }},
    {"bandwidth", FigureUnit::bytes_per_second,
     [](const Cell& cell, double seconds) {
         return seconds > 0 ? std::optional(static_cast<double>(cell.bytes) / seconds) : std::nullopt;
     }},
    {"p50", FigureUnit::nanoseconds, quantile<500>},
    {"p90", FigureUnit::nanoseconds, quantile<900>},
    {"p99", FigureUnit::nanoseconds, quantile<990>},
    {"p99.9", FigureUnit::nanoseconds, quantile<999>},
    {"failed", FigureUnit::share, share<Outcome::failed>},
    {"cancelled", FigureUnit::share, share<Outcome::cancelled>},
    {"abandoned", FigureUnit::share, share<Outcome::abandoned>},
});

std::vector<double> samples(const std::vector<Cell>* cells, const Figure& figure, const Cut& cut) {
    std::vector<double> found;
    const Cell none;
    for (std::size_t slice = 0; slice < cut.slices; ++slice) {
        const auto value =
            figure.measure(cells != nullptr ? (*cells)[slice] : none, static_cast<double>(cut.slice_ns) / second_ns);
        if (value) {
            found.push_back(*value);
        }
    }
    return found;
}

template <typename Map>
const typename Map::mapped_type* find_in(const Map& map, const typename Map::key_type& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
}

std::optional<double> whole(const Cut& cut, const RunSlices::Subject& subject, const Figure& figure) {
    const Cell none;
    const Cell* total = find_in(cut.totals, subject);
    return figure.measure(total != nullptr ? *total : none, static_cast<double>(cut.span_ns) / second_ns);
}

// What whole runs say and what their slices say must not contradict each other.
void settle(Difference& difference) {
    const auto judged = difference.comparison.judgement;
    if (!difference.a || !difference.b) {
        return;
    }
    if ((judged == NoiseVerdict::higher && *difference.b <= *difference.a) ||
        (judged == NoiseVerdict::lower && *difference.b >= *difference.a)) {
        difference.comparison.judgement = NoiseVerdict::within_noise;
    }
}

template <typename Map>
std::set<typename Map::key_type> keys_of(const Map& a, const Map& b) {
    std::set<typename Map::key_type> keys;
    for (const Map* map : {&a, &b}) {
        for (const auto& [key, value] : *map) {
            keys.insert(key);
        }
    }
    return keys;
}

std::vector<double> counts(const Cut& cut, const RunSlices::FindingSubject& subject) {
    std::vector<double> found(cut.slices, 0);
    if (const auto* each = find_in(cut.findings, subject)) {
        std::ranges::transform(*each, found.begin(), [](std::uint64_t count) { return static_cast<double>(count); });
    }
    return found;
}

Difference compare_finding(const Cut& a, const Cut& b, const RunSlices::FindingSubject& subject) {
    Difference difference{.family = {},
                          .subject = subject.second,
                          .finding = subject.first,
                          .figure = "findings",
                          .unit = FigureUnit::per_second};
    const auto rate = [&subject](const Cut& cut) {
        const auto* total = find_in(cut.finding_totals, subject);
        const double seconds = static_cast<double>(cut.span_ns) / second_ns;
        return seconds > 0 ? std::optional(static_cast<double>(total != nullptr ? *total : 0) / seconds) : std::nullopt;
    };
    difference.a = rate(a);
    difference.b = rate(b);
    auto of_a = counts(a, subject);
    auto of_b = counts(b, subject);
    // Slices of the two runs need not be of the same width.
    for (auto& count : of_a) {
        count /= static_cast<double>(a.slice_ns) / second_ns;
    }
    for (auto& count : of_b) {
        count /= static_cast<double>(b.slice_ns) / second_ns;
    }
    difference.comparison = compare_samples(of_a, of_b);
    difference.slices_a = of_a.size();
    difference.slices_b = of_b.size();
    settle(difference);
    return difference;
}

}  // namespace

std::vector<Difference> differences(const RunSlices::Cut& a, const RunSlices::Cut& b) {
    std::vector<Difference> found;
    for (const auto& subject : keys_of(a.totals, b.totals)) {
        for (const Figure& figure : figures) {
            Difference difference{.family = subject.first,
                                  .subject = subject.second,
                                  .finding = {},
                                  .figure = std::string(figure.name),
                                  .unit = figure.unit,
                                  .a = whole(a, subject, figure),
                                  .b = whole(b, subject, figure)};
            const bool nothing = !difference.a && !difference.b;
            const bool never = figure.unit != FigureUnit::nanoseconds && figure.unit != FigureUnit::per_second &&
                               difference.a.value_or(0) == 0 && difference.b.value_or(0) == 0;
            if (nothing || never) {
                continue;
            }
            const auto of_a = samples(find_in(a.operations, subject), figure, a);
            const auto of_b = samples(find_in(b.operations, subject), figure, b);
            difference.comparison = compare_samples(of_a, of_b);
            difference.slices_a = of_a.size();
            difference.slices_b = of_b.size();
            settle(difference);
            found.push_back(std::move(difference));
        }
    }
    for (const auto& subject : keys_of(a.finding_totals, b.finding_totals)) {
        found.push_back(compare_finding(a, b, subject));
    }
    return found;
}

}  // namespace inflight::model
