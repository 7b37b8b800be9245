// SPDX-License-Identifier: Apache-2.0
#include "capture/file_writer.hpp"

#include "base/checksum.hpp"
#include "contract/uring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>

namespace inflight::capture {

namespace {

constexpr int compression_level = 1;

bool is_ended_request(const ifl_header& record) {
    if (record.kind == IFL_REQUEST) {
        return reinterpret_cast<const ifl_request&>(record).state == IFL_REQUEST_COMPLETED;
    }
    return record.kind == IFL_URING_REQUEST &&
           reinterpret_cast<const ifl_uring_request&>(record).state == IFL_UREQ_ENDED;
}

}  // namespace

void FileWriter::FreeCompressor::operator()(ZSTD_CCtx_s* context) const {
    ::ZSTD_freeCCtx(context);
}

FileWriter::FileWriter(UniqueFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), compressor_(::ZSTD_createCCtx()) {}

FileWriter::~FileWriter() = default;

Result<std::unique_ptr<FileWriter>> FileWriter::create(const std::string& path, const CaptureInfo& info) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) {
        return failure("make the capture file " + path, describe_errno(errno), "choose another file");
    }
    std::unique_ptr<FileWriter> writer(new FileWriter(std::move(fd), path));
    format::FileHeader header{.magic = format::file_magic,
                              .version = format::version,
                              .header_bytes = sizeof(format::FileHeader),
                              .features = 0,
                              .reserved = {},
                              .crc = 0};
    header.crc = crc32_of(&header, offsetof(format::FileHeader, crc));
    writer->write_bytes({reinterpret_cast<const char*>(&header), sizeof(header)});
    const std::string text = to_json(info);
    format::BlockHeader block{};
    block.kind = static_cast<std::uint16_t>(format::BlockKind::info);
    block.raw_bytes = static_cast<std::uint32_t>(text.size());
    writer->write_block(block, text);
    if (writer->error_) {
        return std::unexpected(*writer->error_);
    }
    return writer;
}

void FileWriter::on_record(const ifl_header& record) {
    if (error_) {
        return;
    }
    if (columns_.items() == 0 || block_first_ns_ == 0) {
        block_first_ns_ = record.time_ns;
    }
    block_last_ns_ = record.time_ns;
    if (record.kind == IFL_CALL) {
        snapshot_due_ = snapshot_due_ || reinterpret_cast<const ifl_call&>(record).syscall == IFL_IO_CANCEL;
    } else if (record.kind == IFL_SNAPSHOT) {
        snapshot_due_ = false;
    }
    const bool ended = is_ended_request(record);
    block_requests_ += ended ? 1 : 0;
    requests_ += ended ? 1 : 0;
    records_++;
    columns_.add(record.kind, &record, record.size_bytes);
    if (columns_.bytes() >= format::block_bytes || columns_.full()) {
        write_records();
    }
}

void FileWriter::mark(std::uint16_t kind, std::uint64_t time_ns) {
    last_mark_ns_ = time_ns;
    columns_.add(kind, &time_ns, sizeof(time_ns));
}

void FileWriter::advance(std::uint64_t now_ns) {
    if (error_) {
        return;
    }
    // Every one: what the model hands out at such a moment stands between records, and a replay shows it there too.
    if (now_ns >= last_mark_ns_) {
        mark(format::mark_advance, now_ns);
    }
    if (block_begun_ns_ == 0) {
        block_begun_ns_ = now_ns;
    }
    if (now_ns >= block_begun_ns_ + format::block_ns) {
        write_records();
        block_begun_ns_ = now_ns;
    }
}

void FileWriter::finish(std::uint64_t end_ns) {
    if (error_) {
        return;
    }
    mark(format::mark_finish, end_ns);
    write_records();
}

void FileWriter::close(const Account& account) {
    write_account(account);
    if (!error_ && ::fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) {
        error_ = Error{.what = "write to " + path_, .why = describe_errno(errno), .hint = {}};
    }
}

void FileWriter::write_records() {
    if (columns_.items() == 0) {
        return;
    }
    format::BlockHeader header{};
    header.kind = static_cast<std::uint16_t>(format::BlockKind::records);
    header.first_ns = block_first_ns_;
    header.last_ns = block_last_ns_;
    header.items = static_cast<std::uint32_t>(columns_.items());
    header.requests = block_requests_;
    const std::string raw = columns_.take();
    header.raw_bytes = static_cast<std::uint32_t>(raw.size());
    compressed_.resize(::ZSTD_compressBound(raw.size()));
    const std::size_t bytes = ::ZSTD_compressCCtx(compressor_.get(), compressed_.data(), compressed_.size(), raw.data(),
                                                  raw.size(), compression_level);
    if (::ZSTD_isError(bytes) != 0) {
        error_ = Error{.what = "compress a block", .why = ::ZSTD_getErrorName(bytes), .hint = {}};
        return;
    }
    write_block(header, std::string_view(compressed_).substr(0, bytes));
    block_first_ns_ = 0;
    block_last_ns_ = 0;
    block_requests_ = 0;
    if (ask_account_) {
        write_account(ask_account_());
    }
}

void FileWriter::write_account(const Account& account) {
    const std::string text = to_json(account);
    format::BlockHeader header{};
    header.kind = static_cast<std::uint16_t>(format::BlockKind::account);
    header.raw_bytes = static_cast<std::uint32_t>(text.size());
    write_block(header, text);
}

void FileWriter::write_block(format::BlockHeader header, std::string_view payload) {
    header.magic = format::block_magic;
    header.header_bytes = sizeof(header);
    header.sequence = sequence_++;
    header.payload_bytes = static_cast<std::uint32_t>(payload.size());
    header.payload_crc = crc32_of(payload.data(), payload.size());
    header.crc = crc32_of(&header, offsetof(format::BlockHeader, crc));
    std::string block(reinterpret_cast<const char*>(&header), sizeof(header));
    block += payload;
    write_bytes(block);
}

void FileWriter::write_bytes(std::string_view bytes) {
    std::string_view left = bytes;
    while (!left.empty() && !error_) {
        const ssize_t written = ::write(fd_.get(), left.data(), left.size());
        if (written >= 0) {
            left.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            const int error = errno;
            error_ = Error{.what = "write to " + path_,
                           .why = describe_errno(error),
                           .hint = "what was written before can be read; free some space, or write elsewhere"};
            // What is there of this block would only be reported as damage.
            [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(bytes_));
            return;
        }
    }
    if (!error_) {
        bytes_ += bytes.size();
    }
}

}  // namespace inflight::capture
