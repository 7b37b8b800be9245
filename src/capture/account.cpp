// SPDX-License-Identifier: Apache-2.0
#include "capture/account.hpp"

#include "base/arithmetic.hpp"
#include "capture/format.hpp"

#include <fmt/format.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace inflight::capture {

namespace {

// Of the requests that explain a later cancel: more than any recorder asks for.
constexpr std::uint64_t most_remembered = 1U << 20U;

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& out, const char* key, std::uint64_t value) {
    out.Key(key);
    out.Uint64(value);
}

void put(Writer& out, const char* key, const std::string& value) {
    out.Key(key);
    out.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void put(Writer& out, const char* key, const std::vector<std::string>& values) {
    out.Key(key);
    out.StartArray();
    for (const auto& value : values) {
        out.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    }
    out.EndArray();
}

// The values of a JSON text by their paths: "a", "a/0", "a/0/b". An array has its length.
class Values : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Values> {
public:
    std::map<std::string, std::uint64_t, std::less<>> unsigned_numbers;
    std::map<std::string, std::int64_t, std::less<>> negative_numbers;
    std::map<std::string, std::string, std::less<>> strings;
    std::map<std::string, std::size_t, std::less<>> lengths;

    // What the parser calls, in its words. False ends the parsing.
    bool Default() {
        path();
        return fits();
    }
    bool Int(int value) { return Int64(value); }
    bool Uint(unsigned value) { return Uint64(value); }
    bool Int64(std::int64_t value) {
        if (value >= 0) {
            return Uint64(static_cast<std::uint64_t>(value));
        }
        negative_numbers.insert_or_assign(path(), value);
        return fits();
    }
    bool Uint64(std::uint64_t value) {
        unsigned_numbers.insert_or_assign(path(), value);
        return fits();
    }
    bool String(const char* text, rapidjson::SizeType bytes, bool /*copy*/) {
        strings.insert_or_assign(path(), std::string(text, bytes));
        return fits();
    }
    bool Key(const char* text, rapidjson::SizeType bytes, bool /*copy*/) {
        levels_.back().key.assign(text, std::min<std::size_t>(bytes, longest_key));
        return bytes <= longest_key;
    }
    bool StartObject() { return begin(false); }
    bool EndObject(rapidjson::SizeType /*members*/) { return end(); }
    bool StartArray() { return begin(true); }
    bool EndArray(rapidjson::SizeType length) {
        lengths.insert_or_assign(levels_.back().prefix, length);
        return end();
    }

private:
    // Each value is kept with its path. A machine with the most CPUs that Linux knows has fewer values, and no key is
    // as long.
    static constexpr std::size_t most_values = 8192UL * 20 * 4;
    static constexpr std::size_t longest_key = 64;
    static constexpr std::size_t deepest = 8;

    bool fits() { return ++values_ <= most_values; }

    struct Level {
        std::string prefix;
        std::string key;
        std::size_t index = 0;
        bool array = false;
    };

    // Of the value that comes now.
    std::string path() {
        if (levels_.empty()) {
            return {};
        }
        Level& level = levels_.back();
        const std::string name = level.array ? std::to_string(level.index++) : level.key;
        return level.prefix.empty() ? name : level.prefix + "/" + name;
    }
    bool begin(bool array) {
        levels_.push_back({.prefix = path(), .key = {}, .index = 0, .array = array});
        return levels_.size() <= deepest && fits();
    }
    bool end() {
        levels_.pop_back();
        return true;
    }

    std::vector<Level> levels_;
    std::size_t values_ = 0;
};

// Takes fields out of the values; remembers the first that is not as it should be.
class Fields {
public:
    explicit Fields(const Values& values) : values_(values) {}

    void take(const std::string& path, std::uint64_t& out) { take_from(values_.unsigned_numbers, path, out); }
    void take(const std::string& path, std::int64_t& out) {
        if (const auto found = values_.negative_numbers.find(path); found != values_.negative_numbers.end()) {
            out = found->second;
            return;
        }
        std::uint64_t value = 0;
        take(path, value);
        out = to_signed_clamped(value);
    }
    void take(const std::string& path, std::string& out) { take_from(values_.strings, path, out); }
    void take(const std::string& path, std::vector<std::string>& out) {
        const std::size_t length = length_of(path);
        for (std::size_t i = 0; i < length; i++) {
            take(fmt::format("{}/{}", path, i), out.emplace_back());
        }
    }
    [[nodiscard]] std::size_t length_of(const std::string& path) {
        std::size_t length = 0;
        take_from(values_.lengths, path, length);
        return length;
    }
    [[nodiscard]] const std::string& first_missing() const { return first_missing_; }

private:
    template <typename Value>
    void take_from(const std::map<std::string, Value, std::less<>>& values, const std::string& path, Value& out) {
        if (const auto found = values.find(path); found != values.end()) {
            out = found->second;
        } else if (first_missing_.empty()) {
            first_missing_ = path;
        }
    }

    const Values& values_;
    std::string first_missing_;
};

Failure no_field(const std::string& path) {
    return failure("read what the capture says of itself", "the field " + path + " is missing or of another type");
}

// Name, reason and meaning of one after the other.
std::vector<std::string> in_a_row(const std::vector<model::LostFeature>& lost) {
    std::vector<std::string> row;
    for (const auto& each : lost) {
        row.insert(row.end(), {each.name, each.reason, each.meaning});
    }
    return row;
}

std::vector<model::LostFeature> from_row(const std::vector<std::string>& row) {
    std::vector<model::LostFeature> lost;
    for (std::size_t i = 0; i + 2 < row.size(); i += 3) {
        lost.push_back({.name = row[i], .reason = row[i + 1], .meaning = row[i + 2]});
    }
    return lost;
}

Result<Values> parse(std::string_view text) {
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::Reader reader;
    Values values;
    if (reader.Parse<rapidjson::kParseIterativeFlag>(stream, values).IsError()) {
        return failure("read what the capture says of itself", "it is not JSON, or has more than it can have");
    }
    return values;
}

void put_losses(Writer& out, const model::Losses& losses) {
    out.Key("cpus");
    out.StartArray();
    for (const auto& cpu : losses.cpus) {
        out.StartObject();
        put(out, "cpu", std::uint64_t{cpu.cpu});
        out.Key("kinds");
        out.StartArray();
        for (const auto& kind : cpu.kinds) {
            out.StartObject();
            put(out, "kind", kind.kind);
            put(out, "generated", kind.generated);
            put(out, "delivered", kind.delivered);
            put(out, "lost", kind.lost);
            out.EndObject();
        }
        out.EndArray();
        out.EndObject();
    }
    out.EndArray();
    put(out, "requests_untracked", losses.requests_untracked);
    put(out, "calls_untracked", losses.calls_untracked);
    put(out, "contexts_untracked", losses.contexts_untracked);
    put(out, "exits_missed", losses.exits_missed);
    put(out, "programs_skipped", losses.programs_skipped);
    put(out, "out_of_order", losses.out_of_order);
}

void take_losses(Fields& fields, model::Losses& losses) {
    const std::size_t cpus = fields.length_of("cpus");
    for (std::size_t i = 0; i < cpus; i++) {
        const std::string cpu = fmt::format("cpus/{}", i);
        model::CpuLoss& loss = losses.cpus.emplace_back();
        std::uint64_t number = 0;
        fields.take(cpu + "/cpu", number);
        loss.cpu = static_cast<std::uint32_t>(number);
        const std::size_t kinds = fields.length_of(cpu + "/kinds");
        for (std::size_t k = 0; k < kinds; k++) {
            const std::string kind = fmt::format("{}/kinds/{}/", cpu, k);
            model::KindLoss& each = loss.kinds.emplace_back();
            fields.take(kind + "kind", each.kind);
            fields.take(kind + "generated", each.generated);
            fields.take(kind + "delivered", each.delivered);
            fields.take(kind + "lost", each.lost);
        }
    }
    fields.take("requests_untracked", losses.requests_untracked);
    fields.take("calls_untracked", losses.calls_untracked);
    fields.take("contexts_untracked", losses.contexts_untracked);
    fields.take("exits_missed", losses.exits_missed);
    fields.take("programs_skipped", losses.programs_skipped);
    fields.take("out_of_order", losses.out_of_order);
}

}  // namespace

std::string to_json(const CaptureInfo& info) {
    rapidjson::StringBuffer buffer;
    Writer out(buffer);
    out.StartObject();
    put(out, "version", info.trace.version);
    put(out, "host_name", info.trace.host_name);
    put(out, "kernel_release", info.trace.kernel_release);
    put(out, "start_ns", info.trace.start_ns);
    out.Key("wall_offset_ns");
    out.Int64(info.trace.wall_offset_ns);
    put(out, "hooks", info.trace.hooks);
    put(out, "limits", info.trace.limits);
    put(out, "lost_features", in_a_row(info.trace.lost));
    put(out, "command", info.trace.command);
    put(out, "events_wanted", std::uint64_t{info.tracker.events_wanted});
    put(out, "slow_submit_ns", info.tracker.slow_submit_ns);
    put(out, "blocked_ns", info.tracker.blocked_ns);
    put(out, "reap_wait_ns", info.tracker.reap_wait_ns);
    put(out, "history_limit", std::uint64_t{info.tracker.history_limit});
    put(out, "aio_max_nr", info.tracker.aio_max_nr);
    put(out, "recording", info.recording);
    put(out, "part", info.part);
    put(out, "names_missing", info.names_missing);
    out.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Result<CaptureInfo> info_from_json(std::string_view text) {
    const auto values = parse(text);
    if (!values) {
        return std::unexpected(values.error());
    }
    CaptureInfo info;
    Fields fields(*values);
    fields.take("version", info.trace.version);
    fields.take("host_name", info.trace.host_name);
    fields.take("kernel_release", info.trace.kernel_release);
    fields.take("start_ns", info.trace.start_ns);
    fields.take("wall_offset_ns", info.trace.wall_offset_ns);
    fields.take("hooks", info.trace.hooks);
    fields.take("limits", info.trace.limits);
    // Captures of the first versions have no such field.
    if (values->lengths.contains("lost_features")) {
        std::vector<std::string> row;
        fields.take("lost_features", row);
        info.trace.lost = from_row(row);
    }
    fields.take("command", info.trace.command);
    std::uint64_t events = 0;
    std::uint64_t history = 0;
    fields.take("events_wanted", events);
    fields.take("slow_submit_ns", info.tracker.slow_submit_ns);
    fields.take("blocked_ns", info.tracker.blocked_ns);
    fields.take("reap_wait_ns", info.tracker.reap_wait_ns);
    fields.take("history_limit", history);
    fields.take("aio_max_nr", info.tracker.aio_max_nr);
    fields.take("recording", info.recording);
    fields.take("part", info.part);
    fields.take("names_missing", info.names_missing);
    info.tracker.events_wanted = static_cast<std::uint32_t>(events);
    info.tracker.history_limit = std::min<std::uint64_t>(history, most_remembered);
    if (!fields.first_missing().empty()) {
        return no_field(fields.first_missing());
    }
    constexpr auto longest_ns = static_cast<std::int64_t>(format::time_limit_ns);
    if (info.trace.start_ns > format::time_limit_ns || info.trace.wall_offset_ns > longest_ns ||
        info.trace.wall_offset_ns < -longest_ns) {
        return failure("read what the capture says of itself", "it says that it was made in another age");
    }
    return info;
}

std::string to_json(const Account& account) {
    rapidjson::StringBuffer buffer;
    Writer out(buffer);
    out.StartObject();
    put_losses(out, account.losses);
    put(out, "aio_nr", account.aio_nr);
    put(out, "aio_max_nr", account.aio_max_nr);
    put(out, "end_ns", account.end_ns);
    put(out, "ended_by", account.ended_by);
    out.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Result<Account> account_from_json(std::string_view text) {
    const auto values = parse(text);
    if (!values) {
        return std::unexpected(values.error());
    }
    Account account;
    Fields fields(*values);
    take_losses(fields, account.losses);
    fields.take("aio_nr", account.aio_nr);
    fields.take("aio_max_nr", account.aio_max_nr);
    fields.take("end_ns", account.end_ns);
    fields.take("ended_by", account.ended_by);
    if (!fields.first_missing().empty()) {
        return no_field(fields.first_missing());
    }
    return account;
}

}  // namespace inflight::capture
