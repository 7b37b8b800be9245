// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "catalog/uring.hpp"
#include "view/escape.hpp"
#include "view/layout.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <vector>

namespace inflight::view {
namespace {

// A machine can have thousands of processes and contexts; the JSON view has them all.
constexpr std::size_t max_rows = 24;
constexpr std::size_t table_indent = 2;
constexpr std::size_t total_indent = 10;
constexpr std::size_t ring_notes_indent = 8;

struct UnseenCount {
    std::uint64_t model::Losses::* count;
    std::string_view one;
    std::string_view many;
    std::string_view meaning;
};

constexpr UnseenCount unseen_counts[] = {
    {&model::Losses::requests_untracked, "request untracked", "requests untracked",
     "the table of requests in flight was full: they are nowhere above"},
    {&model::Losses::calls_untracked, "call untracked", "calls untracked",
     "the table of calls in progress was full: their events and verdicts are missing"},
    {&model::Losses::contexts_untracked, "context untracked", "contexts untracked",
     "the table of contexts was full: their requests cannot be told apart by context"},
    {&model::Losses::exits_missed, "return unseen", "returns unseen",
     "calls whose return the kernel did not report: their results are missing"},
    {&model::Losses::programs_skipped, "program skipped", "programs skipped",
     "the kernel left out a hook that interrupted another one: something may be missing"},
    {&model::Losses::completions_unseen, "completion unseen", "completions unseen",
     "requests whose end is known from io_getevents alone: latencies are upper bounds"},
    {&model::Losses::submissions_unseen, "submission unseen", "submissions unseen",
     "requests whose submission should have been seen: their latencies are missing"},
    {&model::Losses::out_of_order, "out of order", "out of order",
     "records that came too late to be sorted in: times may jump back"},
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

void append_omitted(std::string& out, std::size_t rows, std::string_view one, std::string_view many) {
    if (rows > max_rows) {
        out += fmt::format("\n{:{}}and {} more {}", "", table_indent, format_count(rows - max_rows),
                           noun(rows - max_rows, one, many));
    }
}

// A table for each family: the same number, and often the same name, are different operations.
void append_operations(std::string& out, const model::Summary& summary, model::Family family, std::string_view title,
                       const TextFrame& frame) {
    std::vector<const model::OperationStats*> operations;
    for (const model::OperationStats& stats : summary.operations) {
        if (stats.family == family) {
            operations.push_back(&stats);
        }
    }
    if (operations.empty()) {
        return;
    }
    Table table({{"PID", Align::right},
                 {"COMM", Align::left},
                 {std::string(title), Align::left},
                 {"COUNT", Align::right},
                 {"BYTES", Align::right},
                 {"P50", Align::right},
                 {"P99", Align::right},
                 {"MAX", Align::right},
                 {"OUTCOMES", Align::left}});
    const std::size_t rows = std::min(operations.size(), max_rows);
    for (const model::OperationStats* each : std::span(operations).first(rows)) {
        const model::OperationStats& stats = *each;
        const auto quantile = [&](double q) {
            return stats.latency.count() == 0 ? std::string(unknown) : format_duration(stats.latency.quantile_ns(q));
        };
        table.add({id_text(stats.pid), comm_text(stats.comm), operation_name(stats.family, stats.opcode),
                   format_count(stats.requests), stats.bytes == 0 ? std::string(unknown) : format_bytes(stats.bytes),
                   quantile(0.5), quantile(0.99), quantile(1.0), counts_text<model::Outcome>(stats.outcomes)});
    }
    out += "\n";
    append_table(out, table, frame);
    append_omitted(out, operations.size(), "process and operation", "processes and operations");
}

std::string context_state(const model::Context& context) {
    if (context.destroyed_ns || context.change == model::ContextChange::destroyed) {
        return context.by_exit ? "destroyed by exit" : "destroyed";
    }
    return context.created_ns ? "created" : "found";
}

std::vector<const model::Context*> contexts_of(const model::Summary& summary, model::Family family) {
    std::vector<const model::Context*> found;
    for (const model::Context& context : summary.contexts) {
        if (context.family == family) {
            found.push_back(&context);
        }
    }
    return found;
}

void append_contexts(std::string& out, const model::Summary& summary, const TextFrame& frame) {
    const std::vector<const model::Context*> contexts = contexts_of(summary, model::Family::aio);
    if (contexts.empty()) {
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
    const std::size_t rows = std::min(contexts.size(), max_rows);
    for (const model::Context* each : std::span(contexts).first(rows)) {
        const model::Context& context = *each;
        const std::string share = summary.aio_max_nr == 0
                                      ? format_count(context.max_requests)
                                      : fmt::format("{} = {:>6}", format_count(context.max_requests),
                                                    format_share(context.max_requests, summary.aio_max_nr));
        table.add({id_text(context.pid), comm_text(context.comm), fmt::format("{:#x}", context.ctx_id),
                   context_state(context), format_count(context.submitted), format_count(context.in_flight),
                   format_count(context.in_flight_max), format_count(context.capacity), share});
    }
    out += "\n";
    append_table(out, table, frame);
    append_omitted(out, contexts.size(), "context", "contexts");
}

// What a ring has besides numbers: "SQPOLL|CQSIZE, SQ thread 4250, 3 CQEs dropped".
std::string ring_notes(const model::RingPart& ring) {
    std::string notes;
    const auto add = [&notes](std::string_view note) { notes.append(notes.empty() ? "" : ", ").append(note); };
    if (ring.setup_flags != 0) {
        add(short_names(catalog::flag_names(catalog::uring_setup_flags(), ring.setup_flags), "IORING_SETUP_"));
    }
    if (ring.driven_by_bpf) {
        add("driven by BPF");
    }
    if (ring.sq_thread_tid != 0) {
        add(fmt::format("SQ thread {}", ring.sq_thread_tid));
    }
    if (ring.cq_overflow != 0) {
        add(counted(ring.cq_overflow, "CQE") + " dropped");
    }
    if (ring.sq_dropped != 0) {
        add(counted(ring.sq_dropped, "SQE") + " dropped");
    }
    if (ring.owner_guessed) {
        add("owner guessed from its first use");
    }
    return notes;
}

void append_rings(std::string& out, const model::Summary& summary, const TextFrame& frame) {
    const std::vector<const model::Context*> contexts = contexts_of(summary, model::Family::uring);
    if (contexts.empty()) {
        return;
    }
    Table table({{"PID", Align::right},
                 {"COMM", Align::left},
                 {"RING", Align::left},
                 {"STATE", Align::left},
                 {"SQ/CQ", Align::right},
                 {"REQUESTS", Align::right},
                 {"IN FLIGHT", Align::right},
                 {"MOST", Align::right},
                 {"FILES", Align::right},
                 {"BUFS", Align::right},
                 {"WORKERS", Align::right},
                 {"OVERFLOW", Align::right}});
    const std::size_t rows = std::min(contexts.size(), max_rows);
    std::vector<std::string> notes;
    for (const model::Context* context : std::span(contexts).first(rows)) {
        const model::RingPart ring = context->ring.value_or(model::RingPart{});
        const auto if_counted = [&ring](const std::string& text) { return ring.counted ? text : std::string(unknown); };
        table.add({id_text(context->pid), comm_text(context->comm),
                   ring.fd >= 0 ? fmt::format("fd {}", ring.fd) : std::string(unknown), context_state(*context),
                   ring.sq_entries != 0 ? fmt::format("{}/{}", ring.sq_entries, ring.cq_entries) : std::string(unknown),
                   format_count(context->submitted),
                   context->in_flight_known() ? format_count(context->in_flight) : std::string(unknown),
                   context->in_flight_known() ? format_count(context->in_flight_max) : std::string(unknown),
                   if_counted(format_count(ring.files)), if_counted(format_count(ring.buffers)),
                   if_counted(fmt::format("{}+{}", ring.workers_bound_max, ring.workers_unbound_max)),
                   context->ring ? format_count(ring.overflowed) : std::string(unknown)});
        notes.push_back(ring_notes(ring));
    }
    out += "\n";
    const std::vector<std::string> lines = table.lines();
    out += fmt::format("\n{:{}}{}", "", table_indent, paint(lines.front(), Tone::bold, frame));
    for (std::size_t row = 0; row < rows; ++row) {
        out += fmt::format("\n{:{}}{}", "", table_indent, lines[row + 1]);
        if (!notes[row].empty()) {
            out += "\n" + detail(notes[row], ring_notes_indent, frame);
        }
    }
    append_omitted(out, contexts.size(), "ring", "rings");
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
                table.add({format_count(kind.lost),
                           fmt::format("{} {} on cpu {}", printable(kind.kind), noun(kind.lost, "record"), cpu.cpu),
                           fmt::format("of {}: the buffer of that cpu was full", format_count(kind.generated))});
            }
        }
    }
    for (const UnseenCount& unseen : unseen_counts) {
        if (losses.*unseen.count != 0) {
            table.add({format_count(losses.*unseen.count), noun(losses.*unseen.count, unseen.one, unseen.many),
                       std::string(unseen.meaning)});
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
    append_operations(out, summary, model::Family::aio, "OP", frame);
    append_operations(out, summary, model::Family::uring, "URING OP", frame);
    append_contexts(out, summary, frame);
    append_rings(out, summary, frame);
    out += "\n";
    append_total(out, "requests", summary.requests, counts_text<model::Outcome>(summary.outcomes), frame);
    if (summary.completions != 0) {
        append_total(out, "more CQEs", summary.completions, "of requests that went on, or of none", frame);
    }
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
