// SPDX-License-Identifier: Apache-2.0
// Requests counted by what they have in common: by process, file, operation, ... or several of these together.
#pragma once

#include "base/result.hpp"
#include "model/sink.hpp"
#include "model/summary.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace inflight::model {

enum class GroupField : std::uint8_t { pid, tid, comm, uid, cgroup, family, op, fd, file, context, outcome, error };
inline constexpr std::size_t group_field_count = 12;

[[nodiscard]] std::string_view name(GroupField field);
// "pid,op" as the words stand on a command line; none twice.
[[nodiscard]] Result<std::vector<GroupField>> group_fields_from(const std::vector<std::string>& names);

enum class GroupOrder : std::uint8_t { requests, bytes, latency, errors };
[[nodiscard]] std::optional<GroupOrder> group_order_by_name(std::string_view name);

struct Group {
    // In the order of the fields, as people read them; nothing where it is not known.
    std::vector<std::optional<std::string>> key;
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t errors = 0;  // failed requests
    LatencyHistogram latency;  // of requests whose both ends are known
    std::uint64_t latency_sum_ns = 0;
    std::array<std::uint64_t, outcome_count> outcomes{};
    std::uint64_t cancels = 0;  // whose target is in the group
    std::array<std::uint64_t, verdict_count> verdicts{};
    std::optional<std::uint64_t> in_flight_max;  // nothing: there were too many requests to keep their times
    std::uint64_t first_ns = 0;                  // earliest time of a request, of its submission where that is known
    std::uint64_t last_ns = 0;
};

// Counts; passes nothing on. Keeps the times of `max_kept` requests at most, 16 bytes each, to know how many were in
// flight at once. Not thread-safe.
class Grouping final : public Sink {
public:
    explicit Grouping(std::vector<GroupField> fields, std::size_t max_kept = 4U << 20U)
        : fields_(std::move(fields)), max_kept_(max_kept) {}

    void on_request(const Request& request) override;
    void on_cancel(const Cancel& cancel) override;
    void on_event(const Event&) override {}
    void on_context(const Context&) override {}
    void on_finding(const Finding&) override {}

    [[nodiscard]] const std::vector<GroupField>& fields() const { return fields_; }
    // The first `top` by `order`, the most first; 0: all. By latency means by the 99th percentile.
    [[nodiscard]] std::vector<Group> groups(GroupOrder order, std::size_t top);
    [[nodiscard]] std::size_t size() const { return groups_.size(); }

private:
    struct Counted {
        Group group;
        std::vector<std::uint64_t> begins_ns;
        std::vector<std::uint64_t> ends_ns;
    };
    struct Hash {
        std::size_t operator()(const std::vector<std::uint64_t>& words) const;
    };

    Counted& group_of(const Request& request);
    [[nodiscard]] std::uint64_t operation_number(const Request& request);
    void keep_times(Counted& counted, const Request& request);

    std::vector<GroupField> fields_;
    std::size_t max_kept_;
    std::size_t kept_ = 0;
    bool times_dropped_ = false;
    std::unordered_map<std::vector<std::uint64_t>, Counted, Hash> groups_;
    std::unordered_map<std::string, std::uint64_t> texts_;         // their numbers, from 1; 0: not known
    std::vector<std::uint64_t> words_;                             // of the request at hand
    std::unordered_map<std::uint32_t, std::uint64_t> operations_;  // the numbers in `texts_` of their names
    std::optional<std::uint32_t> last_opcode_;
    std::uint64_t last_operation_ = 0;  // the number of last_opcode_
    std::vector<std::uint64_t> last_words_;
    Counted* last_ = nullptr;  // their group
};

}  // namespace inflight::model
