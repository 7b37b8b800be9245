// SPDX-License-Identifier: Apache-2.0
#include "view/in_flight.hpp"

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
#include <map>

namespace inflight::view {
namespace {

constexpr std::size_t comm_columns = 15;
constexpr std::size_t least_subject_columns = 16;

std::string dashed(const std::string& text) {
    return text.empty() ? std::string(unknown) : text;
}

std::string context_name(const model::Request& request, const model::RingPart* ring) {
    if (request.family == model::Family::aio) {
        return fmt::format("aio {:#x}", request.ctx_id);
    }
    if (ring != nullptr && ring->closing) {
        return "ring, closing";
    }
    return ring != nullptr && ring->fd >= 0 ? fmt::format("ring {}", ring->fd) : std::string("ring");
}

std::string length_text(const model::Request& request, const Asked& asked) {
    if (!asked.length) {
        return std::string(unknown);
    }
    return length_unit(request.family, request.opcode) == LengthUnit::bytes ? format_bytes_exact(*asked.length)
                                                                            : format_count(*asked.length);
}

// A line of prose, broken where a terminal is not wide enough.
std::string sentence(const std::string& text, const TextOptions& options) {
    return (options.terminal ? wrap(text, options.columns, 0, 0) : text) + "\n";
}

// Lines of a table, its titles in bold, none wider than the terminal.
std::string lines_of(Table table, const TextOptions& options) {
    const TextFrame frame{.options = options, .start_ns = 0};
    const auto left_out = options.terminal ? table.fit(options.columns) : std::vector<std::string>();
    std::string out;
    bool titles = table.has_titles();
    for (const std::string& line : table.lines()) {
        out += paint(line, titles ? Tone::bold : Tone::plain, frame) + "\n";
        titles = false;
    }
    if (!left_out.empty()) {
        out += sentence(fmt::format("(no room here for {}; a wider terminal, a pipe and -o json have {})",
                                    fmt::join(left_out, ", "), left_out.size() == 1 ? "it" : "them"),
                        options);
    }
    return out;
}

std::string notes_of(const std::vector<std::string>& notes, const TextOptions& options) {
    constexpr std::size_t indent = 6;
    std::string out;
    for (const std::string& note : notes) {
        out += "note: " + wrap(note, options.columns, indent, indent) + "\n";
    }
    return out;
}

// By which descriptor the file is open now. An index of the ring's table is that for good.
std::string fd_now_text(const model::InFlight& each, const Asked& asked) {
    const model::FileNow& now = each.file_now;
    if (asked.fixed_file || !now.known) {
        return fd_text(asked);
    }
    if (asked.fd && std::ranges::find(now.fds, *asked.fd) != now.fds.end()) {
        return fd_text(asked);
    }
    return now.fds.empty() ? std::string(unknown) : fmt::to_string(now.fds.front());
}

// The file, and what became of its descriptor.
std::string file_text(const model::InFlight& each, const Asked& asked) {
    const model::FileNow& now = each.file_now;
    std::string text = subject_text(each.request);
    if (const auto command = command_name(each.request)) {
        text.append(", ").append(*command);
    }
    if (!now.known || asked.fixed_file) {
        return text;
    }
    if (now.fds.empty()) {
        text += now.elsewhere.empty() ? " (closed)" : fmt::format(" (closed; open in {})", now.elsewhere.front());
    }
    if (now.number_reused) {
        text += fmt::format(" (fd {} is another file now)", each.request.fd);
    }
    return text;
}

// The completions of one context may be thousands.
constexpr std::size_t most_unreaped_shown = 8;

std::vector<std::string> row_of(const model::InFlight& each) {
    const model::Request& request = each.request;
    const Asked asked = asked_for(request);
    const bool can = each.cancellable.means != model::CancelMeans::none;
    const bool over = model::is_over(each.stage);
    std::string age(unknown);
    if (!over) {
        age = fmt::format("{}{}", each.age_known ? "" : "> ", format_duration(each.age_ns));
    }
    return {each.id,
            age,
            dashed(keep_head(printable(request.comm), comm_columns)),
            context_name(request, each.ring ? &*each.ring : nullptr),
            over ? std::string(unknown) : operation_name(request.family, request.opcode),
            fd_now_text(each, asked),
            asked.offset && *asked.offset >= 0 ? format_bytes_exact(static_cast<std::uint64_t>(*asked.offset))
                                               : std::string(unknown),
            length_text(request, asked),
            over ? fmt::format("{}: {}", model::describe(each.stage), request.result)
                 : std::string(model::describe(each.stage)),
            can ? std::string(model::name(each.cancellable.means)) : std::string("no"),
            request.user_data_known ? fmt::format("{:#x}", request.user_data) : std::string(unknown),
            file_text(each, asked)};
}

std::string owner_text(const model::Unlisted& group) {
    if (group.pid == 0) {
        return "a ring that is being freed, of a process that is gone,";
    }
    const std::string owner = fmt::format("{} ({})", printable(group.comm), id_text(group.pid));
    return group.family == model::Family::aio ? fmt::format("{}, context {:#x},", owner, group.ctx_id) : owner;
}

std::string closing_text(const std::vector<model::Closing>& closing, const TextOptions& options) {
    constexpr std::size_t indent = 9;
    std::string out;
    for (const model::Closing& each : closing) {
        const std::string what =
            each.ctx_id
                ? fmt::format("waits in io_destroy({:#x}) until the requests of that context have ended", *each.ctx_id)
                : fmt::format("is exiting, and waits until its requests of {} have ended",
                              each.family == model::Family::aio ? "kernel AIO" : "io_uring");
        const std::string thread = each.tid == each.pid ? std::string() : fmt::format(", thread {}", id_text(each.tid));
        out += "closing: " +
               wrap(fmt::format("{} ({}{}) {}", dashed(printable(each.comm)), id_text(each.pid), thread, what),
                    options.columns, indent, indent) +
               "\n";
    }
    return out;
}

std::vector<std::string> notes_on(const InFlightReport& report) {
    std::vector<std::string> notes;
    notes.reserve(report.unlisted.size() + report.notes.size());
    for (const model::Unlisted& group : report.unlisted) {
        notes.push_back(fmt::format(
            "{} has {} more {} {} in flight, by the kernel's count, that stand{} on none of its lists: what {} and "
            "where {} not known",
            owner_text(group), format_count(group.requests),
            group.family == model::Family::aio ? "kernel AIO" : "io_uring", noun(group.requests, "request"),
            group.requests == 1 ? "s" : "", group.requests == 1 ? "it is" : "they are",
            group.requests == 1 ? "is" : "are"));
    }
    notes.insert(notes.end(), report.notes.begin(), report.notes.end());
    return notes;
}

}  // namespace

std::string in_flight_text(const InFlightReport& report, const TextOptions& options) {
    std::string out;
    if (!report.requests.empty() || !report.unreaped.empty()) {
        Table table({{"ID", Align::left},
                     {"AGE", Align::right},
                     {"COMM", Align::left, 0, 7},
                     {"CONTEXT", Align::left, 0, 4},
                     {"OPERATION", Align::left},
                     {"FD", Align::right, 0, 5},
                     {"OFFSET", Align::right, 0, 1},
                     {"LENGTH", Align::right, 0, 2},
                     {"WHERE", Align::left},
                     {"CANCEL", Align::left, 0, 6},
                     {"USER_DATA", Align::left, 0, 3},
                     {"FILE", Align::left, least_subject_columns}});
        for (const model::InFlight& each : report.requests) {
            table.add(row_of(each));
        }
        std::map<std::uint64_t, std::size_t> shown;
        for (const model::InFlight& each : report.unreaped) {
            if (shown[each.request.context_id]++ < most_unreaped_shown) {
                table.add(row_of(each));
            }
        }
        out += lines_of(table, options);
        for (const auto& [context, count] : shown) {
            if (count > most_unreaped_shown) {
                const auto one = std::ranges::find(report.unreaped, context,
                                                   [](const model::InFlight& each) { return each.request.context_id; });
                out +=
                    fmt::format("… and {} in {} of {} ({})\n", counted(count - most_unreaped_shown, "more completion"),
                                context_name(one->request, one->ring ? &*one->ring : nullptr),
                                printable(one->request.comm), id_text(one->request.pid));
            }
        }
        out += "\n";
    }
    const auto can = std::ranges::count_if(report.requests, [](const model::InFlight& each) {
        return each.cancellable.means != model::CancelMeans::none;
    });
    std::string total =
        report.requests.size() == 1 && can == 1
            ? std::string("1 request in flight, which can be cancelled")
            : fmt::format("{} in flight, {} of them can be cancelled", counted(report.requests.size(), "request"),
                          format_count(static_cast<std::uint64_t>(can)));
    if (!report.unreaped.empty()) {
        total += fmt::format("; {} not reaped", counted(report.unreaped.size(), "completion"));
    }
    out += sentence(total, options) + closing_text(report.closing, options) + notes_of(notes_on(report), options);
    if (report.lost != 0) {
        out += sentence(fmt::format("lost {}: some of these may have ended, and some that are in flight may be missing",
                                    format_count(report.lost)),
                        options);
    }
    return out;
}

namespace {

// "4242: 5, 4243: 5 registered"
std::string holders_text(const ContextRow& row) {
    std::string text;
    for (const model::RingHolder& holder : row.holders) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", id_text(holder.pid));
        text += holder.fd ? fmt::format(": {}", *holder.fd) : std::string();
        text += holder.registered ? " registered" : "";
    }
    return dashed(text);
}

// What a ring keeps, open descriptor or not: "4 files, 2 buffers", the sizes of its tables.
std::string tables_text(const std::optional<model::RingPart>& ring) {
    std::vector<std::string> tables;
    if (ring && ring->counted && ring->files != 0) {
        tables.push_back(counted(ring->files, "file"));
    }
    if (ring && ring->counted && ring->buffers != 0) {
        tables.push_back(counted(ring->buffers, "buffer"));
    }
    return dashed(fmt::format("{}", fmt::join(tables, ", ")));
}

}  // namespace

std::string contexts_text(const ContextsReport& report, const TextOptions& options) {
    std::string out;
    if (!report.rows.empty()) {
        Table table({{"PID", Align::right},
                     {"COMM", Align::left},
                     {"UID", Align::right, 0, 1},
                     {"CONTEXT", Align::left},
                     {"OF AIO-MAX-NR", Align::right, 0, 5},
                     {"SHARE", Align::right, 0, 2},
                     {"DEPTH", Align::right, 0, 4},
                     {"IN FLIGHT", Align::right},
                     {"UNREAPED", Align::right},
                     {"HELD BY", Align::left, 0, 7},
                     {"REGISTERED", Align::left, 0, 6},
                     {"SETUP", Align::left, 0, 3}});
        for (const ContextRow& row : report.rows) {
            const model::Context& context = row.context;
            const bool aio = context.family == model::Family::aio;
            const auto& ring = context.ring;
            const std::string name = aio                     ? fmt::format("aio {:#x}", context.ctx_id)
                                     : ring && ring->closing ? std::string("ring, closing")
                                     : ring && ring->fd >= 0 ? fmt::format("ring {}", ring->fd)
                                                             : std::string("ring");
            const auto flags =
                short_names(catalog::flag_names(catalog::uring_setup_flags(), ring ? ring->setup_flags : 0),
                            "IORING_SETUP_") +
                (ring && ring->driven_by_bpf ? ", driven by BPF" : "");
            table.add({id_text(context.pid), dashed(keep_head(printable(context.comm), comm_columns)),
                       context.pid == 0 ? std::string(unknown) : fmt::to_string(context.uid), name,
                       aio ? format_count(context.max_requests) : std::string(unknown),
                       aio && report.aio_max_nr != 0 ? format_share(context.max_requests, report.aio_max_nr)
                                                     : std::string(unknown),
                       aio    ? format_count(context.capacity)
                       : ring ? fmt::format("{}/{}", ring->sq_entries, ring->cq_entries)
                              : std::string(unknown),
                       row.unlisted != 0 ? fmt::format("{} + {}", format_count(row.listed), format_count(row.unlisted))
                                         : format_count(row.listed),
                       row.unreaped ? format_count(*row.unreaped) : std::string(unknown), holders_text(row),
                       tables_text(ring), aio || !ring || ring->setup_flags == 0 ? std::string(unknown) : flags});
        }
        out += lines_of(table, options);
        out += "\n";
    }
    out += fmt::format(
        "{}; aio-nr {} of aio-max-nr {}{}\n", counted(report.rows.size(), "context"), format_count(report.aio_nr),
        format_count(report.aio_max_nr),
        report.aio_max_nr == 0 ? std::string() : fmt::format(" ({})", format_share(report.aio_nr, report.aio_max_nr)));
    out += closing_text(report.closing, options) + notes_of(report.notes, options);
    return out;
}

}  // namespace inflight::view
