// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

namespace inflight::view {
namespace {

// A machine can have thousands of processes and contexts; the JSON view has them all.
constexpr std::size_t max_rows = 24;
constexpr std::size_t table_indent = 2;
constexpr std::size_t total_indent = 10;

struct UnseenCount {
    std::uint64_t model::Losses::* count;
    std::string_view what;
    std::string_view meaning;
};

constexpr UnseenCount unseen_counts[] = {
    {&model::Losses::requests_untracked, "requests untracked",
     "the table of requests in flight was full: they are nowhere above"},
    {&model::Losses::calls_untracked, "calls untracked",
     "the table of calls in progress was full: their events and verdicts are missing"},
    {&model::Losses::contexts_untracked, "contexts untracked",
     "the table of contexts was full: their requests cannot be told apart by context"},
    {&model::Losses::exits_missed, "returns unseen",
     "calls whose return the kernel did not report: their results are missing"},
    {&model::Losses::programs_skipped, "programs skipped",
     "the kernel left out a hook that interrupted another one: something may be missing"},
    {&model::Losses::completions_unseen, "completions unseen",
     "requests whose end is known from io_getevents alone: latencies are upper bounds"},
    {&model::Losses::submissions_unseen, "submissions unseen",
     "requests whose submission should have been seen: their latencies are missing"},
    {&model::Losses::out_of_order, "out of order", "records that came too late to be sorted in: times may jump back"},
};

// "completed 1,230, failed 4": those that are not zero.
template <typename Enum, std::size_t count>
std::string counts_text(const std::array<std::uint64_t, count>& counts) {
    std::string text;
    for (std::size_t index = 0; index < count; ++index) {
        if (counts[index] != 0) {
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", model::name(static_cast<Enum>(index)),
                                format_count(counts[index]));
        }
    }
    return text;
}

std::string pid_text(std::uint32_t pid) {
    return pid == 0 ? std::string(unknown) : fmt::to_string(pid);
}

std::string comm_text(const std::string& comm) {
    return comm.empty() ? std::string(unknown) : keep_head(printable(comm), 15);
}

void append_table(std::string& out, const Table& table, const TextFrame& frame) {
    bool titles = table.has_titles();
    for (const std::string& line : table.lines()) {
        out += fmt::format("\n{:{}}{}", "", table_indent, paint(line, titles ? Tone::bold : Tone::plain, frame));
        titles = false;
    }
}

void append_omitted(std::string& out, std::size_t rows, std::string_view what) {
    if (rows > max_rows) {
        out += fmt::format("\n{:{}}and {} more {}", "", table_indent, format_count(rows - max_rows), what);
    }
}

void append_operations(std::string& out, const model::Summary& summary, const TextFrame& frame) {
    if (summary.operations.empty()) {
        return;
    }
    Table table({{"PID", Align::right},
                 {"COMM", Align::left},
                 {"OP", Align::left},
                 {"COUNT", Align::right},
                 {"BYTES", Align::right},
                 {"P50", Align::right},
                 {"P99", Align::right},
                 {"MAX", Align::right},
                 {"OUTCOMES", Align::left}});
    const std::size_t rows = std::min(summary.operations.size(), max_rows);
    for (const model::OperationStats& stats : std::span(summary.operations).first(rows)) {
        const auto quantile = [&](double q) {
            return stats.latency.count() == 0 ? std::string(unknown) : format_duration(stats.latency.quantile_ns(q));
        };
        table.add({pid_text(stats.pid), comm_text(stats.comm), operation_name(stats.family, stats.opcode),
                   format_count(stats.requests), stats.bytes == 0 ? std::string(unknown) : format_bytes(stats.bytes),
                   quantile(0.5), quantile(0.99), quantile(1.0), counts_text<model::Outcome>(stats.outcomes)});
    }
    out += "\n";
    append_table(out, table, frame);
    append_omitted(out, summary.operations.size(), "processes and operations");
}

std::string context_state(const model::Context& context) {
    if (context.destroyed_ns || context.change == model::ContextChange::destroyed) {
        return context.by_exit ? "destroyed by exit" : "destroyed";
    }
    return context.created_ns ? "created" : "found";
}

void append_contexts(std::string& out, const model::Summary& summary, const TextFrame& frame) {
    if (summary.contexts.empty()) {
        return;
    }
    Table table({{"PID", Align::right},
                 {"COMM", Align::left},
                 {"CONTEXT", Align::left},
                 {"STATE", Align::left},
                 {"REQUESTS", Align::right},
                 {"IN FLIGHT", Align::right},
                 {"MOST", Align::right},
                 {"CAPACITY", Align::right},
                 {"OF AIO-MAX-NR", Align::right}});
    const std::size_t rows = std::min(summary.contexts.size(), max_rows);
    for (const model::Context& context : std::span(summary.contexts).first(rows)) {
        const std::string share = summary.aio_max_nr == 0
                                      ? format_count(context.max_requests)
                                      : fmt::format("{} = {:>6}", format_count(context.max_requests),
                                                    format_share(context.max_requests, summary.aio_max_nr));
        table.add({pid_text(context.pid), comm_text(context.comm), fmt::format("{:#x}", context.ctx_id),
                   context_state(context), format_count(context.submitted), format_count(context.in_flight),
                   format_count(context.in_flight_max), format_count(context.capacity), share});
    }
    out += "\n";
    append_table(out, table, frame);
    append_omitted(out, summary.contexts.size(), "contexts");
}

void append_total(std::string& out, std::string_view what, std::uint64_t count, std::string_view parts,
                  const TextFrame& frame) {
    const std::string total =
        fmt::format("{:<{}}{}{}{}", what, total_indent, format_count(count), parts.empty() ? "" : ": ", parts);
    out += "\n" + wrap(total, frame.options.columns, 0, total_indent);
}

// "lost 0" and nothing else when all was seen.
std::string loss_text(const model::Losses& losses, const TextFrame& frame) {
    if (losses.total() == 0) {
        return "lost 0";
    }
    Table table({{"", Align::right}, {"", Align::left}, {"", Align::left}});
    for (const model::CpuLoss& cpu : losses.cpus) {
        for (const model::KindLoss& kind : cpu.kinds) {
            if (kind.lost != 0) {
                table.add({format_count(kind.lost), fmt::format("{} records on cpu {}", printable(kind.kind), cpu.cpu),
                           fmt::format("of {}: the buffer of that cpu was full", format_count(kind.generated))});
            }
        }
    }
    for (const UnseenCount& unseen : unseen_counts) {
        if (losses.*unseen.count != 0) {
            table.add({format_count(losses.*unseen.count), std::string(unseen.what), std::string(unseen.meaning)});
        }
    }
    std::string text =
        paint(fmt::format("lost {}: this was not seen, or not as it should be", losses.total()), Tone::red, frame);
    append_table(text, table, frame);
    return text;
}

}  // namespace

std::string summary_text(const model::Summary& summary, const TextFrame& frame) {
    const std::uint64_t duration_ns = summary.end_ns > summary.start_ns ? summary.end_ns - summary.start_ns : 0;
    std::string out = paint(fmt::format("summary of {}", format_duration(duration_ns)), Tone::bold, frame);
    if (!summary.ended_by.empty()) {
        out += ", ended by " + printable(summary.ended_by);
    }
    append_operations(out, summary, frame);
    append_contexts(out, summary, frame);
    out += "\n";
    append_total(out, "requests", summary.requests, counts_text<model::Outcome>(summary.outcomes), frame);
    append_total(out, "cancels", summary.cancels, counts_text<model::Verdict>(summary.verdicts), frame);
    append_total(out, "findings", summary.findings, "", frame);
    if (summary.events != 0) {
        append_total(out, "events", summary.events, "", frame);
    }
    if (summary.aio_max_nr != 0) {
        out += fmt::format("\naio-nr    {} of {} ({})", format_count(summary.aio_nr), format_count(summary.aio_max_nr),
                           format_share(summary.aio_nr, summary.aio_max_nr));
    }
    return out + "\n" + loss_text(summary.losses, frame);
}

}  // namespace inflight::view
