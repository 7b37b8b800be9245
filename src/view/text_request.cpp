// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "model/uring_abi.hpp"
#include "view/calls.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/sqe.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace inflight::view {

namespace uring = model::uring;
namespace {

// RESULT and what follows it have no fixed end: a long result moves the file to the right, which then loses more of
// its beginning.
constexpr std::size_t time_columns = 10;
constexpr std::size_t pid_columns = 7;
constexpr std::size_t comm_columns = 15;
// Fits link_timeout; the few longer names move their own line.
constexpr std::size_t operation_columns = 12;
constexpr std::size_t offset_columns = 13;
constexpr std::size_t length_columns = 8;
constexpr std::size_t events_columns = offset_columns + 1 + length_columns;
constexpr std::size_t latency_columns = 8;
constexpr std::size_t result_columns = 17;
constexpr std::size_t result_columns_max = 30;
constexpr std::size_t fd_columns = 4;
static_assert(time_columns + 1 + pid_columns + 2 + comm_columns + 1 == lead_columns);

constexpr std::string_view tones[] = {"",         "\x1b[2m",  "\x1b[1m",  "\x1b[31m",
                                      "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[36m"};
constexpr std::string_view tone_end = "\x1b[0m";

constexpr Tone outcome_tones[] = {Tone::cyan, Tone::plain, Tone::red, Tone::yellow, Tone::magenta};
static_assert(std::size(outcome_tones) == model::outcome_count);

std::string poll_names(std::uint64_t mask) {
    return catalog::flag_names(catalog::poll_events(), mask);
}

std::string length_cell(const model::Request& request, const Asked& asked, LengthUnit unit) {
    switch (unit) {
        case LengthUnit::timeout:
            if (const auto time_ns = timeout_ns(request)) {
                return absolute_timeout(request) ? "absolute" : format_duration(*time_ns);
            }
            // One that only takes a timeout away has no time of its own.
            return request.opcode == uring::op_timeout_remove ? std::string() : std::string(unknown);
        case LengthUnit::bytes:
        case LengthUnit::iovecs:
        case LengthUnit::entries:
            if (asked.length) {
                return unit == LengthUnit::bytes    ? format_bytes(*asked.length)
                       : unit == LengthUnit::iovecs ? fmt::format("{} iov", *asked.length)
                                                    : format_count(*asked.length);
            }
            return asked.known && request.family == model::Family::uring ? std::string() : std::string(unknown);
        case LengthUnit::none:
            return request.opcode ? std::string() : std::string(unknown);
        case LengthUnit::poll_events:
            break;
    }
    return std::string(unknown);
}

// What a read or write wanted, if less of it is worth a mark: a socket gives what it has.
std::optional<std::uint64_t> wanted_bytes(const model::Request& request) {
    if (request.family == model::Family::uring) {
        const catalog::UringOp* operation = uring_operation(request);
        const bool whole = operation != nullptr && (operation->off == catalog::SqeField::offset_bytes ||
                                                    operation->memory == catalog::MemoryUse::reads);
        if (!whole || (request.uring && request.uring->multishot)) {
            return std::nullopt;
        }
    }
    switch (length_unit(request.family, request.opcode)) {
        case LengthUnit::bytes:
            return asked_for(request).length;
        case LengthUnit::iovecs:
            return vector_bytes(request);
        default:
            return std::nullopt;
    }
}

std::string transferred_text(const model::Request& request) {
    // One that has several CQEs, each with a part of the bytes, and does not repeat itself has transferred them all.
    const bool in_parts = request.uring && request.uring->cqe_count > 1 && !request.uring->multishot;
    const auto bytes = in_parts ? request.uring->cqe_bytes : static_cast<std::uint64_t>(request.result);
    const auto wanted_total = wanted_bytes(request);
    if (!wanted_total || bytes >= *wanted_total) {
        return format_bytes(bytes);
    }
    const std::string got = format_bytes(bytes);
    const std::string wanted = format_bytes(*wanted_total);
    // 4095 of 4096 bytes would round to "4.0 KiB of 4.0 KiB"
    return got == wanted ? fmt::format("{} of {} B", bytes, *wanted_total) : fmt::format("{} of {}", got, wanted);
}

// What there is to say about the result beside the outcome; may be empty.
std::string result_text(const model::Request& request) {
    if (!has_result(request)) {
        return {};
    }
    if (const int error = result_error(request); error != 0) {
        return catalog::errno_name(error);
    }
    if (transfers_bytes(request.family, request.opcode)) {
        return transferred_text(request);
    }
    if (length_unit(request.family, request.opcode) == LengthUnit::poll_events) {
        return request.result == 0 ? "" : poll_names(static_cast<std::uint64_t>(request.result));
    }
    switch (new_file(request)) {
        case NewFile::descriptor:
            return fmt::format("fd {}", request.result);
        case NewFile::fixed:
            return fmt::format("fd f{}", request.result);
        case NewFile::none:
            break;
    }
    // An fsync has nothing but 0; an operation that is not known may have a number that means something.
    return request.result == 0 ? "" : fmt::to_string(request.result);
}

std::string position_text(std::int64_t offset, model::Family family) {
    if (offset >= 0) {
        return format_bytes_exact(static_cast<std::uint64_t>(offset));
    }
    return family == model::Family::uring && offset == -1 ? "current" : fmt::to_string(offset);
}

std::string offset_cell(const model::Request& request, const Asked& asked, LengthUnit unit) {
    const catalog::UringOp* operation = uring_operation(request);
    const bool has_none = operation != nullptr ? operation->off != catalog::SqeField::offset_bytes
                                               : unit == LengthUnit::none && request.opcode;
    if (has_none || (operation != nullptr && asked.known && !asked.offset)) {
        return {};
    }
    if (request.appended) {
        return "append";
    }
    return asked.offset && unit != LengthUnit::poll_events ? position_text(*asked.offset, request.family)
                                                           : std::string(unknown);
}

// The two columns OFFSET and LENGTH. Empty where the operation has none, "-" where it is not known.
std::string extent_cells(const model::Request& request) {
    const LengthUnit unit = length_unit(request.family, request.opcode);
    const Asked asked = asked_for(request);
    if (asked.poll_events) {
        return pad(keep_head(poll_names(*asked.poll_events), events_columns), events_columns, Align::right);
    }
    return pad(offset_cell(request, asked, unit), offset_columns, Align::right) + " " +
           pad(length_cell(request, asked, unit), length_columns, Align::right);
}

std::string latency_text(const model::Request& request, std::uint64_t end_ns, const TextFrame& frame) {
    if (request.outcome == model::Outcome::in_flight) {
        // One that was there before the trace has waited at least as long as the trace has lasted.
        const std::uint64_t since_ns = request.submit_ns.value_or(frame.start_ns);
        return end_ns >= since_ns ? "≥" + format_duration(end_ns - since_ns) : std::string(unknown);
    }
    const auto latency = request.latency_ns();
    if (!latency) {
        return std::string(unknown);
    }
    return (request.completion_exact ? "" : "≤") + format_duration(*latency);
}

}  // namespace

std::string paint(std::string_view text, Tone tone, const TextFrame& frame) {
    if (!frame.options.color || tone == Tone::plain || text.empty()) {
        return std::string(text);
    }
    return fmt::format("{}{}{}", tones[static_cast<std::size_t>(tone)], text, tone_end);
}

Tone tone_of(model::Outcome outcome) {
    return outcome_tones[static_cast<std::size_t>(outcome)];
}

std::string time_text(std::optional<std::uint64_t> time_ns, const TextFrame& frame) {
    if (!time_ns) {
        return std::string(unknown);
    }
    const bool before = *time_ns < frame.start_ns;
    const std::uint64_t distance_ns = before ? frame.start_ns - *time_ns : *time_ns - frame.start_ns;
    const std::uint64_t distance_us = distance_ns / 1000;
    return fmt::format("{}{}.{:06}", before ? '-' : '+', distance_us / 1'000'000, distance_us % 1'000'000);
}

std::string id_text(std::uint32_t id) {
    if (IFL_IS_ELSEWHERE(id)) {
        return fmt::format("host:{}", id & ~IFL_ID_ELSEWHERE);
    }
    return id == 0 ? std::string(unknown) : fmt::to_string(id);
}

std::string lead(std::optional<std::uint64_t> time_ns, std::uint32_t pid, std::string_view comm,
                 const TextFrame& frame) {
    const std::string command = comm.empty() ? std::string(unknown) : keep_head(printable(comm), comm_columns);
    return fmt::format("{} {}  {} ",
                       paint(pad(time_text(time_ns, frame), time_columns, Align::right), Tone::dim, frame),
                       pad(id_text(pid), pid_columns, Align::right), pad(command, comm_columns, Align::left));
}

std::string detail(std::string_view text, std::size_t indent, const TextFrame& frame) {
    return std::string(indent, ' ') + wrap(text, frame.options.columns, indent, indent);
}

std::string operation_name(model::Family family, std::optional<std::uint16_t> opcode) {
    return opcode ? catalog::opcode_name(model::name(family), *opcode) : std::string(unknown);
}

std::string fd_text(const Asked& asked) {
    return asked.fd ? fmt::format("{}{}", asked.fixed_file ? "f" : "", *asked.fd) : std::string(unknown);
}

std::string file_text(const model::FilePtr& file) {
    if (!file || file->name.empty()) {
        return std::string(unknown);
    }
    return fmt::format("{}{}{}", file->truncated ? "…" : "", printable(file->name), file->unlinked ? " (deleted)" : "");
}

std::string outcome_text(const model::Request& request) {
    const std::string result = result_text(request);
    return fmt::format("{}{}{}", model::name(request.outcome), result.empty() ? "" : " ", result);
}

std::string request_titles() {
    return fmt::format("{} {}  {} {} {} {} {}  {} {} {}", pad("TIME", time_columns, Align::right),
                       pad("PID", pid_columns, Align::right), pad("COMM", comm_columns, Align::left),
                       pad("OP", operation_columns, Align::left), pad("OFFSET", offset_columns, Align::right),
                       pad("LENGTH", length_columns, Align::right), pad("LATENCY", latency_columns, Align::right),
                       pad("RESULT", result_columns, Align::left), pad("FD", fd_columns, Align::right), "FILE");
}

std::string request_line(const model::Request& request, std::uint64_t end_ns, const TextFrame& frame) {
    const Asked asked = asked_for(request);
    const auto time_ns = request.complete_ns ? request.complete_ns
                         : request.reap_ns   ? request.reap_ns
                                             : request.submit_ns;

    const std::string middle =
        fmt::format("{} {} {}  ", pad(operation_name(request.family, request.opcode), operation_columns, Align::left),
                    extent_cells(request), pad(latency_text(request, end_ns, frame), latency_columns, Align::right));
    const std::string result = pad(keep_head(outcome_text(request), result_columns_max), result_columns, Align::left);
    const std::string fd = pad(fd_text(asked), fd_columns, Align::right);

    // Widths are those of the plain texts: an escape sequence has none.
    TextFrame plain = frame;
    plain.options.color = false;
    const std::string plain_line =
        fmt::format("{}{}{} {} ", lead(time_ns, request.pid, request.comm, plain), middle, result, fd);
    const std::size_t used = display_width(plain_line);
    if (used > frame.options.columns) {
        return keep_head(plain_line, frame.options.columns);
    }
    const std::string file = keep_tail(subject_text(request), frame.options.columns - used);
    if (!frame.options.color) {
        return plain_line + file;
    }
    return fmt::format("{}{}{} {} {}", lead(time_ns, request.pid, request.comm, frame), middle,
                       paint(result, tone_of(request.outcome), frame), fd, file);
}

std::string completion_line(const model::Completion& completion, const TextFrame& frame) {
    const model::Cqe& cqe = completion.cqe;
    const model::Request* request = completion.request.get();
    const auto opcode = request == nullptr ? std::nullopt : request->opcode;
    std::string result;
    if (const auto usage = notification_usage(cqe); usage && cqe.result != 0) {
        result = short_names(*usage, "IORING_NOTIF_USAGE_");
    } else if (const int error = error_of(cqe.result); error != 0) {
        result = catalog::errno_name(error);
    } else if (transfers_bytes(model::Family::uring, opcode)) {
        result = format_bytes(static_cast<std::uint64_t>(cqe.result));
    } else if (length_unit(model::Family::uring, opcode) == LengthUnit::poll_events) {
        result = poll_names(static_cast<std::uint32_t>(cqe.result));
    } else {
        result = fmt::to_string(cqe.result);
    }
    std::string notes = fmt::format("user_data {:#x}", completion.user_data);
    if (cqe.flags != 0) {
        // The upper half of the flags of a time stamp is part of it, and shown below.
        const std::uint32_t told = tx_timestamp(completion) ? cqe.flags & 0xffffU : cqe.flags;
        notes = catalog::cqe_flag_names(told) + ", " + notes;
    }
    if (cqe.dropped) {
        notes += ", dropped: the program never sees it";
    } else if (cqe.overflowed) {
        notes += ", overflowed";
    }
    const std::string cell = pad(keep_head("CQE " + result, result_columns_max), result_columns, Align::left);
    return fmt::format("{}{} {} {}", lead(cqe.time_ns, completion.pid, completion.comm, frame),
                       pad(operation_name(model::Family::uring, opcode), operation_columns, Align::left), cell, notes);
}

std::string completion_notes(const model::Completion& completion) {
    if (const auto stamp = tx_timestamp(completion)) {
        return fmt::format("sent at {}.{:09} s: {}{}", stamp->seconds, stamp->nanoseconds, stamp->type,
                           stamp->hardware ? ", F_TSTAMP_HW" : "");
    }
    const std::string big = big_cqe_text(completion.cqe.big);
    return big.empty() ? big : "big_cqe " + big;
}

}  // namespace inflight::view
