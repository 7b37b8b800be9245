// SPDX-License-Identifier: Apache-2.0
#include "capture/file_source.hpp"

#include "base/checksum.hpp"
#include "base/units.hpp"
#include "capture/columns.hpp"
#include "capture/record_checks.hpp"
#include "model/losses.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace inflight::capture {

namespace {

constexpr std::size_t first_read_bytes = 16U << 10U;
constexpr std::size_t read_bytes = 1U << 20U;
constexpr std::size_t damage_kept = 1000;
// How many records are read between two looks at the memory in use. They can become a few megabytes at most.
constexpr std::uint64_t records_per_look = 1024;
// Payloads with a wrong checksum are searched for blocks inside. Only as long as that is work in proportion to the
// file: headers that stand close and each claim the rest of the file would be read again and again.
constexpr std::uint64_t checked_limit_bytes = 256U << 20U;

bool is_good(const format::BlockHeader& header) {
    return header.magic == format::block_magic && header.header_bytes == sizeof(header) &&
           header.crc == crc32_of(&header, offsetof(format::BlockHeader, crc)) &&
           header.payload_bytes <= format::payload_limit_bytes;
}

bool is_text(const format::BlockHeader& header) {
    return header.kind == static_cast<std::uint16_t>(format::BlockKind::info) ||
           header.kind == static_cast<std::uint16_t>(format::BlockKind::account);
}

std::string blocks_missing(std::uint64_t count, std::uint64_t before) {
    return fmt::format("{} {} before block {} {} missing", count, noun(count, "block"), before,
                       count == 1 ? "is" : "are");
}

std::string records_malformed(std::uint64_t count, std::uint64_t block) {
    return fmt::format("{} {} of block {} {}", count, noun(count, "record"), block,
                       count == 1 ? "is not what it should be" : "are not what they should be");
}

std::string records_left_out(std::uint64_t count, std::uint64_t block, std::uint64_t limit_bytes) {
    return fmt::format("{} {} of block {} {} left out: more than {} of memory would be needed (see --max-memory)",
                       count, noun(count, "record"), block, count == 1 ? "is" : "are", format_bytes(limit_bytes));
}

}  // namespace

void FileSource::FreeDecompressor::operator()(ZSTD_DCtx_s* context) const {
    ::ZSTD_freeDCtx(context);
}

FileSource::FileSource(ReadAt read_at, std::string path, std::shared_ptr<MemoryBudget> budget)
    : read_at_(std::move(read_at)),
      path_(std::move(path)),
      budget_(std::move(budget)),
      decompressor_(::ZSTD_createDCtx()) {}

FileSource::~FileSource() = default;

Result<std::unique_ptr<FileSource>> FileSource::open(const std::string& path, std::shared_ptr<MemoryBudget> budget) {
    const auto fd = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd->valid()) {
        return failure("open the capture " + path, describe_errno(errno));
    }
    struct stat info{};
    if (::fstat(fd->get(), &info) == 0 && S_ISDIR(info.st_mode)) {
        return failure("open the capture " + path, "it is a directory", "name the file that `inflight record` made");
    }
    return open([fd](char* to, std::size_t bytes,
                     std::uint64_t at) { return ::pread(fd->get(), to, bytes, static_cast<off_t>(at)); },
                path, std::move(budget));
}

Result<std::unique_ptr<FileSource>> FileSource::open(ReadAt read_at, std::string path,
                                                     std::shared_ptr<MemoryBudget> budget) {
    std::unique_ptr<FileSource> source(new FileSource(std::move(read_at), std::move(path), std::move(budget)));
    if (auto started = source->read_start(); !started) {
        return std::unexpected(started.error());
    }
    return source;
}

Result<void> FileSource::read_start() {
    const auto no_capture = [this](const char* why) {
        return failure("read the capture " + path_, why, "`inflight record -o FILE` makes one");
    };
    const auto filled = fill(sizeof(format::FileHeader));
    if (!filled) {
        return std::unexpected(filled.error());
    }
    format::FileHeader header{};
    if (buffered().empty()) {
        return no_capture("it is empty");
    }
    if (!*filled) {
        return no_capture("it is no capture of inflight");
    }
    std::memcpy(&header, buffered().data(), sizeof(header));
    if (header.magic != format::file_magic) {
        return no_capture("it is no capture of inflight");
    }
    if (header.crc != crc32_of(&header, offsetof(format::FileHeader, crc)) || header.header_bytes < sizeof(header)) {
        return no_capture("its first bytes are damaged");
    }
    if (header.version != format::version || (header.features & ~format::features_known) != 0) {
        return failure(
            "read the capture " + path_,
            fmt::format("it has version {} of the format, this inflight knows {}", header.version, format::version),
            "use the inflight that made it, or a newer one");
    }
    if (const auto whole = fill(header.header_bytes); !whole || !*whole) {
        return whole ? no_capture("it ends in its first bytes") : std::unexpected(whole.error());
    }
    consume(header.header_bytes);
    Block block;
    const auto found = next_block(block);
    if (!found) {
        return std::unexpected(found.error());
    }
    if (!*found || block.header.kind != static_cast<std::uint16_t>(format::BlockKind::info)) {
        return no_capture("the block that says of which trace it is cannot be read");
    }
    if (block.payload.size() > format::text_limit_bytes) {
        return no_capture("what it says of itself is too long");
    }
    auto info = info_from_json(block.payload);
    if (!info) {
        return std::unexpected(info.error());
    }
    info_ = std::move(*info);
    return {};
}

void FileSource::consume(std::size_t bytes) {
    used_ += bytes;
    buffer_at_ += bytes;
    // Not for each block: those behind it would be moved again and again.
    if (used_ >= read_bytes && used_ >= buffer_.size() / 2) {
        buffer_.erase(0, used_);
        used_ = 0;
    }
}

// Whether that number of bytes is there from buffer_at_ on. Memory is taken for what has been read, not for what is
// asked.
Result<bool> FileSource::fill(std::size_t bytes) {
    while (buffered().size() < bytes) {
        const std::size_t had = buffered().size();
        if (buffer_at_ + had >= end_at_) {
            return false;
        }
        // A small file does not take the buffer of a large one.
        const std::size_t step = std::clamp(buffer_.size(), first_read_bytes, read_bytes);
        buffer_.resize(buffer_.size() + step);
        const ssize_t got = read_at_(buffer_.data() + used_ + had, step, buffer_at_ + had);
        const int error = errno;
        const std::size_t more = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
        buffer_.resize(used_ + had + more);
        budget_->note_file_bytes(more);
        if (got < 0 && error != EINTR) {
            return failure("read " + path_, describe_errno(error));
        }
        if (got == 0) {
            end_at_ = buffer_at_ + had;
            return false;
        }
    }
    return true;
}

void FileSource::note_damage(std::uint64_t from, std::uint64_t to, const std::string& why) {
    if (damage_.size() < damage_kept) {
        damage_.push_back({.offset_bytes = from, .length_bytes = to - from, .why = why});
    } else {
        damage_.back().length_bytes = to - damage_.back().offset_bytes;
    }
}

// Looks for the next good header, from one byte on. False: there is none.
Result<bool> FileSource::resynchronise(std::uint64_t from, const std::string& why) {
    for (;;) {
        const auto filled = fill(sizeof(format::BlockHeader) + 1);
        if (!filled) {
            return std::unexpected(filled.error());
        }
        if (!*filled) {
            note_damage(from, buffer_at_ + buffered().size(), why);
            consume(buffered().size());
            return false;
        }
        const std::string_view bytes = buffered();
        std::size_t at = 1;
        for (; at + sizeof(format::BlockHeader) <= bytes.size(); at++) {
            std::uint32_t magic = 0;
            std::memcpy(&magic, bytes.data() + at, sizeof(magic));
            if (magic != format::block_magic) {
                continue;
            }
            format::BlockHeader header{};
            std::memcpy(&header, bytes.data() + at, sizeof(header));
            if (is_good(header)) {
                consume(at);
                note_damage(from, buffer_at_, why);
                return true;
            }
        }
        consume(at - 1);
    }
}

// What stands where a header should. False: the file ends.
Result<bool> FileSource::next_header(format::BlockHeader& header) {
    consume(std::exchange(payload_pending_, 0));
    const auto filled = fill(sizeof(header));
    if (!filled || !*filled) {
        if (filled && !buffered().empty()) {
            note_damage(buffer_at_, buffer_at_ + buffered().size(), "it ends in the header of a block");
            consume(buffered().size());
        }
        return filled;
    }
    std::memcpy(&header, buffered().data(), sizeof(header));
    return true;
}

// The payload of a block whose header is good. False: it is damaged, and `why` says how.
Result<bool> FileSource::take_payload(Block& block, std::string& why) {
    const format::BlockHeader& header = block.header;
    const std::uint64_t from = buffer_at_;
    const std::size_t bytes = sizeof(header) + header.payload_bytes;
    const auto filled = fill(bytes);
    if (!filled) {
        return filled;
    }
    if (!*filled) {
        why = fmt::format("it ends in block {} of {} {}", header.sequence, header.items, noun(header.items, "record"));
        return false;
    }
    block.payload = buffered().substr(sizeof(header), header.payload_bytes);
    if (header.payload_crc != crc32_of(block.payload.data(), block.payload.size())) {
        checked_bytes_ += header.payload_bytes;
        why = fmt::format("block {} is damaged: {} {}", header.sequence, header.items, noun(header.items, "record"));
        return false;
    }
    if (header.sequence > next_sequence_) {
        note_damage(from, from, blocks_missing(header.sequence - next_sequence_, header.sequence));
    }
    next_sequence_ = header.sequence + 1;
    block_at_ = from;
    payload_pending_ = bytes;
    return true;
}

// The next block that can be read; false at the end.
Result<bool> FileSource::next_block(Block& block) {
    for (;;) {
        const auto there = next_header(block.header);
        if (!there || !*there) {
            return there;
        }
        const std::uint64_t from = buffer_at_;
        std::string why = "the header of a block is damaged";
        if (is_good(block.header)) {
            const auto taken = take_payload(block, why);
            if (!taken || *taken) {
                return taken;
            }
            // The gap in the sequence is told here already.
            next_sequence_ = std::max(next_sequence_, block.header.sequence + 1);
            if (checked_bytes_ > checked_limit_bytes + 2 * buffer_at_) {
                consume(std::min(buffered().size(), sizeof(block.header) + block.header.payload_bytes));
                note_damage(from, buffer_at_, why);
                continue;
            }
        }
        const auto found = resynchronise(from, why);
        if (!found || !*found) {
            return found;
        }
    }
}

// Once there is no memory left nothing more is taken: what came later would be told without what came before.
bool FileSource::fits_in_memory() {
    return left_out_ == 0 && !(records_ % records_per_look == 0 && budget_->exceeded());
}

void FileSource::take_item(std::uint16_t kind, std::span<const std::byte> row, Consumer& consumer) {
    std::uint64_t time_ns = 0;
    if (kind == format::mark_advance || kind == format::mark_finish) {
        std::memcpy(&time_ns, row.data(), sizeof(time_ns));
        last_ns_ = std::max(last_ns_, time_ns);
        if (kind == format::mark_finish && !finished_) {
            finished_ = true;
            consumer.finish(time_ns);
        } else if (kind == format::mark_advance && !finished_) {
            consumer.advance(time_ns);
        }
        return;
    }
    const auto& record = *reinterpret_cast<const ifl_header*>(row.data());
    if (finished_ || row.size() < sizeof(ifl_header) || !is_record(record, row.size(), kind)) {
        malformed_++;
        return;
    }
    if (!fits_in_memory()) {
        if (left_out_++ == 0) {
            consumer.note_losses();
        }
        return;
    }
    last_ns_ = std::max(last_ns_, record.time_ns);
    records_++;
    consumer.on_record(record);
}

// What the header promises is checked before any memory is taken for it.
void FileSource::take_records(const Block& block, Consumer& consumer) {
    payload_bytes_ += block.header.payload_bytes;
    const std::uint64_t end = block_at_ + sizeof(block.header) + block.header.payload_bytes;
    if (block.header.raw_bytes > format::raw_allowed_bytes(block.header.payload_bytes)) {
        note_damage(block_at_, end,
                    fmt::format("block {} is refused: its {} would become {}", block.header.sequence,
                                format_bytes(block.header.payload_bytes), format_bytes(block.header.raw_bytes)));
        return;
    }
    if (items_ + block.header.items > format::items_allowed(payload_bytes_)) {
        note_damage(block_at_, end,
                    fmt::format("block {} is refused: {} in {} are more than any recorder makes", block.header.sequence,
                                counted(block.header.items, "record"), format_bytes(block.header.payload_bytes)));
        return;
    }
    read_records(block, consumer);
}

void FileSource::read_records(const Block& block, Consumer& consumer) {
    std::size_t bytes = 0;
    raw_.resize_and_overwrite(block.header.raw_bytes, [&](char* to, std::size_t room) {
        bytes = ::ZSTD_decompressDCtx(decompressor_.get(), to, room, block.payload.data(), block.payload.size());
        return ::ZSTD_isError(bytes) != 0 ? 0 : std::min(bytes, room);
    });
    const std::uint64_t end = block_at_ + sizeof(block.header) + block.header.payload_bytes;
    if (::ZSTD_isError(bytes) != 0 || bytes != block.header.raw_bytes) {
        note_damage(block_at_, end, fmt::format("block {} cannot be decompressed", block.header.sequence));
        return;
    }
    const std::uint64_t malformed = malformed_;
    const std::uint64_t left_out = left_out_;
    const auto read = read_columns(raw_, block.header.items, [&](std::uint16_t kind, std::span<const std::byte> row) {
        items_++;
        take_item(kind, row, consumer);
    });
    if (!read) {
        note_damage(block_at_, end, fmt::format("block {}: {}", block.header.sequence, read.error().why));
    } else if (malformed_ != malformed) {
        note_damage(block_at_, end, records_malformed(malformed_ - malformed, block.header.sequence));
    }
    if (left_out_ != left_out) {
        note_damage(block_at_, end,
                    records_left_out(left_out_ - left_out, block.header.sequence, budget_->limit_bytes()));
    }
}

void FileSource::take_block(const Block& block, Consumer& consumer) {
    const std::uint64_t end = block_at_ + sizeof(block.header) + block.header.payload_bytes;
    if (is_text(block.header) && block.header.payload_bytes > format::text_limit_bytes) {
        note_damage(block_at_, end,
                    fmt::format("block {} is refused: nothing that it can say takes {}", block.header.sequence,
                                format_bytes(block.header.payload_bytes)));
        return;
    }
    switch (static_cast<format::BlockKind>(block.header.kind)) {
        case format::BlockKind::records:
            take_records(block, consumer);
            return;
        case format::BlockKind::carried:
            if (!continues_) {
                take_records(block, consumer);
            }
            return;
        case format::BlockKind::account:
            if (auto account = account_from_json(block.payload)) {
                account_ = std::move(*account);
                if (model::hide_requests(account_.losses)) {
                    consumer.note_losses();
                }
            } else {
                note_damage(block_at_, end, account.error().message());
            }
            return;
        case format::BlockKind::info:
            return;
    }
    note_damage(block_at_, end, fmt::format("block {} is of a kind that is not known", block.header.sequence));
}

// What cannot be read is lost like what a recorder lost.
void FileSource::tell_of_damage(Consumer& consumer) {
    if (!damage_told_ && !damage_.empty()) {
        damage_told_ = true;
        consumer.note_losses();
    }
}

Result<void> FileSource::replay(Consumer& consumer, bool continues) {
    continues_ = continues;
    end_at_ = ~std::uint64_t{0};  // it may have grown since it was opened
    Block block;
    for (;;) {
        const auto found = next_block(block);
        if (!found) {
            return std::unexpected(found.error());
        }
        tell_of_damage(consumer);
        if (!*found) {
            break;
        }
        take_block(block, consumer);
        tell_of_damage(consumer);
    }
    if (!finished_) {
        consumer.finish(last_ns_);
    }
    return {};
}

}  // namespace inflight::capture
