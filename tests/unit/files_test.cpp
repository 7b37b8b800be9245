// SPDX-License-Identifier: Apache-2.0
// Names of files and cgroups, from the strings that the kernel side read, also from ones that make no sense.
#include "model/files.hpp"

#include "records.hpp"

#include <gtest/gtest.h>

#include <random>

namespace inflight::model::test {
namespace {

constexpr std::uint64_t pipefs = 0x50495045;
constexpr std::uint64_t sockfs = 0x534F434B;
constexpr std::uint64_t anon_inodes = 0x09041934;

ifl_file special(std::uint64_t magic, std::uint32_t mode, std::initializer_list<std::string_view> names) {
    ifl_file record = file(1, names);
    record.sb_magic = magic;
    record.mode = mode;
    record.inode = 4711;
    return record;
}

TEST(Files, PathFromTheFileUpToTheRoot) {
    const File got = file_from(file(1, {"t.ibd", "db", "mysql"}));
    EXPECT_EQ(got.name, "/mysql/db/t.ibd");
    EXPECT_EQ(got.kind, "regular file");
    EXPECT_FALSE(got.unlinked);
    EXPECT_FALSE(got.truncated);
}

// The walk steps over a mount point without a name of its own: /var/lib is a mount, its root has no component.
TEST(Files, PathAcrossAMountPoint) {
    EXPECT_EQ(file_from(file(1, {"t.ibd", "lib", "var"})).name, "/var/lib/t.ibd");
}

// The root of a file system that is mounted nowhere has the name "/".
TEST(Files, PathBelowARootWithAName) {
    EXPECT_EQ(file_from(file(1, {"t.ibd", "db", "/"})).name, "/db/t.ibd");
    EXPECT_EQ(file_from(file(1, {"/"})).name, "/");
    EXPECT_EQ(file_from(file(1, {"t.ibd", "/", "mnt"})).name, "/mnt/t.ibd");
}

TEST(Files, TheRootItself) {
    ifl_file record = file(1, {});
    record.mode = 0040755;
    EXPECT_EQ(file_from(record).name, "/");
    EXPECT_EQ(file_from(record).kind, "directory");
}

TEST(Files, Deleted) {
    ifl_file record = file(1, {"t.ibd", "tmp"});
    record.flags = IFL_FILE_UNLINKED;
    EXPECT_EQ(file_from(record).name, "/tmp/t.ibd (deleted)");
    EXPECT_TRUE(file_from(record).unlinked);
}

TEST(Files, OnlyTheEndOfALongPath) {
    ifl_file record = file(1, {"t.ibd", "z", "y"});
    record.flags = IFL_FILE_TRUNCATED;
    EXPECT_EQ(file_from(record).name, "…/y/z/t.ibd");
    EXPECT_TRUE(file_from(record).truncated);
    record.flags |= IFL_FILE_UNLINKED;
    EXPECT_EQ(file_from(record).name, "…/y/z/t.ibd (deleted)");
}

// As /proc/PID/fd shows it.
TEST(Files, Memfd) {
    ifl_file record = file(1, {"memfd:buffer"});
    record.flags = IFL_FILE_UNLINKED;
    EXPECT_EQ(file_from(record).name, "/memfd:buffer (deleted)");
    EXPECT_EQ(file_from(record).kind, "regular file");
}

TEST(Files, PipesAndSocketsAreNamedByTheirInode) {
    ifl_file pipe = special(pipefs, 0010600, {"/"});
    pipe.flags = IFL_FILE_UNLINKED;
    EXPECT_EQ(file_from(pipe).name, "pipe:[4711]");
    EXPECT_EQ(file_from(pipe).kind, "pipe");
    EXPECT_FALSE(file_from(pipe).unlinked) << "it never had a link";
    const File socket = file_from(special(sockfs, 0140777, {"TCP"}));
    EXPECT_EQ(socket.name, "socket:[4711]");
    EXPECT_EQ(socket.kind, "socket");
}

TEST(Files, ANamedPipeHasAPath) {
    ifl_file record = file(1, {"fifo", "tmp"});
    record.mode = 0010644;
    EXPECT_EQ(file_from(record).name, "/tmp/fifo");
    EXPECT_EQ(file_from(record).kind, "pipe");
}

TEST(Files, AnonymousInodesWithAndWithoutBrackets) {
    ifl_file record = special(anon_inodes, 0600, {"[eventfd]"});
    record.flags = IFL_FILE_UNLINKED;
    EXPECT_EQ(file_from(record).name, "anon_inode:[eventfd]");
    EXPECT_EQ(file_from(record).kind, "eventfd");
    EXPECT_FALSE(file_from(record).unlinked);
    const File inotify = file_from(special(anon_inodes, 0600, {"inotify"}));
    EXPECT_EQ(inotify.name, "anon_inode:inotify");
    EXPECT_EQ(inotify.kind, "inotify");
    EXPECT_EQ(file_from(special(anon_inodes, 0600, {"[]"})).kind, "[]");
    EXPECT_EQ(file_from(special(anon_inodes, 0600, {})).name, "anon_inode:");
}

TEST(Files, KindsByMode) {
    const auto kind = [](std::uint32_t mode) {
        ifl_file record = file(1, {"x"});
        record.mode = mode;
        return file_from(record).kind;
    };
    EXPECT_EQ(kind(0100644), "regular file");
    EXPECT_EQ(kind(0060660), "block device");
    EXPECT_EQ(kind(0020666), "character device");
    EXPECT_EQ(kind(0120777), "symbolic link");
    EXPECT_EQ(kind(0140777), "socket");
    EXPECT_EQ(kind(0), "file");
    EXPECT_EQ(kind(0170000), "file");
}

TEST(Files, DeviceNumberOfTheKernel) {
    ifl_file record = file(1, {"x"});
    record.device = (259U << 20U) | 0xabcde;
    record.inode = 99;
    EXPECT_EQ(file_from(record).device_major, 259U);
    EXPECT_EQ(file_from(record).device_minor, 0xabcdeU);
    EXPECT_EQ(file_from(record).inode, 99U);
}

TEST(Files, ACgroupWhoseUpperLevelsFoundNoRoomIsShownAsCut) {
    ifl_cgroup record{};
    constexpr std::string_view names("leaf\0above", 11);
    std::copy(names.begin(), names.end(), &record.names[0]);
    record.names_bytes = names.size();
    record.names_count = 2;
    EXPECT_EQ(cgroup_path_from(record), "/above/leaf");
    record.names_count |= IFL_CGROUP_CUT;
    EXPECT_EQ(cgroup_path_from(record), "…/above/leaf");
}

// ---- records that make no sense

TEST(Files, AtTheEndOfTheirBufferAreReadNoFurther) {
    const auto record = std::make_unique<ifl_file>();
    std::fill(std::begin(record->names), std::end(record->names), 'x');
    for (const std::uint32_t bytes :
         {std::uint32_t{IFL_NAMES_BYTES}, std::uint32_t{IFL_NAMES_BYTES} + 1, 0xffffffffU}) {
        record->names_bytes = bytes;
        record->names_count = 0xffffffff;
        EXPECT_EQ(file_from(*record).name, "/" + std::string(IFL_NAMES_BYTES, 'x'));
    }
}

TEST(Files, WithOtherCountsThanStrings) {
    ifl_file record = file(1, {"b", "a"});
    record.names_count = 9;
    EXPECT_EQ(file_from(record).name, "/a/b");
    record.names_count = 1;
    EXPECT_EQ(file_from(record).name, "/b");
    record.names_count = 0;
    EXPECT_EQ(file_from(record).name, "/");
    record.names_count = 2;
    record.names_bytes = 0;
    EXPECT_EQ(file_from(record).name, "/");
}

TEST(Files, OfRandomBytes) {
    std::mt19937 random(1);
    const auto record = std::make_unique<ifl_file>();
    for (int round = 0; round < 2000; round++) {
        for (char& each : record->names) {
            each = "\0\0/[]ax\n\xff"[random() % 9];
        }
        record->names_bytes = static_cast<std::uint32_t>(random() % 2 == 0 ? random() : random() % 64);
        record->names_count = static_cast<std::uint32_t>(random() % 2 == 0 ? random() : random() % 8);
        record->sb_magic = std::array{std::uint64_t{0}, pipefs, sockfs, anon_inodes}.at(random() % 4);
        record->flags = static_cast<std::uint32_t>(random() % 4);
        EXPECT_FALSE(file_from(*record).name.empty());
    }
}

// ---- cgroups and containers

TEST(Cgroups, Path) {
    EXPECT_EQ(cgroup_path_from(cgroup(1, {"session-2.scope", "user-0.slice", "user.slice"})),
              "/user.slice/user-0.slice/session-2.scope");
    EXPECT_EQ(cgroup_path_from(cgroup(1, {})), "/");
}

TEST(Cgroups, OfNonsenseAreReadNoFurther) {
    const auto record = std::make_unique<ifl_cgroup>();
    std::fill(std::begin(record->names), std::end(record->names), 'x');
    record->names_bytes = 0xffffffff;
    record->names_count = 0xffffffff;
    EXPECT_EQ(cgroup_path_from(*record).size(), IFL_NAMES_BYTES + 1U);
}

TEST(Containers, IdsAsRuntimesWriteThem) {
    const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    EXPECT_EQ(container_id_in("/system.slice/docker-" + id + ".scope"), id);
    EXPECT_EQ(container_id_in("/docker/" + id), id);
    EXPECT_EQ(container_id_in(id), id);
    EXPECT_EQ(container_id_in("/kubepods.slice/kubepods-pod0123.slice/cri-containerd-" + id + ".scope"), id);
    const std::string inner(64, 'b');
    EXPECT_EQ(container_id_in("/docker/" + id + "/docker/" + inner), inner) << "the innermost";
}

TEST(Containers, AnythingElseIsNone) {
    EXPECT_EQ(container_id_in("/"), "");
    EXPECT_EQ(container_id_in(""), "");
    EXPECT_EQ(container_id_in("/user.slice/user-1000.slice"), "");
    EXPECT_EQ(container_id_in("/docker/" + std::string(63, 'a')), "");
    EXPECT_EQ(container_id_in("/docker/" + std::string(65, 'a')), "");
    EXPECT_EQ(container_id_in("/docker/" + std::string(64, 'A')), "");
}

}  // namespace
}  // namespace inflight::model::test
