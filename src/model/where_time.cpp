// SPDX-License-Identifier: Apache-2.0
#include "model/where_time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
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

constexpr std::int64_t latest_s = 9'000'000'000;  // in 2255; nanoseconds since 1970 end in 2262

bool is_date(int year, int month, int day) {
    return std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                       std::chrono::day(static_cast<unsigned>(day)))
        .ok();
}

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

// A time that was understood.
struct Point {
    std::int64_t ns = 0;   // of the capture's clock
    bool too_far = false;  // 64 bits of nanoseconds do not reach it, and `ns` says nothing
};

// a + b - c, of which each may be anything that stands in a file.
Point point(std::int64_t a, std::int64_t b, std::int64_t c) {
    Point result;
    result.too_far = __builtin_add_overflow(a, b, &result.ns) || __builtin_sub_overflow(result.ns, c, &result.ns);
    return result;
}

std::optional<std::int64_t> wall_start_ns(const CaptureClock& clock) {
    const Point start = point(static_cast<std::int64_t>(clock.start_ns), clock.wall_offset_ns, 0);
    return start.too_far ? std::nullopt : std::optional(start.ns);
}

std::optional<Point> after_start(const std::string& text, const CaptureClock& clock) {
    double number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto* const unit = std::ranges::find(units, std::string_view(end, text.data() + text.size()), &Unit::name);
    const bool huge = bad == std::errc::result_out_of_range && !text.starts_with('-');
    // Written so that a NaN is refused too.
    if ((bad != std::errc{} && !huge) || unit == units.end() || !(number >= 0)) {
        return std::nullopt;
    }
    constexpr double longest_ns = 4e18;
    if (huge || number * unit->factor >= longest_ns) {
        return Point{.ns = 0, .too_far = true};
    }
    return point(static_cast<std::int64_t>(clock.start_ns), std::llround(number * unit->factor), 0);
}

std::optional<Point> by_the_clock(const std::string& text, const CaptureClock& clock) {
    Reader reader(text);
    const auto time = time_of_day(reader);
    if (!time || !reader.at_end()) {
        return std::nullopt;
    }
    const auto start = wall_start_ns(clock);
    const std::int64_t start_ns = start.value_or(0);
    const time_t start_s = start_ns / second_ns;
    if (!start || start_s < 0 || start_s > latest_s) {
        return Point{.ns = 0, .too_far = true};
    }
    tm date{};
    ::localtime_r(&start_s, &date);
    const auto wall_of = [&](int days) {
        tm wanted = date;
        wanted.tm_mday += days;
        set_time(wanted, *time);
        return std::int64_t{::mktime(&wanted)} * second_ns + time->fraction_ns;
    };
    const std::int64_t today_ns = wall_of(0);
    // A capture that began at 14:03:05.7 has second 14:03:05 in it.
    return point(today_ns + second_ns <= start_ns ? wall_of(1) : today_ns, 0, clock.wall_offset_ns);
}

std::optional<Point> by_the_calendar(const std::string& text, const CaptureClock& clock) {
    Reader reader(text);
    const auto year = reader.digits(4);
    const bool first = reader.take('-');
    const auto month = reader.digits(2);
    const bool second = reader.take('-');
    const auto day = reader.digits(2);
    const bool separated = reader.take('T') || reader.take('t') || reader.take(' ');
    const auto time = time_of_day(reader);
    if (!year || !first || !month || !second || !day || !separated || !time || !is_date(*year, *month, *day)) {
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
        if (!hours || !colon || !minutes || *hours > 23 || *minutes > 59) {
            return std::nullopt;
        }
        const int offset_s = *hours * seconds_per_hour + *minutes * seconds_per_minute;
        wall_s = ::timegm(&date) + (west ? offset_s : -offset_s);
    }
    if (!reader.at_end()) {
        return std::nullopt;
    }
    if (wall_s > latest_s) {
        return Point{.ns = 0, .too_far = true};
    }
    if (wall_s < 0) {
        return Point{};  // before 1970, and so before every capture
    }
    return point(wall_s * second_ns, time->fraction_ns, clock.wall_offset_ns);
}

}  // namespace

Result<std::uint64_t> time_point(const std::string& option, const std::string& text, const CaptureClock& clock) {
    const std::string what = option + " " + text;
    for (const auto parse : {after_start, by_the_clock, by_the_calendar}) {
        const auto time = parse(text, clock);
        if (time && time->too_far) {
            return failure(what, "this time is out of range",
                           "give one before 2255, or at most a million hours after the start");
        }
        if (time) {
            return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time->ns));
        }
    }
    return failure(what, "this is not a time",
                   "give one after the start, as 10s, a time of day, as 14:03:05, or 2026-11-23T14:03:05Z");
}

}  // namespace inflight::model
