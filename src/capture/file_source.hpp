// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"
#include "capture/account.hpp"
#include "capture/consumer.hpp"
#include "capture/format.hpp"
#include "capture/memory_budget.hpp"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct ZSTD_DCtx_s;

namespace inflight::capture {

// A part of a capture file that could not be read.
struct Damage {
    std::uint64_t offset_bytes = 0;
    std::uint64_t length_bytes = 0;
    std::string why;  // a sentence
};

// Reads a capture file, also while it is written, and what is left of a damaged one. Nothing in it is trusted: what a
// file says of its sizes is bounded by what it holds, and what its records become by a budget. Not thread-safe.
class FileSource {
public:
    // Reads up to `bytes` from `at` on, as pread(2) does.
    using ReadAt = std::function<ssize_t(char* to, std::size_t bytes, std::uint64_t at)>;

    // Fails where it is no capture at all, or needs a newer inflight. Reads the block that says of what trace it is.
    // Several files that are read together share a budget.
    [[nodiscard]] static Result<std::unique_ptr<FileSource>> open(
        const std::string& path, std::shared_ptr<MemoryBudget> budget = std::make_shared<MemoryBudget>());
    // The same of what is not a file; `path` is what it is called in errors.
    [[nodiscard]] static Result<std::unique_ptr<FileSource>> open(ReadAt read_at, std::string path,
                                                                  std::shared_ptr<MemoryBudget> budget);
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;
    FileSource(FileSource&&) = delete;
    FileSource& operator=(FileSource&&) = delete;
    ~FileSource();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const CaptureInfo& info() const { return info_; }

    // Hands everything over as the live source did: records, the moments between, and the end, also where the file has
    // none. Fails only where the file cannot be read at all any more; damage is skipped. `continues`: the consumer has
    // had the part of this recording before, and knows what this one carries over from it.
    [[nodiscard]] Result<void> replay(Consumer& consumer, bool continues = false);

    // After replay().
    [[nodiscard]] const Account& account() const { return account_; }
    // False: it was cut off, is being written, or there was no room for the account of its end.
    [[nodiscard]] bool ended() const { return finished_ && !account_.ended_by.empty(); }
    [[nodiscard]] const std::vector<Damage>& damage() const { return damage_; }
    // At most this many names of files and cgroups stood in records that neither this file nor one before it has.
    [[nodiscard]] std::uint64_t names_missing() const { return continues_ ? 0 : info_.names_missing; }
    [[nodiscard]] std::uint64_t records() const { return records_; }
    [[nodiscard]] std::uint64_t last_ns() const { return last_ns_; }

private:
    FileSource(ReadAt read_at, std::string path, std::shared_ptr<MemoryBudget> budget);
    struct Block {
        format::BlockHeader header{};
        std::string_view payload;  // until the next block is asked for
    };
    [[nodiscard]] Result<void> read_start();
    [[nodiscard]] Result<bool> next_block(Block& block);
    [[nodiscard]] Result<bool> next_header(format::BlockHeader& header);
    [[nodiscard]] Result<bool> take_payload(Block& block, std::string& why);
    [[nodiscard]] Result<bool> fill(std::size_t bytes);
    [[nodiscard]] std::string_view buffered() const { return std::string_view(buffer_).substr(used_); }
    void consume(std::size_t bytes);
    [[nodiscard]] Result<bool> resynchronise(std::uint64_t from, const std::string& why);
    void take_block(const Block& block, Consumer& consumer);
    void take_records(const Block& block, Consumer& consumer);
    void read_records(const Block& block, Consumer& consumer);
    [[nodiscard]] bool fits_in_memory();
    void take_item(std::uint16_t kind, std::span<const std::byte> row, Consumer& consumer);
    void tell_of_damage(Consumer& consumer);
    void note_damage(std::uint64_t from, std::uint64_t to, const std::string& why);

    struct FreeDecompressor {
        void operator()(ZSTD_DCtx_s* context) const;
    };

    ReadAt read_at_;
    std::string path_;
    std::shared_ptr<MemoryBudget> budget_;
    std::unique_ptr<ZSTD_DCtx_s, FreeDecompressor> decompressor_;
    std::string buffer_;  // what was read and not used yet, from used_ on
    std::size_t used_ = 0;
    std::uint64_t buffer_at_ = 0;               // the place in the file of what is not used yet
    std::size_t payload_pending_ = 0;           // bytes of the block that was handed out last
    std::uint64_t end_at_ = ~std::uint64_t{0};  // where the file was seen to end
    std::uint64_t checked_bytes_ = 0;           // of payloads whose checksum was wrong
    std::string raw_;
    CaptureInfo info_;
    Account account_;
    std::vector<Damage> damage_;
    bool damage_told_ = false;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t block_at_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t malformed_ = 0;
    std::uint64_t left_out_ = 0;       // records for which there was no memory
    std::uint64_t items_ = 0;          // records and marks
    std::uint64_t payload_bytes_ = 0;  // of blocks of records
    std::uint64_t last_ns_ = 0;
    bool finished_ = false;  // nothing comes after what was read
    bool continues_ = false;
};

}  // namespace inflight::capture
