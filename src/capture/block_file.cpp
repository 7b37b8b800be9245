// SPDX-License-Identifier: Apache-2.0
#include "capture/block_file.hpp"

#include "base/checksum.hpp"
#include "base/waiting.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>

namespace inflight::capture {

Result<BlockFile> BlockFile::create(const std::string& path, const CaptureInfo& info) {
    auto opened = open_for_writing(path, Existing::replace);
    if (!opened) {
        return failure("make the capture file " + path, opened.error().why, "choose another file");
    }
    return begin(std::move(*opened), path, info);
}

Result<BlockFile> BlockFile::create_numbered(const std::string& path, std::uint64_t& number, const CaptureInfo& info) {
    constexpr int most_tries = 1000;
    for (int tries = 0; tries < most_tries; ++tries, ++number) {
        auto opened = open_for_writing(part_path(path, number), Existing::refuse);
        if (opened) {
            return begin(std::move(*opened), part_path(path, number), info);
        }
        if (opened.error().error != EEXIST) {
            return failure("make the capture file " + part_path(path, number), opened.error().why,
                           "choose another file");
        }
    }
    return failure("make the capture file " + part_path(path, number),
                   "too many files with numbered names of this kind exist already", "choose another name");
}

Result<BlockFile> BlockFile::begin(NewFile opened, const std::string& path, const CaptureInfo& info) {
    BlockFile file(std::move(opened), path);
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
    if (error_) {
        return;
    }
    const WriteEnd end = write_all(fd_.get(), bytes);
    if (end.error == 0 && !end.given_up) {
        bytes_ += bytes.size();
        return;
    }
    error_ = Error{.what = "write to " + path_,
                   .why = end.given_up ? "its reader takes no more, and a signal came" : describe_errno(end.error),
                   .hint = "what was written before can be read; free some space, or write elsewhere"};
    if (from_begin_) {
        // What is there of this block would only be reported as damage.
        [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(bytes_));
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
    if (from_begin_) {
        remove_if_same(fd_.get(), path_);
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

namespace {

// The number of a file that part_path() names, of what comes after "db.capture"; empty: it has another name.
std::optional<std::uint64_t> number_in(std::string_view name, std::string_view base) {
    constexpr std::size_t most_digits = 18;
    if (name.size() <= base.size() + 1 || !name.starts_with(base) || name[base.size()] != '.') {
        return std::nullopt;
    }
    const std::string_view digits = name.substr(base.size() + 1);
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool all = bad == std::errc{} && end == digits.data() + digits.size() && digits.size() <= most_digits;
    return all && number != 0 && digits == fmt::format("{:04}", number) ? std::optional(number) : std::nullopt;
}

bool is_capture(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat info{};
    decltype(format::FileHeader::magic) magic{};
    return fd.valid() && ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
           ::read(fd.get(), &magic, sizeof(magic)) == sizeof(magic) && magic == format::file_magic;
}

}  // namespace

Numbered numbered_files(const std::string& path) {
    const auto slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    const std::string base = path.substr(folder.size());
    Numbered found;
    std::map<std::uint64_t, std::string> captures;
    std::error_code error;
    for (std::filesystem::directory_iterator each(folder.empty() ? "." : folder, error), last; !error && each != last;
         each.increment(error)) {
        const std::string name = each->path().filename();
        if (const auto number = number_in(name, base)) {
            found.next = std::max(found.next, *number + 1);
            if (is_capture(folder + name)) {
                captures.emplace(*number, folder + name);
            }
        }
    }
    for (auto& [number, name] : captures) {
        found.captures.push_back(std::move(name));
    }
    return found;
}

KeptFiles::KeptFiles(std::size_t limit, std::vector<std::string> earlier)
    : limit_(limit), paths_(limit == 0 ? std::vector<std::string>() : std::move(earlier)), earlier_(paths_.size()) {}

void KeptFiles::add(const std::string& path) {
    paths_.push_back(path);
    while (limit_ != 0 && paths_.size() > limit_) {
        ::unlink(paths_.front().c_str());
        paths_.erase(paths_.begin());
        if (earlier_ != 0) {
            earlier_--;
        } else {
            removed_++;
        }
    }
}

}  // namespace inflight::capture
