// SPDX-License-Identifier: Apache-2.0
#include "capture/file_source.hpp"

#include "base/checksum.hpp"
#include "base/units.hpp"
#include "capture/columns.hpp"
#include "contract/uring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace inflight::capture {

namespace {

constexpr std::size_t read_bytes = 1U << 20U;
constexpr std::size_t damage_kept = 1000;

bool is_good(const format::BlockHeader& header) {
    return header.magic == format::block_magic && header.header_bytes == sizeof(header) &&
           header.crc == crc32_of(&header, offsetof(format::BlockHeader, crc)) &&
           header.payload_bytes <= format::payload_limit_bytes && header.raw_bytes <= format::raw_limit_bytes;
}

// The least that a record of a kind may have, 0: not one that a file has.
std::size_t least_bytes(std::uint16_t kind) {
    static constexpr std::array<std::size_t, IFL_KIND_COUNT> least{0,
                                                                   sizeof(ifl_request),
                                                                   sizeof(ifl_call),
                                                                   sizeof(ifl_iocbs),
                                                                   offsetof(ifl_io_events, events),
                                                                   sizeof(ifl_context),
                                                                   sizeof(ifl_file),
                                                                   sizeof(ifl_cgroup),
                                                                   sizeof(ifl_process_exit),
                                                                   sizeof(ifl_snapshot),
                                                                   IFL_UREQ_BRIEF_BYTES,
                                                                   sizeof(ifl_uring_cqe),
                                                                   sizeof(ifl_ring),
                                                                   offsetof(ifl_detail, bytes),
                                                                   sizeof(ifl_unmap)};
    return kind < least.size() ? least.at(kind) : 0;
}

// What a record says of its own size is inside it.
bool holds_together(const ifl_header& record) {
    const std::size_t bytes = record.size_bytes;
    switch (record.kind) {
        case IFL_IOCBS:
            return reinterpret_cast<const ifl_iocbs&>(record).count <= IFL_IOCBS_PER_RECORD;
        case IFL_IO_EVENTS:
            return offsetof(ifl_io_events, events) +
                       std::uint64_t{reinterpret_cast<const ifl_io_events&>(record).count} * sizeof(ifl_io_event) <=
                   bytes;
        case IFL_FILE:
            return reinterpret_cast<const ifl_file&>(record).names_bytes <= IFL_NAMES_BYTES;
        case IFL_CGROUP:
            return reinterpret_cast<const ifl_cgroup&>(record).names_bytes <= IFL_NAMES_BYTES;
        case IFL_DETAIL:
            return offsetof(ifl_detail, bytes) +
                       std::uint64_t{reinterpret_cast<const ifl_detail&>(record).bytes_count} <=
                   bytes;
        default:
            return true;
    }
}

std::string blocks_missing(std::uint64_t count, std::uint64_t before) {
    return fmt::format("{} {} before block {} {} missing", count, noun(count, "block"), before,
                       count == 1 ? "is" : "are");
}

std::string records_malformed(std::uint64_t count, std::uint64_t block) {
    return fmt::format("{} {} of block {} {}", count, noun(count, "record"), block,
                       count == 1 ? "is not what it should be" : "are not what they should be");
}

}  // namespace

void FileSource::FreeDecompressor::operator()(ZSTD_DCtx_s* context) const {
    ::ZSTD_freeDCtx(context);
}

FileSource::FileSource(UniqueFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), decompressor_(::ZSTD_createDCtx()) {}

FileSource::~FileSource() = default;

Result<std::unique_ptr<FileSource>> FileSource::open(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
        return failure("open the capture " + path, describe_errno(errno));
    }
    struct stat info{};
    if (::fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode)) {
        return failure("open the capture " + path, "it is a directory", "name the file that `inflight record` made");
    }
    std::unique_ptr<FileSource> source(new FileSource(std::move(fd), path));
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
    if (buffer_.empty()) {
        return no_capture("it is empty");
    }
    if (!*filled) {
        return no_capture("it is no capture of inflight");
    }
    std::memcpy(&header, buffer_.data(), sizeof(header));
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
    buffer_.erase(0, header.header_bytes);
    buffer_at_ = header.header_bytes;
    Block block;
    const auto found = next_block(block);
    if (!found) {
        return std::unexpected(found.error());
    }
    if (!*found || block.header.kind != static_cast<std::uint16_t>(format::BlockKind::info)) {
        return no_capture("the block that says of which trace it is cannot be read");
    }
    auto info = info_from_json(block.payload);
    if (!info) {
        return std::unexpected(info.error());
    }
    info_ = std::move(*info);
    return {};
}

// Whether so many bytes are there from buffer_at_ on.
Result<bool> FileSource::fill(std::size_t bytes) {
    while (buffer_.size() < bytes) {
        const std::size_t had = buffer_.size();
        buffer_.resize(had + std::max(read_bytes, bytes - had));
        const ssize_t got =
            ::pread(fd_.get(), buffer_.data() + had, buffer_.size() - had, static_cast<off_t>(buffer_at_ + had));
        buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && errno != EINTR) {
            return failure("read " + path_, describe_errno(errno));
        }
        if (got == 0) {
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
            note_damage(from, buffer_at_ + buffer_.size(), why);
            return false;
        }
        std::size_t at = 1;
        for (; at + sizeof(format::BlockHeader) <= buffer_.size(); at++) {
            std::uint32_t magic = 0;
            std::memcpy(&magic, buffer_.data() + at, sizeof(magic));
            if (magic != format::block_magic) {
                continue;
            }
            format::BlockHeader header{};
            std::memcpy(&header, buffer_.data() + at, sizeof(header));
            if (is_good(header)) {
                buffer_.erase(0, at);
                buffer_at_ += at;
                note_damage(from, buffer_at_, why);
                return true;
            }
        }
        buffer_.erase(0, at - 1);
        buffer_at_ += at - 1;
    }
}

// The next block that can be read; false at the end.
Result<bool> FileSource::next_block(Block& block) {
    for (;;) {
        const std::uint64_t from = buffer_at_;
        auto filled = fill(sizeof(block.header));
        if (!filled) {
            return std::unexpected(filled.error());
        }
        if (!*filled) {
            if (!buffer_.empty()) {
                note_damage(from, from + buffer_.size(), "it ends in the header of a block");
            }
            return false;
        }
        std::memcpy(&block.header, buffer_.data(), sizeof(block.header));
        std::string why = "the header of a block is damaged";
        if (is_good(block.header)) {
            const std::size_t bytes = sizeof(block.header) + block.header.payload_bytes;
            filled = fill(bytes);
            if (!filled) {
                return std::unexpected(filled.error());
            }
            why = fmt::format("block {} is damaged: {} {}", block.header.sequence, block.header.items,
                              noun(block.header.items, "record"));
            if (*filled) {
                block.payload = buffer_.substr(sizeof(block.header), block.header.payload_bytes);
                if (block.header.payload_crc == crc32_of(block.payload.data(), block.payload.size())) {
                    if (block.header.sequence > next_sequence_) {
                        note_damage(from, from,
                                    blocks_missing(block.header.sequence - next_sequence_, block.header.sequence));
                    }
                    next_sequence_ = block.header.sequence + 1;
                    block_at_ = from;
                    buffer_.erase(0, bytes);
                    buffer_at_ += bytes;
                    return true;
                }
            } else {
                why = fmt::format("it ends in block {} of {} {}", block.header.sequence, block.header.items,
                                  noun(block.header.items, "record"));
            }
            // The gap in the sequence is told here already.
            next_sequence_ = std::max(next_sequence_, block.header.sequence + 1);
        }
        const auto found = resynchronise(from, why);
        if (!found || !*found) {
            return found;
        }
    }
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
    if (finished_ || row.size() < sizeof(ifl_header) || record.size_bytes > row.size() || record.kind != kind ||
        least_bytes(kind) == 0 || record.size_bytes < least_bytes(kind) || !holds_together(record)) {
        malformed_++;
        return;
    }
    last_ns_ = std::max(last_ns_, record.time_ns);
    records_++;
    consumer.on_record(record);
}

void FileSource::take_records(const Block& block, Consumer& consumer) {
    raw_.resize(block.header.raw_bytes);
    const std::size_t bytes = ::ZSTD_decompressDCtx(decompressor_.get(), raw_.data(), raw_.size(), block.payload.data(),
                                                    block.payload.size());
    const std::uint64_t end = block_at_ + sizeof(block.header) + block.header.payload_bytes;
    if (::ZSTD_isError(bytes) != 0 || bytes != raw_.size()) {
        note_damage(block_at_, end, fmt::format("block {} cannot be decompressed", block.header.sequence));
        return;
    }
    const std::uint64_t malformed = malformed_;
    const auto read =
        read_columns(raw_, [&](std::uint16_t kind, std::span<const std::byte> row) { take_item(kind, row, consumer); });
    if (!read) {
        note_damage(block_at_, end, fmt::format("block {}: {}", block.header.sequence, read.error().why));
    } else if (malformed_ != malformed) {
        note_damage(block_at_, end, records_malformed(malformed_ - malformed, block.header.sequence));
    }
}

void FileSource::take_block(const Block& block, Consumer& consumer) {
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
            } else {
                note_damage(block_at_, buffer_at_, account.error().message());
            }
            return;
        case format::BlockKind::info:
            return;
    }
    note_damage(block_at_, buffer_at_, fmt::format("block {} is of a kind that is not known", block.header.sequence));
}

Result<void> FileSource::replay(Consumer& consumer, bool continues) {
    continues_ = continues;
    Block block;
    for (;;) {
        const auto found = next_block(block);
        if (!found) {
            return std::unexpected(found.error());
        }
        if (!*found) {
            break;
        }
        take_block(block, consumer);
    }
    if (!finished_) {
        consumer.finish(last_ns_);
    }
    return {};
}

}  // namespace inflight::capture
