// SPDX-License-Identifier: Apache-2.0
// The pieces that the text view is put together from. Every text that comes out is printable and has no newline at its
// end. Pure functions.
#pragma once

#include "model/summary.hpp"
#include "model/types.hpp"
#include "view/calls.hpp"
#include "view/view.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace inflight::view {

struct TextFrame {
    TextOptions options;
    std::uint64_t start_ns = 0;
};

enum class Tone : std::uint8_t { plain, dim, bold, red, green, yellow, magenta, cyan };

[[nodiscard]] std::string paint(std::string_view text, Tone tone, const TextFrame& frame);
[[nodiscard]] Tone tone_of(model::Outcome outcome);

inline constexpr std::string_view unknown = "-";

// "+1.234567": seconds since the start of the trace; "-" where the time is not known.
[[nodiscard]] std::string time_text(std::optional<std::uint64_t> time_ns, const TextFrame& frame);

// What every line starts with: time, process, command. The next text goes to column `lead_columns`.
inline constexpr std::size_t lead_columns = 36;
// Of a process or thread, `-` if it is not known; one outside of our own pid namespace as host:ID.
[[nodiscard]] std::string id_text(std::uint32_t id);
[[nodiscard]] std::string lead(std::optional<std::uint64_t> time_ns, std::uint32_t pid, std::string_view comm,
                               const TextFrame& frame);

// `text` from column `indent` on, in a line of its own, broken so that no line passes the frame's width.
[[nodiscard]] std::string detail(std::string_view text, std::size_t indent, const TextFrame& frame);

[[nodiscard]] std::string request_titles();
// `end_ns` is the end of the trace, for a request that is still in flight.
[[nodiscard]] std::string request_line(const model::Request& request, std::uint64_t end_ns, const TextFrame& frame);

// One CQE of a request that goes on.
[[nodiscard]] std::string completion_line(const model::Completion& completion, const TextFrame& frame);
// What its second half says; may be empty.
[[nodiscard]] std::string completion_notes(const model::Completion& completion);

[[nodiscard]] std::string operation_name(model::Family family, std::optional<std::uint16_t> opcode);
// "/data/file (deleted)"; "-" for none.
[[nodiscard]] std::string file_text(const model::FilePtr& file);
// "7"; "f7" for an index of the ring's file table; "-" for none.
[[nodiscard]] std::string fd_text(const Asked& asked);
// What the request works on: its file, or the path or address that it was given.
[[nodiscard]] std::string subject_text(const model::Request& request);
// What is worth saying of an io_uring request beside its line; empty for one that went the plain way.
[[nodiscard]] std::string uring_notes(const model::Request& request);
// "completed 4.0 KiB", "failed EIO"
[[nodiscard]] std::string outcome_text(const model::Request& request);

// Of a request that something else speaks of: "poll POLLIN on fd 7 pipe:[123], user_data 0x1, submitted +0.100000".
[[nodiscard]] std::string target_text(const model::Request& target, const TextFrame& frame);

// An attempt to cancel with its verdict, reason and target.
[[nodiscard]] std::string cancel_text(const model::Cancel& cancel, const TextFrame& frame);

// Takes the prefix that the names of one table share away: "ALL|FD".
[[nodiscard]] std::string short_names(std::string_view names, std::string_view prefix);

// A call as strace writes it, with what was read behind its arguments below.
[[nodiscard]] std::string event_text(const model::Event& event, const TextFrame& frame);

[[nodiscard]] std::string summary_text(const model::Summary& summary, const TextFrame& frame);

}  // namespace inflight::view
