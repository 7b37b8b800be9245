// SPDX-License-Identifier: Apache-2.0
#include "capture/account.hpp"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace inflight::capture {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;
using Value = rapidjson::Value;

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

// Takes fields out of an object; remembers the first that is not as it should be.
class Fields {
public:
    explicit Fields(const Value& object) : object_(object) {}

    void take(const char* key, std::uint64_t& out) {
        if (const Value* const value = find(key); value != nullptr && value->IsUint64()) {
            out = value->GetUint64();
        } else {
            missing(key);
        }
    }
    void take(const char* key, std::int64_t& out) {
        if (const Value* const value = find(key); value != nullptr && value->IsInt64()) {
            out = value->GetInt64();
        } else {
            missing(key);
        }
    }
    void take(const char* key, std::string& out) {
        if (const Value* const value = find(key); value != nullptr && value->IsString()) {
            out.assign(value->GetString(), value->GetStringLength());
        } else {
            missing(key);
        }
    }
    void take(const char* key, std::vector<std::string>& out) {
        const Value* const value = array(key);
        for (rapidjson::SizeType i = 0; value != nullptr && i < value->Size(); i++) {
            if (!(*value)[i].IsString()) {
                missing(key);
                return;
            }
            out.emplace_back((*value)[i].GetString(), (*value)[i].GetStringLength());
        }
    }
    // Null, and remembered, where there is none.
    const Value* array(const char* key) {
        const Value* const value = find(key);
        if (value == nullptr || !value->IsArray()) {
            missing(key);
            return nullptr;
        }
        return value;
    }
    void missing(const char* key) {
        if (first_missing_.empty()) {
            first_missing_ = key;
        }
    }
    [[nodiscard]] const std::string& first_missing() const { return first_missing_; }

private:
    [[nodiscard]] const Value* find(const char* key) const {
        if (!object_.IsObject()) {
            return nullptr;
        }
        const auto member = object_.FindMember(key);
        return member == object_.MemberEnd() ? nullptr : &member->value;
    }

    const Value& object_;
    std::string first_missing_;
};

Failure no_field(const std::string& key) {
    return failure("read what the capture says of itself", "the field " + key + " is missing or of another type");
}

Result<rapidjson::Document> parse(std::string_view text) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    if (document.HasParseError()) {
        return failure("read what the capture says of itself", "it is not JSON");
    }
    return document;
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
    const Value* const cpus = fields.array("cpus");
    for (rapidjson::SizeType i = 0; cpus != nullptr && i < cpus->Size(); i++) {
        Fields cpu((*cpus)[i]);
        model::CpuLoss loss;
        std::uint64_t number = 0;
        cpu.take("cpu", number);
        loss.cpu = static_cast<std::uint32_t>(number);
        const Value* const kinds = cpu.array("kinds");
        for (rapidjson::SizeType k = 0; kinds != nullptr && k < kinds->Size(); k++) {
            Fields kind((*kinds)[k]);
            model::KindLoss each;
            kind.take("kind", each.kind);
            kind.take("generated", each.generated);
            kind.take("delivered", each.delivered);
            kind.take("lost", each.lost);
            if (!kind.first_missing().empty()) {
                fields.missing("cpus");
            }
            loss.kinds.push_back(std::move(each));
        }
        if (!cpu.first_missing().empty()) {
            fields.missing("cpus");
        }
        losses.cpus.push_back(std::move(loss));
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
    put(out, "command", info.trace.command);
    put(out, "events_wanted", std::uint64_t{info.tracker.events_wanted});
    put(out, "slow_submit_ns", info.tracker.slow_submit_ns);
    put(out, "blocked_ns", info.tracker.blocked_ns);
    put(out, "reap_wait_ns", info.tracker.reap_wait_ns);
    put(out, "history_limit", std::uint64_t{info.tracker.history_limit});
    put(out, "aio_max_nr", info.tracker.aio_max_nr);
    out.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Result<CaptureInfo> info_from_json(std::string_view text) {
    const auto document = parse(text);
    if (!document) {
        return std::unexpected(document.error());
    }
    CaptureInfo info;
    Fields fields(*document);
    fields.take("version", info.trace.version);
    fields.take("host_name", info.trace.host_name);
    fields.take("kernel_release", info.trace.kernel_release);
    fields.take("start_ns", info.trace.start_ns);
    fields.take("wall_offset_ns", info.trace.wall_offset_ns);
    fields.take("hooks", info.trace.hooks);
    fields.take("limits", info.trace.limits);
    fields.take("command", info.trace.command);
    std::uint64_t events = 0;
    std::uint64_t history = 0;
    fields.take("events_wanted", events);
    fields.take("slow_submit_ns", info.tracker.slow_submit_ns);
    fields.take("blocked_ns", info.tracker.blocked_ns);
    fields.take("reap_wait_ns", info.tracker.reap_wait_ns);
    fields.take("history_limit", history);
    fields.take("aio_max_nr", info.tracker.aio_max_nr);
    info.tracker.events_wanted = static_cast<std::uint32_t>(events);
    info.tracker.history_limit = history;
    if (!fields.first_missing().empty()) {
        return no_field(fields.first_missing());
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
    const auto document = parse(text);
    if (!document) {
        return std::unexpected(document.error());
    }
    Account account;
    Fields fields(*document);
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
