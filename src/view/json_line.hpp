// SPDX-License-Identifier: Apache-2.0
// Writes one JSON object per line, into one buffer that is used again and again.
#pragma once

#include "model/in_flight.hpp"
#include "view/view.hpp"

// Without RAPIDJSON_SSE2: with it, the writer of RapidJSON 1.1.0 leaves the control characters 0x1a to 0x1f as they
// are.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace inflight::view {

// RapidJSON looks at each character of a string to escape it. Most strings of ours are known to need none.
class LineWriter : public rapidjson::Writer<rapidjson::StringBuffer> {
public:
    using Writer::Writer;

    // What needs no escaping any more.
    void PlainString(std::string_view text) {
        Prefix(rapidjson::kStringType);
        char* place = os_->Push(text.size() + 2);
        *place = '"';
        text.copy(place + 1, text.size());
        place[text.size() + 1] = '"';
    }
};

// Keys are names that need no escaping. "hex" is a string as "0x7f5a1e600000", for 64-bit addresses, ids and user_data:
// many readers hold JSON numbers in doubles.
class JsonLine {
public:
    explicit JsonLine(Output& output) : output_(output), writer_(buffer_) {}

    void begin() {
        buffer_.Clear();
        writer_.Reset(buffer_);
        writer_.StartObject();
    }
    // The object that begin() began, and its newline, go to the output.
    void end();

    void key(std::string_view name) { writer_.PlainString(name); }

    void begin_object() { writer_.StartObject(); }
    void end_object() { writer_.EndObject(); }
    void begin_array() { writer_.StartArray(); }
    void end_array() { writer_.EndArray(); }

    void null() { writer_.Null(); }
    void boolean(bool value) { writer_.Bool(value); }
    void number(std::uint64_t value) { writer_.Uint64(value); }
    void signed_number(std::int64_t value) { writer_.Int64(value); }
    void real(double value) { writer_.Double(value); }
    void hex(std::uint64_t value);
    // Escaped as json_escaped() says.
    void string(std::string_view text);

    // The same with a key.
    void boolean(std::string_view name, bool value) {
        key(name);
        boolean(value);
    }
    void number(std::string_view name, std::uint64_t value) {
        key(name);
        number(value);
    }
    void signed_number(std::string_view name, std::int64_t value) {
        key(name);
        signed_number(value);
    }
    void hex(std::string_view name, std::uint64_t value) {
        key(name);
        hex(value);
    }
    void string(std::string_view name, std::string_view text) {
        key(name);
        string(text);
    }

    // Of a process or thread. One outside of our own pid namespace has null there, and its id of the machine in a field
    // of its own, as "host_pid".
    void id(std::string_view name, std::uint32_t value, bool known = true) {
        const bool elsewhere = IFL_IS_ELSEWHERE(value);
        number_if(name, known && !elsewhere, value);
        if (elsewhere) {
            number("host_" + std::string(name), value & ~IFL_ID_ELSEWHERE);
        }
    }
    // The number that the machine has for that process, where `pid` is of a pid namespace.
    void host_pid(std::uint32_t value) {
        if (value != 0) {
            number("host_pid", value);
        }
    }
    // null if it is not known.
    void number_if(std::string_view name, bool known, std::uint64_t value) {
        key(name);
        known ? number(value) : null();
    }
    void number_if(std::string_view name, std::optional<std::uint64_t> value) {
        number_if(name, value.has_value(), value.value_or(0));
    }
    void signed_if(std::string_view name, bool known, std::int64_t value) {
        key(name);
        known ? signed_number(value) : null();
    }
    void hex_if(std::string_view name, bool known, std::uint64_t value) {
        key(name);
        known ? hex(value) : null();
    }
    void string_if(std::string_view name, bool known, std::string_view text) {
        key(name);
        known ? string(text) : null();
    }
    // null if it is empty.
    void string_if(std::string_view name, std::string_view text) { string_if(name, !text.empty(), text); }

private:
    Output& output_;
    rapidjson::StringBuffer buffer_;
    LineWriter writer_;
};

// Objects in a line.
void write_request_object(JsonLine& line, const model::Request& request, std::uint64_t start_ns);  // json.cpp
void write_context_object(JsonLine& line, const model::Context& context);                          // json_summary.cpp

// json_summary.cpp; each writes a whole line.
void write_trace(JsonLine& line, const TraceInfo& info);
// Its key and its value.
void write_lost_features(JsonLine& line, const std::vector<model::LostFeature>& lost);
void write_context(JsonLine& line, const model::Context& context);
void write_finding(JsonLine& line, const model::Finding& finding);
void write_stories(JsonLine& line, const model::Finding& finding);
void write_losses(JsonLine& line, const model::Losses& losses);
void write_summary(JsonLine& line, const model::Summary& summary);

// json_uring.cpp; the first a whole line, the others keys of a line
void write_completion(JsonLine& line, const model::Completion& completion);
void write_uring(JsonLine& line, const model::Request& request);
void write_cancel_key(JsonLine& line, const model::Cancel& cancel);
void write_ring(JsonLine& line, const std::optional<model::RingPart>& known_ring);

// in_flight_json.cpp; keys of a line
void write_in_flight_fields(JsonLine& line, const model::InFlight& each);

// json_event.cpp
void write_event(JsonLine& line, const model::Event& event);

}  // namespace inflight::view
