// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "capture/block_file.hpp"
#include "capture/carried.hpp"
#include "capture/recorder.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace inflight::capture {

// When a recording goes on in the next file. 0: never for that reason.
struct Rotation {
    std::uint64_t bytes = 0;
    std::uint64_t time_ns = 0;
    std::size_t keep = 0;  // files; the oldest is removed. 0: all

    [[nodiscard]] bool wanted() const { return bytes != 0 || time_ns != 0; }
};

// Writes what comes to a capture file, or to one after the other, each of which can be read alone. Not thread-safe.
class FileWriter final : public Recorder {
public:
    // Makes the first file. `path` is its name, or what the names of several begin with: their numbers go on after what
    // is there.
    [[nodiscard]] static Result<std::unique_ptr<FileWriter>> create(const std::string& path, const CaptureInfo& info,
                                                                    const Rotation& rotation = {});

    void on_record(const ifl_header& record) override;
    void note_losses() override;
    void advance(std::uint64_t now_ns) override;
    void finish(std::uint64_t end_ns) override;
    void close(const Account& account) override;

    [[nodiscard]] Kept kept() const override;

private:
    FileWriter(std::string path, CaptureInfo info, const Rotation& rotation, Numbered there, BlockFile file);
    void write_records();
    [[nodiscard]] Result<BlockFile> make_next_file(const CaptureInfo& info);
    void begin_next_file(std::uint64_t now_ns);
    // Of this file.
    [[nodiscard]] Account account_since_begin(Account account) const;
    void check_file();

    std::string path_;
    CaptureInfo info_;
    Rotation rotation_;
    std::uint64_t number_;  // of the file that is written, where they are numbered
    std::uint64_t written_files_ = 1;
    KeptFiles files_;
    BlockFile file_;
    BlockMaker block_;
    Carried carried_;
    model::Losses losses_before_;  // of this file
    bool losses_told_ = false;     // in this file
    std::uint64_t bytes_before_ = 0;
    std::uint64_t file_begun_ns_;
};

}  // namespace inflight::capture
