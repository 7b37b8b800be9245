// SPDX-License-Identifier: Apache-2.0
#include "model/grouping.hpp"

#include "catalog/names.hpp"
#include "model/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::model {

namespace {

using Word = std::optional<std::uint64_t>;
using Text = std::optional<std::string>;

// A field is a number that is cheap to compare, and its text is made once for a group; or it is a text.
struct Field {
    std::string_view name;
    Word (*word)(const Request&);
    Text (*text)(const Request&);
};

Word if_known(bool known, std::uint64_t value) {
    return known ? Word(value) : std::nullopt;
}

Text number_text(const Word& word) {
    return word ? Text(fmt::to_string(*word)) : std::nullopt;
}

Text opcode_text(const Request& request) {
    return request.opcode ? Text(catalog::opcode_name(name(request.family), *request.opcode)) : std::nullopt;
}

bool failed(const Request& request) {
    return request.complete_ns && request.result_known && request.error() != 0;
}

bool has_fd(const Request& request) {
    const bool fixed = request.uring != nullptr && request.uring->fixed_file;
    return request.origin != Origin::unknown && request.fd >= 0 && !fixed;
}

// There are as many of both, and few: a call to compare them takes longer.
bool same_words(const std::vector<std::uint64_t>& left, const std::vector<std::uint64_t>& right) {
    std::uint64_t differences = 0;
    for (std::size_t i = 0; i < left.size(); i++) {
        differences |= left[i] ^ right[i];
    }
    return differences == 0;
}

using Asked = const Request&;

// In the order of GroupField. Where `word` is null the text itself tells groups apart.
constexpr auto fields = std::to_array<Field>({
    {"pid", [](Asked of) { return if_known(of.pid != 0, of.pid); },
     [](Asked of) { return number_text(if_known(of.pid != 0, of.pid)); }},
    {"tid", [](Asked of) { return if_known(of.tid != 0, of.tid); },
     [](Asked of) { return number_text(if_known(of.tid != 0, of.tid)); }},
    {"comm", nullptr, [](Asked of) { return of.comm.empty() ? std::nullopt : Text(of.comm); }},
    {"uid", [](Asked of) { return if_known(of.pid != 0, of.uid); },
     [](Asked of) { return number_text(if_known(of.pid != 0, of.uid)); }},
    {"cgroup", [](Asked of) { return if_known(of.cgroup_id != 0, of.cgroup_id); },
     [](Asked of) { return number_text(if_known(of.cgroup_id != 0, of.cgroup_id)); }},
    {"family", [](Asked of) { return Word(static_cast<std::uint64_t>(of.family)); },
     [](Asked of) { return Text(name(of.family)); }},
    {"op", nullptr, opcode_text},
    {"fd", [](Asked of) { return if_known(has_fd(of), static_cast<std::uint64_t>(of.fd)); },
     [](Asked of) { return number_text(if_known(has_fd(of), static_cast<std::uint64_t>(of.fd))); }},
    {"file", nullptr,
     [](Asked of) { return of.file == nullptr || of.file->name.empty() ? std::nullopt : Text(of.file->name); }},
    {"context", [](Asked of) { return if_known(of.context_id != 0, of.context_id); },
     [](Asked of) {
         if (of.context_id == 0) {
             return Text();
         }
         // The descriptor or address alone is used again by others.
         return Text(of.family == Family::uring ? fmt::format("fd {} #{:x}", of.ctx_id, of.context_id)
                                                : fmt::format("{:#x} #{:x}", of.ctx_id, of.context_id));
     }},
    {"outcome", [](Asked of) { return Word(static_cast<std::uint64_t>(of.outcome)); },
     [](Asked of) { return Text(name(of.outcome)); }},
    {"error", [](Asked of) { return if_known(failed(of), static_cast<std::uint64_t>(of.error())); },
     [](Asked of) { return failed(of) ? Text(catalog::errno_name(of.error())) : std::nullopt; }},
});
static_assert(fields.size() == group_field_count);

const Field& field_of(GroupField field) {
    return fields.at(static_cast<std::size_t>(field));
}

constexpr auto order_names = std::to_array<std::pair<std::string_view, GroupOrder>>({{"requests", GroupOrder::requests},
                                                                                     {"bytes", GroupOrder::bytes},
                                                                                     {"latency", GroupOrder::latency},
                                                                                     {"errors", GroupOrder::errors}});

std::uint64_t measure(const Group& group, GroupOrder order) {
    switch (order) {
        case GroupOrder::requests:
            return group.requests;
        case GroupOrder::bytes:
            return group.bytes;
        case GroupOrder::latency:
            return group.latency.quantile_ns(0.99);
        case GroupOrder::errors:
            return group.errors;
    }
    return 0;
}

// The most intervals that overlap. One that ends when another begins does not overlap it.
std::uint64_t most_at_once(std::vector<std::uint64_t>& begins_ns, std::vector<std::uint64_t>& ends_ns) {
    std::ranges::sort(begins_ns);
    std::ranges::sort(ends_ns);
    std::uint64_t most = 0;
    std::size_t ended = 0;
    for (std::size_t begun = 0; begun < begins_ns.size(); ++begun) {
        while (ended < ends_ns.size() && ends_ns[ended] <= begins_ns[begun]) {
            ++ended;
        }
        most = std::max<std::uint64_t>(most, begun + 1 - ended);
    }
    return most;
}

}  // namespace

std::string_view name(GroupField field) {
    return field_of(field).name;
}

Result<std::vector<GroupField>> group_fields_from(const std::vector<std::string>& names) {
    std::vector<GroupField> found;
    for (const auto& wanted : names) {
        const auto field = std::ranges::find(fields, wanted, &Field::name);
        if (field == fields.end()) {
            std::string all;
            for (const auto& each : fields) {
                all.append(all.empty() ? "" : ", ").append(each.name);
            }
            return failure("--group-by " + wanted, "there is no such field", "there are " + all);
        }
        const auto value = static_cast<GroupField>(field - fields.begin());
        if (std::ranges::find(found, value) == found.end()) {
            found.push_back(value);
        }
    }
    return found;
}

std::optional<GroupOrder> group_order_by_name(std::string_view name) {
    const auto found = std::ranges::find(order_names, name, [](const auto& each) { return each.first; });
    return found == order_names.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Grouping::Hash::operator()(const std::vector<std::uint64_t>& words) const {
    std::uint64_t hash = 0;
    for (const auto word : words) {
        hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32U;
    }
    return hash;
}

// Of the name: both families have an fsync, and it is one operation.
std::uint64_t Grouping::operation_number(const Request& request) {
    if (!request.opcode) {
        return 0;
    }
    const std::uint32_t opcode = (static_cast<std::uint32_t>(request.family) << 16U) + *request.opcode;
    if (opcode == last_opcode_) {
        return last_operation_;
    }
    const auto [place, made] = operations_.try_emplace(opcode, 0);
    if (made) {
        place->second = texts_.try_emplace(opcode_text(request).value_or(""), texts_.size() + 1).first->second;
    }
    last_opcode_ = opcode;
    last_operation_ = place->second;
    return last_operation_;
}

Grouping::Counted& Grouping::group_of(const Request& request) {
    words_.clear();
    for (const auto field : fields_) {
        const Field& row = field_of(field);
        if (row.word != nullptr) {
            const auto word = row.word(request);
            words_.push_back(word ? 1 : 0);
            words_.push_back(word.value_or(0));
            continue;
        }
        if (field == GroupField::op) {
            words_.push_back(operation_number(request));
            continue;
        }
        const auto text = row.text(request);
        words_.push_back(text ? texts_.try_emplace(*text, texts_.size() + 1).first->second : 0);
    }
    if (last_ != nullptr && same_words(words_, last_words_)) {
        return *last_;
    }
    last_words_ = words_;
    const auto found = groups_.find(words_);
    if (found != groups_.end()) {
        last_ = &found->second;
        return found->second;
    }
    Counted& made = groups_[words_];
    last_ = &made;
    for (const auto field : fields_) {
        made.group.key.push_back(field_of(field).text(request));
    }
    return made;
}

void Grouping::keep_times(Counted& counted, const Request& request) {
    if (times_dropped_ || !request.submit_ns) {
        return;
    }
    if (kept_ == max_kept_) {
        times_dropped_ = true;
        for (auto& [words, each] : groups_) {
            std::vector<std::uint64_t>().swap(each.begins_ns);
            std::vector<std::uint64_t>().swap(each.ends_ns);
        }
        return;
    }
    kept_++;
    counted.begins_ns.push_back(*request.submit_ns);
    if (request.complete_ns) {
        counted.ends_ns.push_back(std::max(*request.complete_ns, *request.submit_ns));
    }
}

void Grouping::on_request(const Request& request) {
    Counted& counted = group_of(request);
    Group& group = counted.group;
    group.requests++;
    group.outcomes.at(static_cast<std::size_t>(request.outcome))++;
    group.bytes += bytes_moved(request);
    group.errors += request.outcome == Outcome::failed ? 1 : 0;
    if (const auto latency = request.latency_ns()) {
        group.latency.add(*latency);
        group.latency_sum_ns += *latency;
    }
    keep_times(counted, request);
    const std::uint64_t from = request.submit_ns ? *request.submit_ns : request.complete_ns.value_or(0);
    const std::uint64_t to = request.complete_ns ? *request.complete_ns : from;
    group.first_ns = group.first_ns == 0 ? from : std::min(group.first_ns, from);
    group.last_ns = std::max(group.last_ns, to);
}

void Grouping::on_cancel(const Cancel& cancel) {
    if (cancel.target) {
        Group& group = group_of(*cancel.target).group;
        group.cancels++;
        group.verdicts.at(static_cast<std::size_t>(cancel.verdict))++;
    }
}

std::vector<Group> Grouping::groups(GroupOrder order, std::size_t top) {
    std::vector<Group> all;
    all.reserve(groups_.size());
    for (auto& [words, counted] : groups_) {
        if (!times_dropped_) {
            counted.group.in_flight_max = most_at_once(counted.begins_ns, counted.ends_ns);
        }
        all.push_back(counted.group);
    }
    std::ranges::sort(all, [order](const Group& left, const Group& right) {
        const auto left_measure = measure(left, order);
        const auto right_measure = measure(right, order);
        return left_measure != right_measure ? left_measure > right_measure : left.key < right.key;
    });
    if (top != 0 && all.size() > top) {
        all.resize(top);
    }
    return all;
}

}  // namespace inflight::model
