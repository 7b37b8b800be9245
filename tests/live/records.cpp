// SPDX-License-Identifier: Apache-2.0
#include "records.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

namespace inflight::live {

namespace {

constexpr std::array<std::string_view, 6> kind_names{"request", "cancel", "completion", "context", "event", "finding"};
// clang-format off: one to a line otherwise
constexpr std::array<std::string_view, key_count> key_names{
    "op", "fd", "file", "address", "user_data", "offset", "length", "result", "error", "outcome", "reaped", "pid",
    "tid", "ret", "verdict", "target_op", "context", "in_flight_max", "capacity_at_least", "event", "abi", "code",
    "family", "path", "path_origin", "new_path", "sockaddr", "peer", "xattr_name", "timeout_ns", "cqes", "cause",
    "skipped", "multishot", "overflowed", "prep_failed", "punted", "armed", "deferred", "linked", "sqpoll", "notified",
    "fixed", "command", "big_cqe", "integrity", "write_stream", "sockopt", "notification", "stamped", "arguments",
    "way", "key", "taken", "sq_entries", "cq_entries", "setup", "files", "buffers", "comm", "file_kind", "existed",
    "first_user_data", "appended", "breaks_chain", "timeout_clock", "ring_fd", "refused", "refused_error", "driven_by_bpf", "completer"};
// clang-format on
constexpr std::size_t faults_kept = 10;

using rapidjson::Value;

std::string content_of(const std::filesystem::path& path) {
    std::ifstream stream(path);
    std::stringstream content;
    content << stream.rdbuf();
    return content.str();
}

std::string value_of(const Value& object, const char* name) {
    const auto member = object.FindMember(name);
    if (member == object.MemberEnd() || member->value.IsNull()) {
        return {};
    }
    const Value& value = member->value;
    if (value.IsString()) {
        return {value.GetString(), value.GetStringLength()};
    }
    if (value.IsBool()) {
        return value.GetBool() ? "yes" : "no";
    }
    if (value.IsUint64()) {
        return std::to_string(value.GetUint64());
    }
    return value.IsInt64() ? std::to_string(value.GetInt64()) : "?";
}

std::uint64_t time_of(const Value& object, const char* name) {
    const auto member = object.FindMember(name);
    return member != object.MemberEnd() && member->value.IsUint64() ? member->value.GetUint64() : 0;
}

bool is_true(const Value& object, const char* name) {
    const auto member = object.FindMember(name);
    return member != object.MemberEnd() && member->value.IsTrue();
}

const Value* object_of(const Value& object, const char* name) {
    const auto member = object.FindMember(name);
    return member != object.MemberEnd() && member->value.IsObject() ? &member->value : nullptr;
}

// Keys whose field has the same name.
void take(Record& record, const Value& object, std::initializer_list<Key> keys) {
    for (const Key key : keys) {
        record[key] = value_of(object, name_of(key).data());
    }
}

// A key that says whether a field has a value at all.
std::string is_there(const Value& object, const char* name) {
    return value_of(object, name).empty() ? "no" : "yes";
}

// "a=1;b=x"
std::string members_of(const Value& object) {
    std::string text;
    for (const auto& member : object.GetObject()) {
        text += fmt::format("{}{}={}", text.empty() ? "" : ";", member.name.GetString(),
                            value_of(object, member.name.GetString()));
    }
    return text;
}

// "0x1,0x2", of an array of strings
std::string pair_of(const Value& object, const char* name) {
    const auto member = object.FindMember(name);
    std::string text;
    if (member != object.MemberEnd() && member->value.IsArray()) {
        for (const Value& each : member->value.GetArray()) {
            text += (text.empty() ? "" : ",") + std::string(each.GetString());
        }
    }
    return text;
}

// What the pointers of a call lead to: "a=1;b=x", and behind that what their own pointers do: "|*area_ptr:len=2".
std::string structures_of(const Value& event) {
    std::string text;
    const auto args = event.FindMember("args");
    for (const Value& each : args->value.GetArray()) {
        const std::string name = value_of(each, "name");
        if (const Value* structure = object_of(each, "value"); name.starts_with('*') && structure != nullptr) {
            text += (text.empty() ? "" : "|" + name + ":") + members_of(*structure);
        }
    }
    return text;
}

void take_uring(Record& record, const Value& uring) {
    take(record, uring,
         {Key::path, Key::path_origin, Key::new_path, Key::sockaddr, Key::peer, Key::xattr_name, Key::timeout_ns,
          Key::cause, Key::multishot, Key::overflowed, Key::prep_failed, Key::breaks_chain, Key::timeout_clock,
          Key::ring_fd, Key::driven_by_bpf});
    record[Key::cqes] = value_of(uring, "cqe_count");
    record[Key::command] = value_of(uring, "cmd_name");
    record[Key::big_cqe] = pair_of(uring, "big_cqe");
    record[Key::write_stream] = value_of(uring, "write_stream");
    record[Key::notification] = value_of(uring, "notification_user_data");
    if (const Value* option = object_of(uring, "sockopt"); option != nullptr) {
        record[Key::sockopt] = members_of(*option);
    }
    if (const Value* attributes = object_of(uring, "attributes"); attributes != nullptr) {
        const Value* const integrity = object_of(*attributes, "integrity");
        record[Key::integrity] = integrity != nullptr ? members_of(*integrity) : "unread";
    }
    record[Key::first_user_data] = value_of(uring, "first_user_data");
    record[Key::skipped] = value_of(uring, "cqe_skipped");
    record[Key::fixed] = value_of(uring, "fixed_file");
    record[Key::punted] = is_there(uring, "punt_ns");
    record[Key::armed] = is_there(uring, "arm_ns");
    record[Key::deferred] = is_there(uring, "defer_ns");
    record[Key::linked] = is_there(uring, "link_head");
    record[Key::sqpoll] = is_there(uring, "sq_thread");
    record[Key::notified] = is_there(uring, "notified_ns");
}

Record request_of(const Value& object) {
    Record record;
    take(record, object,
         {Key::op, Key::fd, Key::file, Key::address, Key::user_data, Key::offset, Key::length, Key::result, Key::error,
          Key::outcome, Key::pid, Key::tid, Key::comm, Key::file_kind, Key::existed, Key::family, Key::appended});
    if (const Value* uring = object_of(object, "uring"); uring != nullptr) {
        take_uring(record, *uring);
    }
    const Value* const completer = object_of(object, "completed_by");
    record[Key::completer] = completer != nullptr ? value_of(*completer, "tid") : "none";
    record[Key::reaped] = time_of(object, "reap_ns") != 0 ? "yes" : "no";
    record.at_ns = time_of(object, "submit_ns");
    if (record.at_ns == 0) {
        record.at_ns = time_of(object, "complete_ns");
    }
    return record;
}

Record cancel_of(const Value& object) {
    Record record;
    take(record, object,
         {Key::address, Key::ret, Key::error, Key::verdict, Key::pid, Key::tid, Key::comm, Key::family, Key::way});
    const Value* target = object_of(object, "target");
    record[Key::target_op] = target != nullptr ? value_of(*target, "op") : "none";
    if (const Value* key = object_of(object, "key"); key != nullptr) {
        record[Key::key] = value_of(*key, "user_data");
        record[Key::taken] = value_of(*key, "count");
    }
    record.at_ns = time_of(object, "start_ns");
    return record;
}

Record completion_of(const Value& object) {
    Record record;
    take(record, object, {Key::op, Key::user_data, Key::result, Key::error, Key::overflowed, Key::pid, Key::comm});
    record[Key::big_cqe] = pair_of(object, "big_cqe");
    if (const Value* stamp = object_of(object, "tx_timestamp"); stamp != nullptr) {
        record[Key::stamped] = value_of(*stamp, "type");
    }
    record.at_ns = time_of(object, "time_ns");
    return record;
}

Record context_of(const Value& object) {
    Record record;
    take(record, object,
         {Key::context, Key::in_flight_max, Key::pid, Key::comm, Key::family, Key::refused, Key::refused_error});
    if (const Value* ring = object_of(object, "ring"); ring != nullptr) {
        take(record, *ring,
             {Key::sq_entries, Key::cq_entries, Key::files, Key::buffers, Key::overflowed, Key::driven_by_bpf});
        record[Key::setup] = value_of(*ring, "setup_flags");
    }
    record[Key::capacity_at_least] = value_of(object, "capacity");
    record.at_ns = time_of(object, "created_ns");
    return record;
}

Record event_of(const Value& object) {
    Record record;
    take(record, object, {Key::event, Key::ret, Key::error, Key::abi, Key::pid, Key::tid, Key::comm});
    record[Key::arguments] = structures_of(object);
    record.at_ns = time_of(object, "start_ns");
    return record;
}

Record finding_of(const Value& object) {
    Record record;
    take(record, object, {Key::code, Key::pid, Key::tid, Key::comm});
    record.at_ns = time_of(object, "time_ns");
    return record;
}

// The schema of each type by itself: the whole one tries them all for each line.
class Schema {
public:
    explicit Schema(const std::filesystem::path& path) {
        source_.Parse(content_of(path).c_str());
        if (source_.HasParseError() || !source_.HasMember("definitions")) {
            error_ = fmt::format("{} cannot be read as a schema", path.string());
        }
    }

    [[nodiscard]] const std::string& error() const { return error_; }

    // Empty if the line is as the schema says.
    std::string fault(const Value& line, const std::string& type) {
        if (!source_["definitions"].HasMember(type.c_str())) {
            return fmt::format("the type '{}' is not in the schema", type);
        }
        Entry& entry = entries_[type];
        if (!entry.validator) {
            rapidjson::Document one;
            auto& memory = one.GetAllocator();
            one.CopyFrom(source_, memory);
            one.RemoveMember("oneOf");
            Value all(rapidjson::kArrayType);
            Value reference(rapidjson::kObjectType);
            reference.AddMember("$ref", Value(("#/definitions/" + type).c_str(), memory), memory);
            all.PushBack(reference, memory);
            one.AddMember("allOf", all, memory);
            entry.schema = std::make_unique<rapidjson::SchemaDocument>(one);
            entry.validator = std::make_unique<rapidjson::SchemaValidator>(*entry.schema);
        }
        entry.validator->Reset();
        if (line.Accept(*entry.validator)) {
            return {};
        }
        rapidjson::StringBuffer place;
        entry.validator->GetInvalidDocumentPointer().StringifyUriFragment(place);
        const char* keyword = entry.validator->GetInvalidSchemaKeyword();
        return fmt::format("{} at {}", keyword != nullptr ? keyword : "something", place.GetString());
    }

private:
    struct Entry {
        std::unique_ptr<rapidjson::SchemaDocument> schema;
        std::unique_ptr<rapidjson::SchemaValidator> validator;
    };
    rapidjson::Document source_;
    std::string error_;
    std::map<std::string, Entry> entries_;
};

class Reader {
public:
    Reader(const std::filesystem::path& schema, std::size_t validated) : schema_(schema), validated_(validated) {
        if (!schema_.error().empty()) {
            fault(schema_.error());
        }
    }

    void line(const std::string& text) {
        trace_.lines++;
        rapidjson::Document object;
        object.Parse(text.c_str());
        if (object.HasParseError() || !object.IsObject()) {
            fault(fmt::format("line {}: not a JSON object: {}", trace_.lines, text));
            return;
        }
        const std::string type = value_of(object, "type");
        if (schema_.error().empty() && seen_[type]++ < validated_) {
            if (const std::string wrong = schema_.fault(object, type); !wrong.empty()) {
                fault(fmt::format("line {}: {}: {}", trace_.lines, wrong, text));
            }
        }
        take(object, type);
    }

    Trace result() {
        for (auto& [id, record] : contexts_) {
            trace_.records.push_back(std::move(record));
        }
        contexts_.clear();
        return std::move(trace_);
    }

private:
    void fault(std::string text) {
        if (trace_.faults.size() < faults_kept) {
            trace_.faults.push_back(std::move(text));
        }
    }

    void add(Kind kind, Record record) {
        record.kind = kind;
        trace_.records.push_back(std::move(record));
    }

    void take(const Value& object, const std::string& type) {
        if (type == "request") {
            add(Kind::request, request_of(object));
        } else if (type == "cancel") {
            add(Kind::cancel, cancel_of(object));
        } else if (type == "completion") {
            add(Kind::completion, completion_of(object));
        } else if (type == "event" && !is_true(object, "in_progress")) {
            add(Kind::event, event_of(object));
        } else if (type == "finding") {
            add(Kind::finding, finding_of(object));
        } else if (type == "context") {
            Record record = context_of(object);
            record.kind = Kind::context;
            const std::string id = value_of(object, "context_id");
            contexts_[id.empty() ? fmt::format("line {}", trace_.lines) : id] = std::move(record);
        } else if (type == "loss") {
            for (const auto& member : object.GetObject()) {
                if (member.value.IsInt64()) {
                    trace_.loss[member.name.GetString()] = member.value.GetInt64();
                }
            }
        } else if (type == "summary") {
            trace_.summary_requests = static_cast<std::int64_t>(time_of(object, "requests"));
            trace_.ended_by = value_of(object, "ended_by");
        }
    }

    Schema schema_;
    std::size_t validated_;
    std::map<std::string, std::size_t> seen_;  // lines by type
    Trace trace_;
    std::map<std::string, Record> contexts_;  // by context_id
};

template <typename Enum, std::size_t N>
std::optional<Enum> find_name(const std::array<std::string_view, N>& names, std::string_view name) {
    const auto* const found = std::ranges::find(names, name);
    return found == names.end() ? std::nullopt : std::optional(static_cast<Enum>(found - names.begin()));
}

}  // namespace

std::optional<Kind> kind_of(std::string_view name) {
    return find_name<Kind>(kind_names, name);
}

std::string_view name_of(Kind kind) {
    return kind_names[static_cast<std::size_t>(kind)];
}

std::optional<Key> key_of(std::string_view name) {
    return find_name<Key>(key_names, name);
}

std::string_view name_of(Key key) {
    return key_names[static_cast<std::size_t>(key)];
}

std::string Record::text() const {
    std::string text(name_of(kind));
    for (std::size_t i = 0; i < key_count; i++) {
        if (!values[i].empty()) {
            text += fmt::format(" {}={}", key_names[i], values[i]);
        }
    }
    return text;
}

Trace read_trace(const std::filesystem::path& file, const std::filesystem::path& schema, std::size_t validated) {
    Reader reader(schema, validated);
    std::ifstream stream(file);
    std::string text;
    while (std::getline(stream, text)) {
        reader.line(text);
    }
    return reader.result();
}

}  // namespace inflight::live
