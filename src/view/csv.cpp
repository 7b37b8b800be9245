// SPDX-License-Identifier: Apache-2.0
#include "view/csv.hpp"

#include "base/arithmetic.hpp"
#include "catalog/names.hpp"
#include "view/calls.hpp"
#include "view/escape.hpp"
#include "view/sqe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace inflight::view {
namespace {

using model::Request;
using model::UringPart;

// What a spreadsheet takes for the beginning of a formula, also as full-width characters: how many bytes it has; 0: it
// is none.
std::size_t formula_begin(std::string_view text) {
    constexpr std::array begins =
        std::to_array<std::string_view>({"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"});
    const auto* const found =
        std::ranges::find_if(begins, [text](std::string_view begin) { return text.starts_with(begin); });
    return found == begins.end() ? 0 : found->size();
}

// Where a value of the row goes.
class Field {
public:
    explicit Field(std::string& row) : row_(row) {}

    // A reader undoes the escapes after the quotation marks. A spreadsheet would take a value that begins like a
    // formula for one, and compute it: the first character is then an escape too.
    void text(std::string_view value) {
        std::string clean = printable(value);
        if (const std::size_t bytes = formula_begin(clean); bytes != 0) {
            clean.replace(0, bytes, hex_bytes(clean.substr(0, bytes)));
        }
        if (clean.find_first_of(",\"") == std::string::npos) {
            row_ += clean;
            return;
        }
        row_ += '"';
        for (const char each : clean) {
            row_.append(each == '"' ? 2 : 1, each);
        }
        row_ += '"';
    }
    template <typename Number>
    void number(const std::optional<Number>& value) {
        if (value) {
            fmt::format_to(std::back_inserter(row_), "{}", *value);
        }
    }
    void number_if(bool known, std::uint64_t value) { number(known ? std::optional(value) : std::nullopt); }
    void hex_if(bool known, std::uint64_t value) {
        if (known) {
            fmt::format_to(std::back_inserter(row_), "{:#x}", value);
        }
    }
    void flag(bool value) { row_ += value ? '1' : '0'; }

private:
    std::string& row_;
};

struct Row {
    const Request& request;
    Asked asked;
    std::int64_t wall_offset_ns = 0;
};

std::string_view unit_name(const Request& request) {
    switch (length_unit(request.family, request.opcode)) {
        case LengthUnit::bytes:
            return "bytes";
        case LengthUnit::iovecs:
            return "iovecs";
        case LengthUnit::entries:
            return "entries";
        default:
            return "";
    }
}

using MaybeTime = std::optional<std::uint64_t>;

MaybeTime step(const Request& request, MaybeTime UringPart::* time) {
    return request.uring ? (*request.uring).*time : std::nullopt;
}

std::optional<std::int64_t> wall_time(const Row& row) {
    const auto& submit_ns = row.request.submit_ns;
    return submit_ns ? std::optional(wall_time_ns(*submit_ns, row.wall_offset_ns)) : std::nullopt;
}

struct Column {
    CsvColumn column;
    void (*write)(const Row& row, Field field);
};

constexpr auto columns = std::to_array<Column>({
    {{"family", "`aio` or `uring`"}, [](const Row& row, Field out) { out.text(model::name(row.request.family)); }},
    {{"context_id", "inflight's number of the context"},
     [](const Row& row, Field out) { out.hex_if(row.request.context_id != 0, row.request.context_id); }},
    {{"context", "what the program knows it by: its io_context_t, or the ring's descriptor"},
     [](const Row& row, Field out) {
         row.request.family == model::Family::aio ? out.hex_if(row.request.ctx_id != 0, row.request.ctx_id)
                                                  : out.number(ring_fd(row.request));
     }},
    {{"pid", "the process that submitted it"},
     [](const Row& row, Field out) { out.number_if(row.request.pid != 0 && !IFL_IS_ELSEWHERE(row.request.pid), row.request.pid); }},
    {{"tid", "its thread"}, [](const Row& row, Field out) { out.number_if(row.request.tid != 0, row.request.tid); }},
    {{"uid", "its user"}, [](const Row& row, Field out) { out.number_if(row.request.pid != 0, row.request.uid); }},
    {{"comm", "its name"}, [](const Row& row, Field out) { out.text(row.request.comm); }},
    {{"op", "the operation: `pread`, `write`, `poll_add`"},
     [](const Row& row, Field out) {
         out.text(row.request.opcode ? catalog::opcode_name(model::name(row.request.family), *row.request.opcode) : "");
     }},
    {{"fd", "the descriptor it works on"},
     [](const Row& row, Field out) { out.number(row.asked.fixed_file ? std::nullopt : row.asked.fd); }},
    {{"fixed_file", "or the index in the ring's table of files"},
     [](const Row& row, Field out) { out.number(row.asked.fixed_file ? row.asked.fd : std::nullopt); }},
    {{"file", "the file's name"},
     [](const Row& row, Field out) { out.text(row.request.file ? row.request.file->name : ""); }},
    {{"file_kind", "`regular file`, `pipe`, `socket`, ..."},
     [](const Row& row, Field out) { out.text(row.request.file ? row.request.file->kind : ""); }},
    {{"offset", "bytes from the start of the file"},
     [](const Row& row, Field out) { out.number(row.asked.offset); }},
    {{"appended", "1: it went to the end of the file instead, by O_APPEND or RWF_APPEND"},
     [](const Row& row, Field out) { out.flag(row.request.appended); }},
    {{"length", "how much was asked for, in `length_unit`"},
     [](const Row& row, Field out) { out.number(row.asked.length); }},
    {{"length_unit", "`bytes`, `iovecs`, `entries`"},
     [](const Row& row, Field out) { out.text(row.asked.length ? unit_name(row.request) : ""); }},
    {{"user_data", "the program's own number of it"},
     [](const Row& row, Field out) { out.hex_if(row.request.user_data_known, row.request.user_data); }},
    {{"first_user_data", "what a poll had before a poll update gave it another `user_data`"},
     [](const Row& row, Field out) {
         const auto* part = row.request.uring.get();
         const auto first = part != nullptr ? part->first_user_data : std::nullopt;
         out.hex_if(first.has_value(), first.value_or(0));
     }},
    {{"outcome", "`completed`, `failed`, `cancelled`, `abandoned`, `in-flight`"},
     [](const Row& row, Field out) { out.text(model::name(row.request.outcome)); }},
    {{"result", "as the completion has it: bytes, poll events, a descriptor, or a negative error"},
     [](const Row& row, Field out) {
         out.number(has_result(row.request) ? std::optional(row.request.result) : std::nullopt);
     }},
    {{"error", "the name of a negative result: `EIO`"},
     [](const Row& row, Field out) {
         const int error = result_error(row.request);
         out.text(error != 0 ? catalog::errno_name(error) : "");
     }},
    {{"cause", "why an io_uring request was cancelled: `cancel`, `link-failed`, `link-timeout`, ..."},
     [](const Row& row, Field out) {
         const bool known = row.request.uring && row.request.uring->cause != model::EndCause::none;
         out.text(known ? model::name(row.request.uring->cause) : "");
     }},
    {{"submit_ns", "submission, CLOCK_MONOTONIC in nanoseconds, as all times here"},
     [](const Row& row, Field out) { out.number(row.request.submit_ns); }},
    {{"submit_unix_ns", "the same in nanoseconds since 1970, by the wall clock as it stood at the start"},
     [](const Row& row, Field out) { out.number(wall_time(row)); }},
    {{"defer_ns", "held back by IOSQE_IO_DRAIN"},
     [](const Row& row, Field out) { out.number(step(row.request, &UringPart::defer_ns)); }},
    {{"punt_ns", "handed to io-wq, the first time"},
     [](const Row& row, Field out) { out.number(step(row.request, &UringPart::punt_ns)); }},
    {{"worker_ns", "begun by a worker"},
     [](const Row& row, Field out) { out.number(step(row.request, &UringPart::worker_ns)); }},
    {{"arm_ns", "a poll was armed, the first time"},
     [](const Row& row, Field out) { out.number(step(row.request, &UringPart::arm_ns)); }},
    {{"task_work_ns", "gone on with in task work"},
     [](const Row& row, Field out) { out.number(step(row.request, &UringPart::task_work_ns)); }},
    {{"complete_ns", "completion"}, [](const Row& row, Field out) { out.number(row.request.complete_ns); }},
    {{"complete_bound", "`exact`, or `upper`: it completed at `complete_ns` or before"},
     [](const Row& row, Field out) {
         out.text(!row.request.complete_ns ? "" : row.request.completion_exact ? "exact" : "upper");
     }},
    {{"reap_ns", "the program had taken the event by then"},
     [](const Row& row, Field out) { out.number(row.request.reap_ns); }},
    {{"latency_ns", "from submission to completion, in nanoseconds"},
     [](const Row& row, Field out) { out.number(row.request.latency_ns()); }},
    {{"existed", "1: it was in flight before the trace began"},
     [](const Row& row, Field out) { out.flag(row.request.existed); }},
    {{"unpaired", "1: its submission should have been seen and was not"},
     [](const Row& row, Field out) { out.flag(row.request.unpaired); }},
    {{"cqes", "completion queue entries, of an io_uring request"},
     [](const Row& row, Field out) {
         out.number_if(row.request.uring != nullptr, row.request.uring ? row.request.uring->cqe_count : 0);
     }},
    {{"request_id", "inflight's number of an io_uring request"},
     [](const Row& row, Field out) {
         const bool known = row.request.uring && row.request.uring->request_id != 0;
         out.number_if(known, known ? row.request.uring->request_id : 0);
     }},
});

class CsvView final : public View {
public:
    explicit CsvView(Output& output) : output_(output) {}

    void begin(const TraceInfo& info) override {
        wall_offset_ns_ = info.wall_offset_ns;
        row_.clear();
        for (const Column& each : columns) {
            row_.append(row_.empty() ? "" : ",").append(each.column.name);
        }
        end_row();
    }
    void on_request(const Request& request) override {
        const Row row{.request = request, .asked = asked_for(request), .wall_offset_ns = wall_offset_ns_};
        row_.clear();
        for (std::size_t index = 0; index < columns.size(); ++index) {
            if (index != 0) {
                row_ += ',';
            }
            columns.at(index).write(row, Field(row_));
        }
        end_row();
    }
    void on_cancel(const model::Cancel&) override {}
    void on_event(const model::Event&) override {}
    void on_context(const model::Context&) override {}
    void on_finding(const model::Finding&) override {}
    void end(const model::Summary&) override {}

private:
    void end_row() {
        row_ += '\n';
        output_.write(row_);
    }

    Output& output_;
    std::string row_;
    std::int64_t wall_offset_ns_ = 0;
};

constexpr auto described_columns = [] {
    std::array<CsvColumn, columns.size()> described{};
    for (std::size_t index = 0; index < columns.size(); ++index) {
        described.at(index) = columns.at(index).column;
    }
    return described;
}();

}  // namespace

std::span<const CsvColumn> csv_columns() {
    return described_columns;
}

std::unique_ptr<View> make_csv_view(Output& output) {
    return std::make_unique<CsvView>(output);
}

}  // namespace inflight::view
