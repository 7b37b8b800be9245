// SPDX-License-Identifier: Apache-2.0
#include "model/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ranges>
#include <span>
#include <string_view>
#include <vector>

namespace inflight::model {

namespace {

// include/uapi/linux/magic.h
constexpr std::uint64_t pipefs_magic = 0x50495045;
constexpr std::uint64_t sockfs_magic = 0x534F434B;
constexpr std::uint64_t anon_inode_magic = 0x09041934;

// dev_t inside the kernel (include/linux/kdev_t.h): 12 bits of major above 20 of minor
constexpr unsigned minor_bits = 20;

struct ModeName {
    std::uint32_t bits;  // S_IFMT
    std::string_view name;
};
constexpr std::array mode_names{
    ModeName{0140000, "socket"},       ModeName{0120000, "symbolic link"}, ModeName{0100000, "regular file"},
    ModeName{0060000, "block device"}, ModeName{0040000, "directory"},     ModeName{0020000, "character device"},
    ModeName{0010000, "pipe"},
};
constexpr std::uint32_t mode_mask = 0170000;

// The strings in `names`, in the order in which they were written.
std::vector<std::string_view> split_names(const char* names, std::uint32_t bytes, std::uint32_t count) {
    std::vector<std::string_view> parts;
    std::string_view rest(names, std::min<std::size_t>(bytes, IFL_NAMES_BYTES));
    while (parts.size() < count && !rest.empty()) {
        const auto end = std::min(rest.find('\0'), rest.size());
        parts.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return parts;
}

std::string join_upwards(const std::vector<std::string_view>& parts) {
    std::string path;
    for (const auto part : parts | std::views::reverse) {
        if (!path.ends_with('/')) {
            path += '/';
        }
        path += part == "/" ? "" : part;
    }
    return path.empty() ? "/" : path;
}

std::string kind_of_mode(std::uint32_t mode) {
    const auto* const found = std::ranges::find(mode_names, mode & mode_mask, &ModeName::bits);
    return found == mode_names.end() ? "file" : std::string(found->name);
}

}  // namespace

File file_from(const ifl_file& record) {
    const auto parts = split_names(&record.names[0], record.names_bytes, record.names_count);
    File file;
    file.inode = record.inode;
    file.device_major = record.device >> minor_bits;
    file.device_minor = record.device & ((1U << minor_bits) - 1);
    file.unlinked = (record.flags & IFL_FILE_UNLINKED) != 0;
    file.truncated = (record.flags & IFL_FILE_TRUNCATED) != 0;
    file.kind = kind_of_mode(record.mode);
    // These have no path; the kernel prints them so in /proc/PID/fd.
    if (record.sb_magic == pipefs_magic) {
        file.name = fmt::format("pipe:[{}]", record.inode);
        file.unlinked = false;
    } else if (record.sb_magic == sockfs_magic) {
        file.name = fmt::format("socket:[{}]", record.inode);
        file.unlinked = false;
    } else if (record.sb_magic == anon_inode_magic) {
        const std::string_view name = parts.empty() ? "" : parts.front();
        file.name = fmt::format("anon_inode:{}", name);
        file.kind =
            name.size() > 2 && name.starts_with('[') ? std::string(name.substr(1, name.size() - 2)) : std::string(name);
        file.unlinked = false;
    } else {
        file.name = join_upwards(parts);
        if (file.truncated) {
            file.name.insert(0, "…");
        }
        if (file.unlinked) {
            file.name += " (deleted)";
        }
    }
    return file;
}

std::string cgroup_path_from(const ifl_cgroup& record) {
    const std::uint32_t count = record.names_count & ~IFL_CGROUP_CUT;
    // A number that no path can have says nothing of that.
    const bool cut = (record.names_count & IFL_CGROUP_CUT) != 0 && count <= IFL_NAMES_BYTES;
    const std::string path = join_upwards(split_names(&record.names[0], record.names_bytes, count));
    return cut ? "…" + path : path;
}

std::string container_id_in(const std::string& cgroup_path) {
    constexpr std::size_t id_length = 64;
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    std::size_t run = 0;
    for (std::size_t at = cgroup_path.size(); at-- > 0;) {
        run = is_hex(cgroup_path[at]) ? run + 1 : 0;
        const bool bounded = at == 0 || !is_hex(cgroup_path[at - 1]);
        if (run == id_length && bounded) {
            return cgroup_path.substr(at, id_length);
        }
    }
    return {};
}

}  // namespace inflight::model
