// SPDX-License-Identifier: Apache-2.0
//
// What is known of each event that inflight reports, as constant tables: its arguments and where they come from, what
// is decoded from them, what it returns, and which hooks see it. The pages of docs/events/ and `inflight events` are
// printed from here (page.hpp).
//
// Everything lives in static storage, never changes, and may be read from any thread. Running texts are plain ASCII
// with one kind of markup, Markdown's `code`; plain_text() of page.hpp takes it off. Names, types, targets and intros
// hold none.
//
// Kernel facts are those of Linux 6.1 to 6.18; their source is fs/aio.c and io_uring/ unless another file is named.
#ifndef INFLIGHT_CATALOG_EVENTS_HPP
#define INFLIGHT_CATALOG_EVENTS_HPP

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace inflight::catalog {

// Where a value was read. A bit mask.
enum class Tag : std::uint8_t {
    K = 1 << 0,       // kernel memory or a register: the task cannot change it under us
    U = 1 << 1,       // memory of the traced task
    TOCTOU = 1 << 2,  // U, and it may have changed between the kernel's read and ours
    OPT = 1 << 3,     // a pointer that may be NULL
};

constexpr std::uint8_t operator+(Tag tag) {
    return static_cast<std::uint8_t>(tag);
}
constexpr std::uint8_t operator|(Tag left, Tag right) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(left) | static_cast<unsigned>(right));
}
constexpr std::uint8_t operator|(std::uint8_t left, Tag right) {
    return static_cast<std::uint8_t>(left | static_cast<unsigned>(right));
}
constexpr bool has_tag(std::uint8_t tags, Tag tag) {
    return (tags & static_cast<unsigned>(tag)) != 0;
}

struct TagInfo {
    Tag tag;
    std::string_view name;
    std::string_view meaning;
};

struct Argument {
    std::string_view name;
    std::string_view c_type;
    std::uint8_t tags;  // of enum Tag
    std::string_view meaning;
};

// One way in which the call ends. Several may have the same value: io_cancel has six reasons for EINVAL.
struct Return {
    std::string_view value;  // "0", a range, or the name of an errno without its sign
    std::string_view meaning;
};

struct Tier {
    std::string_view name;
    std::string_view meaning;
};

struct Hook {
    std::string_view name;    // inflight's own name of the hook
    std::string_view tier;    // name of a Tier
    std::string_view type;    // how it attaches: "fentry + fexit", "kprobe + kretprobe", "tp_btf", "raw_tp", ...
    std::string_view target;  // kernel function or tracepoint
    std::string_view purpose;
};

struct Event {
    std::string_view name;
    std::string_view family;
    unsigned number_x86_64;
    unsigned number_i386;
    unsigned number_i386_time64;                    // 0: the call has no second entry that takes a 64-bit time
    std::string_view intro;                         // goes on from "NAME() ...", without a full stop
    std::span<const std::string_view> description;  // paragraphs
    std::span<const Argument> arguments;            // of the system call, in order
    std::span<const Argument> decoded;              // what inflight reads through them
    std::span<const Return> returns;
    std::span<const Hook> hooks;
    std::string_view example_use_case;
    std::span<const std::string_view> issues;
    std::span<const std::string_view> related;  // names of other events
};

inline constexpr std::string_view family_aio = "aio";
inline constexpr std::string_view family_uring = "uring";

// In the order of their x86-64 numbers.
std::span<const Event> events();

// nullptr: no such event.
const Event* find_event(std::string_view name);
const Event* find_event(unsigned number_x86_64);

std::span<const TagInfo> tags();

// In the order in which they are tried.
std::span<const Tier> tiers();

// "U, TOCTOU"; bits that have no name are printed as hex, no bit as "".
std::string tag_names(std::uint8_t tags);

}  // namespace inflight::catalog

#endif
