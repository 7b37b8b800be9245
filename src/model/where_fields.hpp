// SPDX-License-Identifier: Apache-2.0
// What an expression can ask of a request: a table of fields, each with its type and where it comes from. Pure.
#pragma once

#include "model/types.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace inflight::model {

// Holds every value of both std::int64_t (a result) and std::uint64_t (user_data).
__extension__ using WideNumber = __int128;

enum class FieldType : std::uint8_t {
    number,   // also hexadecimal: 0x1f
    time,     // nanoseconds; written with a unit, as 10ms
    bytes,    // written with or without a unit, as 4KiB
    error,    // an errno, as a name or a number
    boolean,  // may stand alone
    text,     // any
    op,       // a name of catalog::opcodes()
    family,
    outcome,
    verdict,
    cause,
};

// What is asked: a request, and the verdict of the cancel that it is the target of, where it is asked for a cancel.
struct WhereSubject {
    const Request& request;
    std::optional<Verdict> verdict{};  // NOLINT(readability-redundant-member-init): may be left out
};

struct WhereField {
    std::string_view name;
    FieldType type;
    std::string_view meaning;
    // One of the two is set. Empty: not known of this request.
    std::optional<WideNumber> (*number)(const WhereSubject&);
    std::optional<std::string> (*text)(const WhereSubject&);
};

[[nodiscard]] std::span<const WhereField> where_fields();
// A hyphen in `name` stands for an underscore. nullptr: there is none.
[[nodiscard]] const WhereField* where_field(std::string_view name);
// Of the types that have a fixed set of names: whether `text` is one. True for all other types.
[[nodiscard]] bool is_name_of(FieldType type, std::string_view text);

}  // namespace inflight::model
