// SPDX-License-Identifier: Apache-2.0
// One reading of capture files: from the records through the model to whoever counts or prints.
#pragma once

#include "base/result.hpp"
#include "capture/file_source.hpp"
#include "model/findings.hpp"
#include "model/selection.hpp"
#include "model/statistics.hpp"
#include "model/where_filter.hpp"
#include "view/captures.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace inflight::cli {

// What is asked of the records, the same for every form of output.
struct CaptureQuestion {
    model::SelectionOptions selection;
    model::FindingOptions findings;
    std::optional<model::Where> where;
    std::string since;  // as given; empty: open
    std::string until;
    std::uint32_t events_shown = 0;  // bit per ifl_syscall
    bool check = false;
    std::uint64_t slow_submit_ns = 0;  // 0: as it was when it was recorded
};

struct CaptureEnd {
    model::Summary summary;
    std::vector<view::CaptureFile> files;
};

// Capture files that could be opened. A file that could not is reported with the others, as damaged.
class Captures {
public:
    // The error is the first one where no file can be read. `max_memory_bytes` is what --max-memory says, 0: nothing.
    [[nodiscard]] static Result<Captures> open(const std::vector<std::string>& paths, std::uint64_t max_memory_bytes);

    // Of the first file; its clock is that of all times.
    [[nodiscard]] const view::TraceInfo& info() const { return sources_.front()->info().trace; }
    // System calls that any of them has: bit per ifl_syscall.
    [[nodiscard]] std::uint32_t events_recorded() const;

    // What --since and --until mean in these files.
    [[nodiscard]] Result<model::TimeSpan> span(const CaptureQuestion& question) const;

    // Reads all; once. What is asked for goes to `sink`, where `in_order` merged by time: that needs memory for all of
    // it if there are several files.
    [[nodiscard]] Result<CaptureEnd> read(const CaptureQuestion& question, model::Sink& sink, bool in_order);

private:
    // Files of one recording that follow on each other, as indices of sources_.
    struct Chain {
        std::vector<std::size_t> parts;
        std::string gap;  // a sentence, if parts are missing before it
    };
    void find_chains();
    [[nodiscard]] Result<void> read_chain(std::size_t index, const CaptureQuestion& question,
                                          const model::TimeSpan& span, model::Sink& sink);
    [[nodiscard]] std::int64_t shift_ns(std::size_t source) const;

    std::vector<std::unique_ptr<capture::FileSource>> sources_;
    std::vector<Chain> chains_;
    std::vector<view::CaptureFile> unreadable_;
    model::Losses losses_;
    std::uint64_t end_ns_ = 0;  // of the file that ends last
};

}  // namespace inflight::cli
