// SPDX-License-Identifier: Apache-2.0
#include "model/where_time.hpp"

#include "base/arithmetic.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>
#include <string_view>

namespace inflight::model {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr int base_year = 1900;
constexpr int seconds_per_minute = 60;
constexpr int seconds_per_hour = 3600;

struct Unit {
    std::string_view name;
    double factor;
};
constexpr std::array units{Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"µs", 1e3},  Unit{"ms", 1e6},
                           Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};

// Takes fixed numbers of digits and single characters from the front of a text.
class Reader {
public:
    explicit Reader(std::string_view rest) : rest_(rest) {}

    std::optional<int> digits(std::size_t count) {
        int number = 0;
        const auto part = rest_.substr(0, count);
        const auto [end, bad] = std::from_chars(part.data(), part.data() + part.size(), number);
        if (bad != std::errc{} || part.size() != count || end != part.data() + count || number < 0) {
            return std::nullopt;
        }
        rest_.remove_prefix(count);
        return number;
    }
    bool take(char wanted) {
        const bool there = rest_.starts_with(wanted);
        rest_.remove_prefix(there ? 1 : 0);
        return there;
    }
    // ".25" as nanoseconds; 0 where there is no point
    std::optional<std::int64_t> fraction_ns() {
        if (!take('.')) {
            return 0;
        }
        std::int64_t value_ns = 0;
        std::int64_t unit_ns = second_ns;
        std::size_t count = 0;
        for (; count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9'; ++count) {
            unit_ns /= 10;
            value_ns += (rest_[count] - '0') * unit_ns;
        }
        rest_.remove_prefix(count);
        return count == 0 ? std::nullopt : std::optional(value_ns);
    }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

struct TimeOfDay {
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::int64_t fraction_ns = 0;
};

std::optional<TimeOfDay> time_of_day(Reader& reader) {
    const auto hour = reader.digits(2);
    const bool first = reader.take(':');
    const auto minute = reader.digits(2);
    const bool second_colon = reader.take(':');
    const auto second = reader.digits(2);
    const auto fraction = second ? reader.fraction_ns() : std::nullopt;
    if (!hour || !first || !minute || !second_colon || !fraction || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    return TimeOfDay{.hour = *hour, .minute = *minute, .second = *second, .fraction_ns = *fraction};
}

void set_time(tm& date, const TimeOfDay& time) {
    date.tm_hour = time.hour;
    date.tm_min = time.minute;
    date.tm_sec = time.second;
    date.tm_isdst = -1;
}

std::optional<std::int64_t> after_start(const std::string& text, const CaptureClock& clock) {
    double number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto* const unit = std::ranges::find(units, std::string_view(end, text.data() + text.size()), &Unit::name);
    // Written so that a NaN is refused too.
    if (bad != std::errc{} || unit == units.end() || !(number >= 0 && number * unit->factor < 4e18)) {
        return std::nullopt;
    }
    return add_clamped(to_signed_clamped(clock.start_ns), std::llround(number * unit->factor));
}

std::optional<std::int64_t> by_the_clock(const std::string& text, const CaptureClock& clock) {
    Reader reader(text);
    const auto time = time_of_day(reader);
    if (!time || !reader.at_end()) {
        return std::nullopt;
    }
    const std::int64_t start_ns = wall_time_ns(clock.start_ns, clock.wall_offset_ns);
    const time_t start_s = start_ns / second_ns;
    tm date{};
    ::localtime_r(&start_s, &date);
    const auto wall_of = [&](int days) {
        tm wanted = date;
        wanted.tm_mday += days;
        set_time(wanted, *time);
        return add_clamped(multiply_clamped(::mktime(&wanted), second_ns), time->fraction_ns);
    };
    const std::int64_t today_ns = wall_of(0);
    // A capture that began at 14:03:05.7 has second 14:03:05 in it.
    return subtract_clamped(add_clamped(today_ns, second_ns) <= start_ns ? wall_of(1) : today_ns, clock.wall_offset_ns);
}

std::optional<std::int64_t> by_the_calendar(const std::string& text, const CaptureClock& clock) {
    Reader reader(text);
    const auto year = reader.digits(4);
    const bool first = reader.take('-');
    const auto month = reader.digits(2);
    const bool second = reader.take('-');
    const auto day = reader.digits(2);
    const bool separated = reader.take('T') || reader.take('t') || reader.take(' ');
    const auto time = time_of_day(reader);
    if (!year || !first || !month || !second || !day || !separated || !time || *month < 1 || *month > 12 || *day < 1 ||
        *day > 31) {
        return std::nullopt;
    }
    tm date{};
    date.tm_year = *year - base_year;
    date.tm_mon = *month - 1;
    date.tm_mday = *day;
    set_time(date, *time);
    std::int64_t wall_s = 0;
    if (reader.at_end()) {
        wall_s = ::mktime(&date);
    } else if (reader.take('Z') || reader.take('z')) {
        wall_s = ::timegm(&date);
    } else {
        const bool west = reader.take('-');
        if (!west && !reader.take('+')) {
            return std::nullopt;
        }
        const auto hours = reader.digits(2);
        const bool colon = reader.take(':');
        const auto minutes = reader.digits(2);
        if (!hours || !colon || !minutes) {
            return std::nullopt;
        }
        const int offset_s = *hours * seconds_per_hour + *minutes * seconds_per_minute;
        wall_s = ::timegm(&date) + (west ? offset_s : -offset_s);
    }
    if (!reader.at_end()) {
        return std::nullopt;
    }
    return subtract_clamped(add_clamped(multiply_clamped(wall_s, second_ns), time->fraction_ns), clock.wall_offset_ns);
}

}  // namespace

Result<std::uint64_t> time_point(const std::string& option, const std::string& text, const CaptureClock& clock) {
    for (const auto parse : {after_start, by_the_clock, by_the_calendar}) {
        if (const auto time_ns = parse(text, clock)) {
            return static_cast<std::uint64_t>(std::max<std::int64_t>(0, *time_ns));
        }
    }
    return failure(option + " " + text, "this is not a time",
                   "give one after the start, as 10s, a time of day, as 14:03:05, or 2026-11-23T14:03:05Z");
}

}  // namespace inflight::model
