// SPDX-License-Identifier: Apache-2.0
// What the text view says of an io_uring request beyond the columns that it shares with kernel AIO.
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "model/uring_abi.hpp"
#include "model/uring_tracked.hpp"
#include "view/calls.hpp"
#include "view/escape.hpp"
#include "view/sqe.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>

namespace inflight::view {

namespace uring = model::uring;
namespace {

using model::Request;
using model::UringPart;

// A path in quotes: "/etc/passwd", or "/a/very/long"… where there is more of it than was read.
std::string quoted(const model::Detail& detail) {
    if (!detail.readable) {
        return fmt::format("{:#x} unreadable", detail.address);
    }
    return fmt::format("\"{}\"{}", printable(detail.bytes), detail.truncated ? "…" : "");
}

std::string path_text(const UringPart& part) {
    const model::Detail* path = part.detail(IFL_DETAIL_PATH);
    const model::Detail* new_path = part.detail(IFL_DETAIL_NEW_PATH);
    std::string text = path != nullptr ? quoted(*path) : std::string();
    if (new_path != nullptr) {
        text += (text.empty() ? "→ " : " → ") + quoted(*new_path);
    }
    return text;
}

std::string cancel_key_text(const Request& request) {
    if (const auto user_data = target_user_data(request)) {
        return fmt::format("user_data {:#x}", *user_data);
    }
    const catalog::UringOp* operation = uring_operation(request);
    const auto flags = operation_flags(request);
    return operation != nullptr && operation->addr == catalog::SqeField::user_data && flags
               ? short_names(*flags, "IORING_ASYNC_CANCEL_")
               : std::string();
}

// What the operation was given besides a file; may be empty.
std::string given_text(const Request& request) {
    const UringPart& part = *request.uring;
    std::string text;
    if (const model::Detail* name = part.detail(IFL_DETAIL_XATTR_NAME)) {
        text = quoted(*name);
    }
    if (const std::string path = path_text(part); !path.empty()) {
        return text.empty() ? path : text + " of " + path;
    }
    if (!text.empty()) {
        return request.file ? text + " of " + file_text(request.file) : text;
    }
    if (const auto peer = address_text(request, IFL_DETAIL_PEER)) {
        return "from " + printable(*peer);
    }
    if (const auto address = address_text(request, IFL_DETAIL_ADDRESS)) {
        return printable(*address);
    }
    if (const auto command = command_number(request)) {
        // A name is longer than the column: it stands in the notes.
        const std::string number = command_name(request) ? std::string() : fmt::format("cmd {:#x} ", *command);
        return number + file_text(request.file);
    }
    if (const auto command = msg_ring_command(request)) {
        return *command + (request.file ? " to " + file_text(request.file) : "");
    }
    if (const auto futex = futex_operands(request)) {
        return fmt::format("futex {:#x}", futex->address) + (futex->value ? fmt::format(" {}", *futex->value) : "");
    }
    if (const auto wait = wait_operands(request)) {
        return fmt::format("{} {}", wait->id_type, wait->id);
    }
    return cancel_key_text(request);
}

// The work that goes on behind a request, for those that took a way of their own.
class Notes {
public:
    explicit Notes(const Request& request)
        : request_(request),
          part_(*request.uring),
          // Whoever waits for a request that has not ended wants to know where it is, however plain its way.
          waiting_(request.outcome == model::Outcome::in_flight) {}

    std::string text() {
        add_refusal();
        add_maker();
        add_chain();
        add_moment();
        add_wishes();
        add_way();
        add_completions();
        add_end();
        return notes_;
    }

private:
    void add(std::string_view note) { notes_.append(notes_.empty() ? "" : ", ").append(note); }

    // "after 12.1 µs", or nothing if one of both times is not known
    [[nodiscard]] std::string after(std::optional<std::uint64_t> time_ns) const {
        return time_ns && request_.submit_ns && *time_ns >= *request_.submit_ns
                   ? " after " + format_duration(*time_ns - *request_.submit_ns)
                   : "";
    }

    void add_refusal() {
        if (part_.prep_failed) {
            const int error = part_.prep_error != 0 ? part_.prep_error : result_error(request_);
            add("prep failed" + (error == 0 ? "" : " " + catalog::errno_name(error)));
        }
    }

    void add_maker() {
        if (part_.ring_pid != 0 && part_.ring_pid != request_.pid) {
            add(fmt::format("on a ring that {} made", part_.ring_pid));
        }
        if (part_.driven_by_bpf) {
            add("driven by BPF");
        }
    }

    void add_chain() {
        const bool head =
            part_.link_head == 0 && (part_.sqe_flags & (uring::sqe_io_link | uring::sqe_io_hardlink)) != 0;
        if ((head || part_.link_head != 0) && part_.request_id != 0) {
            add(fmt::format("request {:#x}", part_.request_id));
        }
        if (head) {
            add("head of a chain");
        } else if (part_.link_head != 0) {
            add(fmt::format("linked to {:#x}", part_.link_head));
        }
        // What an error does is known.
        if (request_.complete_ns && model::uring::breaks_chain(request_) && request_.result >= 0) {
            add("the short transfer breaks its chain");
        } else if (request_.complete_ns && model::uring::breaks_chain(request_) && request_.result == -ETIME) {
            add("ETIME breaks its chain");
        }
        if (part_.failed_by != 0) {
            add(fmt::format("broken by {:#x}", part_.failed_by));
        }
    }

    void add_moment() {
        constexpr std::uint64_t ns_per_s = 1'000'000'000;
        if (const auto moment = absolute_timeout(request_)) {
            std::string note = fmt::format("until {} {}.{:09} s", moment->clock, moment->time_ns / ns_per_s,
                                           moment->time_ns % ns_per_s);
            if (moment->left_ns) {
                const auto left_ns = static_cast<std::uint64_t>(std::abs(*moment->left_ns));
                note += fmt::format(", {} {} its submission", format_duration(left_ns),
                                    *moment->left_ns < 0 ? "before" : "after");
            }
            add(note);
        }
    }

    // What it asks for besides what the columns show.
    void add_wishes() {
        if (const auto name = command_name(request_)) {
            add(*name);
        }
        if (const auto found = attributes(request_)) {
            add(found->integrity
                    ? fmt::format("integrity {} at {:#x}, {}", format_bytes(found->integrity->length_bytes),
                                  found->integrity->address, short_names(found->integrity->flags, "IO_INTEGRITY_"))
                    : fmt::format("attributes {} at {:#x}", found->flags, found->address));
        }
        if (const auto stream = write_stream(request_)) {
            add(fmt::format("write stream {}", *stream));
        }
        if (const auto option = socket_option(request_)) {
            add(fmt::format("level {}, option {}, {}", option->level, option->name,
                            format_bytes(option->length_bytes)));
        }
        if (const auto user_data = notification_user_data(request_)) {
            add(fmt::format("notification user_data {:#x}", *user_data));
        }
    }

    void add_way() {
        if (part_.defer_ns) {
            add("held back by drain" + (waiting_ ? after(part_.defer_ns) : ""));
        }
        const catalog::UringOp* operation = uring_operation(request_);
        const bool by_design = (operation != nullptr && operation->punts) || (part_.sqe_flags & uring::sqe_async) != 0;
        if (part_.punt_ns && (!by_design || waiting_ || part_.punts > 1)) {
            std::string note = "punted to io-wq" + after(part_.punt_ns);
            if (part_.punts > 1) {
                note += fmt::format(", {} times", part_.punts);
            }
            if (part_.worker_tid != 0) {
                note += fmt::format(" (worker {})", part_.worker_tid);
            }
            add(note);
        }
        if (part_.arms > 1) {
            add(fmt::format("poll armed {} times", part_.arms));
        } else if (waiting_ && part_.arm_ns) {
            add("poll armed" + after(part_.arm_ns));
        }
    }

    void add_completions() {
        // The second CQE of a zero-copy send is the notification, told below.
        const bool several = part_.cqe_count > 1 && !model::uring::zero_copy(request_);
        if (part_.multishot || several) {
            std::string note = (part_.multishot ? "multishot: " : "") + counted(part_.cqe_count, "CQE");
            if (transfers_bytes(request_.family, request_.opcode)) {
                note += " " + format_bytes(part_.cqe_bytes);
            }
            add(note);
        }
        if (part_.notified_ns) {
            add("buffer free" + after(part_.notified_ns));
        }
        if (part_.first_user_data) {
            add(fmt::format("user_data {:#x}, until a poll update {:#x}", request_.user_data, *part_.first_user_data));
        }
        if (const std::string big = big_cqe_text(part_.big); !big.empty()) {
            add("big_cqe " + big);
        }
        if (part_.overflowed) {
            add("CQE overflowed");
        }
        if (part_.cqe_skipped) {
            add(part_.cause == model::EndCause::link_failed ? "no CQE, as its chain asked" : "no CQE as asked");
        }
    }

    void add_end() {
        const bool told = (part_.cause == model::EndCause::cancel && part_.cancelled_by != 0) ||
                          (part_.cause == model::EndCause::link_failed && part_.failed_by != 0);
        if (part_.cause != model::EndCause::none && !told) {
            add(fmt::format("cause {}", model::name(part_.cause)));
        }
        if (part_.cancelled_by != 0) {
            add(fmt::format("cancelled by {:#x}", part_.cancelled_by));
        }
        if (part_.details_lost) {
            add("some of what it points at was lost");
        }
    }

    const Request& request_;
    const UringPart& part_;
    bool waiting_;
    std::string notes_;
};

}  // namespace

std::string subject_text(const model::Request& request) {
    if (request.uring) {
        if (std::string given = given_text(request); !given.empty()) {
            return given;
        }
    }
    return file_text(request.file);
}

std::string uring_notes(const model::Request& request) {
    return request.uring ? Notes(request).text() : std::string();
}

std::string short_names(std::string_view names, std::string_view prefix) {
    std::string text(names);
    for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at)) {
        text.erase(at, prefix.size());
    }
    return text;
}

}  // namespace inflight::view
