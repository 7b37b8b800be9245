// SPDX-License-Identifier: Apache-2.0
#include "expect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <ranges>
#include <set>
#include <sstream>
#include <unordered_map>

namespace inflight::live {

namespace {

constexpr std::size_t neighbours_shown = 3;

struct Condition {
    Key key;
    std::string value;
};

std::optional<std::uint64_t> number_of(const std::string& text) {
    const bool hexadecimal = text.starts_with("0x");
    const char* const begin = text.data() + (hexadecimal ? 2 : 0);
    const char* const end = text.data() + text.size();
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(begin, end, number, hexadecimal ? 16 : 10);
    return error == std::errc() && rest == end && begin != end ? std::optional(number) : std::nullopt;
}

// printf("%p") and "%#lx" write 0 otherwise than the rest.
std::string address_of(const std::string& text) {
    if (text == "(nil)") {
        return "0x0";
    }
    const auto number = number_of(text);
    return number ? fmt::format("{:#x}", *number) : text;
}

bool holds(const Record& record, const Condition& condition) {
    const std::string& value = record[condition.key];
    if (condition.key != Key::capacity_at_least) {
        return value == condition.value;
    }
    const auto least = number_of(condition.value);
    const auto capacity = number_of(value);
    return least && capacity && *capacity >= *least;
}

bool is_transfer(const Record& record) {
    static const std::set<std::string> transfers{"pread", "pwrite", "preadv",     "pwritev",     "read", "write",
                                                 "readv", "writev", "read_fixed", "write_fixed", "send", "recv"};
    return transfers.contains(record[Key::op]);
}

// The line's words after `expect TYPE`.
class Line {
public:
    explicit Line(const std::string& text) : text_(text) {
        std::istringstream words(text);
        std::string word;
        words >> word >> type_;
        while (words >> word) {
            const auto equals = word.find('=');
            if (equals == std::string::npos) {
                error_ = fmt::format("'{}' is not KEY=VALUE", word);
                return;
            }
            take(word.substr(0, equals), word.substr(equals + 1));
        }
    }

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] const std::string& type() const { return type_; }
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] const std::vector<Condition>& conditions() const { return conditions_; }
    // A number that is not a value of a record, as count.
    [[nodiscard]] std::optional<std::uint64_t> number(const std::string& name) const {
        const auto found = numbers_.find(name);
        return found == numbers_.end() ? std::nullopt : std::optional(found->second);
    }

private:
    void take(const std::string& name, const std::string& value) {
        static const std::set<std::string> number_names{"count", "bytes", "user_data_sum", "requests", "cancels"};
        if (number_names.contains(name)) {
            const auto number = number_of(value);
            if (!number) {
                error_ = fmt::format("'{}' is no number", value);
            } else {
                numbers_[name] = *number;
            }
            return;
        }
        const auto key = key_of(name);
        if (!key) {
            error_ = fmt::format("nobody knows the key '{}'", name);
            return;
        }
        constexpr std::array addresses{Key::address, Key::user_data, Key::context, Key::key, Key::first_user_data};
        const bool address = std::ranges::find(addresses, *key) != addresses.end();
        conditions_.push_back({*key, address ? address_of(value) : value});
    }

    std::string text_;
    std::string type_;
    std::string error_;
    std::vector<Condition> conditions_;
    std::unordered_map<std::string, std::uint64_t> numbers_;
};

class Checker {
public:
    explicit Checker(const std::vector<const Record*>& records) {
        for (const Record* record : records) {
            by_kind_[record->kind].push_back(record);
            if (record->kind == Kind::request) {
                by_user_data_[(*record)[Key::user_data]].push_back(record);
            }
        }
    }

    void check(const Line& line) {
        if (!line.error().empty()) {
            fail(line, line.error());
        } else if (line.type() == "totals") {
            check_totals(line);
        } else if (line.type() == "sum") {
            check_sum(line);
        } else if (const auto kind = kind_of(line.type())) {
            check_count(line, *kind);
        } else {
            fail(line, "nobody knows this type");
        }
    }

    std::vector<std::string> failures;

private:
    void fail(const Line& line, const std::string& why) { failures.push_back(line.text() + "\n    " + why); }

    const std::vector<const Record*>& candidates(const Line& line, Kind kind) {
        if (kind == Kind::request) {
            for (const auto& condition : line.conditions()) {
                if (condition.key == Key::user_data) {
                    return by_user_data_[condition.value];
                }
            }
        }
        return by_kind_[kind];
    }

    static bool all_hold(const Record& record, const Line& line) {
        return std::ranges::all_of(line.conditions(), [&](const auto& condition) { return holds(record, condition); });
    }

    void check_count(const Line& line, Kind kind) {
        const std::uint64_t wanted = line.number("count").value_or(1);
        std::vector<const Record*> found;
        for (const Record* record : candidates(line, kind)) {
            if (all_hold(*record, line)) {
                found.push_back(record);
            }
        }
        if (found.size() != wanted) {
            fail(line, fmt::format("{} found{}", found.size(),
                                   found.size() < wanted ? neighbours(line, kind) : those(found)));
        }
    }

    static std::string those(const std::vector<const Record*>& records) {
        std::string text;
        for (const Record* record : records | std::views::take(neighbours_shown)) {
            text += "\n    is:   " + record->text();
        }
        return text;
    }

    // The records that come nearest without being it, with what is different.
    std::string neighbours(const Line& line, Kind kind) {
        std::vector<std::pair<std::size_t, const Record*>> near;
        for (const Record* record : by_kind_[kind]) {
            std::size_t alike = 0;
            for (const auto& condition : line.conditions()) {
                const bool identity =
                    condition.key == Key::user_data || condition.key == Key::address || condition.key == Key::key;
                alike += holds(*record, condition) ? (identity ? 3 : 1) : 0;
            }
            if (!all_hold(*record, line)) {
                near.emplace_back(alike, record);
            }
        }
        std::ranges::stable_sort(near, std::greater<>(), &std::pair<std::size_t, const Record*>::first);
        std::string text = near.empty() ? fmt::format("; no {} at all", name_of(kind)) : "";
        for (const auto& [alike, record] : near | std::views::take(neighbours_shown)) {
            text += "\n    near:";
            for (const auto& condition : line.conditions()) {
                if (!holds(*record, condition)) {
                    text += fmt::format(" {}={}, not {};", name_of(condition.key), (*record)[condition.key],
                                        condition.value);
                }
            }
            text += "\n          " + record->text();
        }
        return text;
    }

    void check_sum(const Line& line) {
        std::uint64_t count = 0;
        std::uint64_t bytes = 0;
        std::uint64_t user_data = 0;
        for (const Record* record : by_kind_[Kind::request]) {
            if (!all_hold(*record, line)) {
                continue;
            }
            count++;
            user_data += number_of((*record)[Key::user_data]).value_or(0);
            // a negative one is no number here
            bytes += is_transfer(*record) ? number_of((*record)[Key::result]).value_or(0) : 0;
        }
        compare(line, {{"count", count}, {"bytes", bytes}, {"user_data_sum", user_data}});
    }

    void check_totals(const Line& line) {
        compare(line, {{"requests", by_kind_[Kind::request].size()}, {"cancels", by_kind_[Kind::cancel].size()}});
    }

    void compare(const Line& line, const std::vector<std::pair<std::string, std::uint64_t>>& sums) {
        std::string wrong;
        for (const auto& [name, sum] : sums) {
            const auto wanted = line.number(name);
            if (wanted && *wanted != sum) {
                wrong += fmt::format(" {}={}", name, sum);
            }
        }
        if (!wrong.empty()) {
            fail(line, "found:" + wrong);
        }
    }

    std::map<Kind, std::vector<const Record*>> by_kind_;
    std::unordered_map<std::string, std::vector<const Record*>> by_user_data_;
};

}  // namespace

std::vector<std::string> check_expectations(const std::string& printed, const std::vector<const Record*>& records) {
    Checker checker(records);
    std::istringstream lines(printed);
    std::string text;
    while (std::getline(lines, text)) {
        if (text.starts_with("expect ")) {
            checker.check(Line(text));
        }
    }
    return checker.failures;
}

}  // namespace inflight::live
