// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "catalog/uring.hpp"
#include "view/calls.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/sqe.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace inflight::view {
namespace {

// The JSON view has all of them.
constexpr std::size_t max_targets = 8;

// " 4.0 KiB at 8 KiB", " POLLIN", " 1.00 s"; may be empty.
std::string extent_text(const model::Request& target) {
    const Asked asked = asked_for(target);
    switch (length_unit(target.family, target.opcode)) {
        case LengthUnit::poll_events:
            return asked.poll_events ? " " + catalog::flag_names(catalog::poll_events(), *asked.poll_events) : "";
        case LengthUnit::bytes:
            if (!asked.length) {
                return "";
            }
            if (target.family == model::Family::aio && target.offset < 0) {
                return "";
            }
            return " " + format_bytes(*asked.length) +
                   (asked.offset && *asked.offset >= 0
                        ? " at " + format_bytes_exact(static_cast<std::uint64_t>(*asked.offset))
                        : "");
        case LengthUnit::timeout: {
            const auto time_ns = timeout_ns(target);
            return !time_ns ? "" : (absolute_timeout(target) ? " absolute" : " " + format_duration(*time_ns));
        }
        default:
            return "";
    }
}

}  // namespace

std::string target_text(const model::Request& target, const TextFrame& frame) {
    const Asked asked = asked_for(target);
    std::string text = target.opcode ? operation_name(target.family, target.opcode) : "an operation that is not known";
    text += extent_text(target);
    // AIO always has a descriptor, if a wrong one.
    const bool has_fd = target.family == model::Family::aio ? asked.known : asked.fd.has_value();
    if (has_fd) {
        text += fmt::format(" on fd {}", asked.fd ? fd_text(asked) : fmt::to_string(target.fd));
    }
    if (const std::string subject = subject_text(target); subject != unknown) {
        text += fmt::format("{}{}", has_fd ? " " : " on ", subject);
    }
    if (target.user_data_known) {
        text += fmt::format(", user_data {:#x}", target.user_data);
    }
    text += target.submit_ns ? ", submitted " + time_text(target.submit_ns, frame)
            : target.existed ? ", submitted before the trace"
                             : "";
    return text + ", " + outcome_text(target) +
           (target.complete_ns ? " " + time_text(target.complete_ns, frame) : std::string());
}

namespace {

// "user_data 0x1 fd 7 op recv ALL|FD"
std::string key_text(const model::CancelKey& key) {
    std::string text;
    const auto add = [&text](std::string_view part) { text.append(text.empty() ? "" : " ").append(part); };
    if (key.user_data) {
        add(fmt::format("user_data {:#x}", *key.user_data));
    }
    if (key.fd) {
        add(fmt::format("fd {}", *key.fd));
    }
    if (key.opcode) {
        add("op " + operation_name(model::Family::uring, *key.opcode));
    }
    if (key.flags != 0) {
        add(short_names(catalog::flag_names(catalog::uring_cancel_flags(), key.flags), "IORING_ASYNC_CANCEL_"));
    }
    return text;
}

// "io_cancel iocb 0x1000 ctx 0x2000 EINVAL → ", "async_cancel user_data 0x1 ALL → ENOENT "
std::string attempt_text(const model::Cancel& cancel, const TextFrame& frame) {
    const int error = error_of(cancel.ret);
    const std::string result = error != 0 ? catalog::errno_name(error) : fmt::to_string(cancel.ret);
    if (cancel.way == model::CancelWay::io_cancel) {
        return fmt::format("{} iocb {} ctx {:#x} {} → ", paint("io_cancel", Tone::bold, frame),
                           cancel.address == 0 ? "NULL" : fmt::format("{:#x}", cancel.address), cancel.ctx_id, result);
    }
    std::string way(model::name(cancel.way));
    std::ranges::replace(way, '-', '_');
    const std::string key = key_text(cancel.key);
    return fmt::format("{}{}{} → {} ", paint(way, Tone::bold, frame), key.empty() ? "" : " ", key, result);
}

std::string found_text(const model::CancelKey& key) {
    if (key.count <= 1 && key.matches <= 1) {
        return {};
    }
    return key.matches == 0 ? fmt::format(", {}", counted(key.count, "request"))
                            : fmt::format(", {} of {}", format_count(key.count), counted(key.matches, "request"));
}

}  // namespace

std::string cancel_text(const model::Cancel& cancel, const TextFrame& frame) {
    const bool success = cancel.verdict == model::Verdict::cancelled;
    std::string text = lead(cancel.end_ns, cancel.pid, cancel.comm, frame);
    text += fmt::format("{}{}{}{}", attempt_text(cancel, frame), cancel.certain ? "" : "probably ",
                        paint(model::name(cancel.verdict), success ? Tone::green : Tone::yellow, frame),
                        found_text(cancel.key));
    if (!cancel.reason.empty()) {
        text += "\n" + detail(printable(cancel.reason), lead_columns, frame);
    }
    if (cancel.target) {
        std::string target = "target: " + target_text(*cancel.target, frame);
        if (cancel.completed_before_ns) {
            target += ", " + format_duration(*cancel.completed_before_ns) + " before the call";
        }
        text += "\n" + detail(target, lead_columns, frame);
    }
    const std::size_t shown = std::min(cancel.more_targets.size(), max_targets);
    for (const model::Request& target : std::span(cancel.more_targets).first(shown)) {
        text += "\n" + detail("target: " + target_text(target, frame), lead_columns, frame);
    }
    if (cancel.more_targets.size() > shown) {
        text += "\n" + detail("and " + counted(cancel.more_targets.size() - shown, "more target"), lead_columns, frame);
    }
    return text;
}

}  // namespace inflight::view
