// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "capture/block_file.hpp"
#include "capture/carried.hpp"
#include "capture/recorder.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace inflight::capture {

struct FlightOptions {
    std::uint64_t span_ns = 0;  // how far back what is held goes, at least; 0: as far as there is room
    std::uint64_t bytes = 0;    // room for what is held, as it stands in a file; 0: no limit
    std::size_t keep = 0;       // files; the oldest is removed. 0: all
};

// A file that was written.
struct Written {
    std::string path;
    std::string why;
    std::uint64_t bytes = 0;
    std::uint64_t requests = 0;  // that ended in it
    std::uint64_t span_ns = 0;
    std::optional<Error> error;  // it could not be written, and is gone
};

// Holds the last of what comes in memory, compressed, and writes it to a file when it is asked to, and at the end. Each
// file can be read alone. Not thread-safe.
class FlightRecorder final : public Recorder {
public:
    using Tell = std::function<void(const Written&)>;

    // Files are named as a rotation's. Nothing is made yet: whether the folder can be written to is found out.
    [[nodiscard]] static Result<std::unique_ptr<FlightRecorder>> create(const std::string& path,
                                                                        const CaptureInfo& info,
                                                                        const FlightOptions& options, Tell tell);

    // Writes a file soon, with what is in flight then. `why` goes into it. A second request before it is there joins
    // the first. Where it cannot be written that is told, and what is held stays for the next.
    void ask_for_file(const std::string& why);

    void on_record(const ifl_header& record) override;
    // Each block knows what had been lost at its end; a file says so before the first one that losses fall into.
    void note_losses() override {}
    void advance(std::uint64_t now_ns) override;
    void finish(std::uint64_t end_ns) override;
    void close(const Account& account) override;
    [[nodiscard]] bool wants_snapshot() const override { return !why_.empty() || Recorder::wants_snapshot(); }

    [[nodiscard]] Kept kept() const override;

private:
    using Words = std::vector<std::uint64_t>;
    struct Held {
        Block block;
        std::uint64_t begin_ns = 0;  // everything before is in older blocks
        std::vector<Words> carried;  // of its records those that later ones may refer to
        model::Losses losses;        // so far, at its end
    };

    FlightRecorder(std::string path, CaptureInfo info, const FlightOptions& options, Numbered there, Tell tell);
    void hold();
    void drop_oldest();
    void write_file(std::uint64_t end_ns, const Account& account);
    [[nodiscard]] Result<void> write_blocks(BlockFile& file, std::uint64_t end_ns, Written& written);
    [[nodiscard]] Result<void> write_in_flight(BlockFile& file, std::uint64_t end_ns);

    std::string path_;
    CaptureInfo info_;
    FlightOptions options_;
    Tell tell_;
    std::uint64_t next_number_;
    KeptFiles kept_files_;
    BlockMaker block_;
    std::vector<Words> block_carried_;
    Carried carried_;  // as of the begin of the oldest block
    model::Losses losses_before_;
    std::deque<Held> held_;
    std::uint64_t held_bytes_ = 0;
    std::string why_;               // a file is asked for; empty: not
    std::vector<Words> in_flight_;  // of the last snapshot
    std::uint64_t files_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t names_missing_ = 0;
    std::optional<std::uint64_t> end_ns_;
};

}  // namespace inflight::capture
