// SPDX-License-Identifier: Apache-2.0
#include "capture/block_file.hpp"

#include "base/checksum.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace inflight::capture {

Result<BlockFile> BlockFile::create(const std::string& path, const CaptureInfo& info) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) {
        return failure("make the capture file " + path, describe_errno(errno), "choose another file");
    }
    BlockFile file(std::move(fd), path);
    format::FileHeader header{.magic = format::file_magic,
                              .version = format::version,
                              .header_bytes = sizeof(format::FileHeader),
                              .features = 0,
                              .reserved = {},
                              .crc = 0};
    header.crc = crc32_of(&header, offsetof(format::FileHeader, crc));
    file.write_bytes({reinterpret_cast<const char*>(&header), sizeof(header)});
    file.write(make_text_block(format::BlockKind::info, to_json(info)));
    if (file.error_) {
        file.remove();
        return std::unexpected(*file.error_);
    }
    return file;
}

void BlockFile::write(const Block& block) {
    format::BlockHeader header = block.header;
    header.magic = format::block_magic;
    header.header_bytes = sizeof(header);
    header.sequence = sequence_++;
    header.payload_bytes = static_cast<std::uint32_t>(block.payload.size());
    header.payload_crc = crc32_of(block.payload.data(), block.payload.size());
    header.crc = crc32_of(&header, offsetof(format::BlockHeader, crc));
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
    bytes += block.payload;
    write_bytes(bytes);
}

void BlockFile::write_bytes(std::string_view bytes) {
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

void BlockFile::sync() {
    if (!error_ && ::fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) {
        error_ = Error{.what = "write to " + path_, .why = describe_errno(errno), .hint = {}};
    }
}

void BlockFile::start_sync() {
    // Where it is not possible the kernel does it in its own time.
    [[maybe_unused]] const int started = ::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

void BlockFile::remove() {
    struct stat status{};
    if (::fstat(fd_.get(), &status) == 0 && S_ISREG(status.st_mode)) {
        ::unlink(path_.c_str());
    }
}

Result<void> write_block(BlockFile& file, BlockMaker& made, format::BlockKind kind) {
    const auto block = made.take(kind);
    if (!block) {
        return std::unexpected(block.error());
    }
    file.write(*block);
    return {};
}

std::string part_path(const std::string& path, std::uint64_t part) {
    return fmt::format("{}.{:04}", path, part);
}

void KeptFiles::add(const std::string& path) {
    paths_.push_back(path);
    if (limit_ != 0 && paths_.size() > limit_) {
        ::unlink(paths_.front().c_str());
        paths_.erase(paths_.begin());
        removed_++;
    }
}

}  // namespace inflight::capture
