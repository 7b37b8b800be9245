// SPDX-License-Identifier: Apache-2.0
#include "model/open_files.hpp"

#include <gtest/gtest.h>

namespace inflight::model {
namespace {

ifl_held descriptor(std::uint32_t pid, std::int32_t fd, std::uint64_t file, std::uint64_t ring = 0) {
    ifl_held held{};
    held.pid = pid;
    held.tid = pid;
    held.fd = fd;
    held.file = file;
    held.ring = ring;
    held.mm = pid * 16;
    held.kind = IFL_HELD_DESCRIPTOR;
    return held;
}

ifl_listed listed(std::uint64_t req, std::uint64_t user_data, std::uint32_t pid, std::uint8_t opcode,
                  std::uint64_t file) {
    ifl_listed each{};
    each.req = req;
    each.user_data = user_data;
    each.pid = pid;
    each.opcode = opcode;
    each.file = file;
    return each;
}

TEST(OpenFiles, FindsDescriptorsByTheFile) {
    const OpenFiles files({descriptor(1, 9, 0xa), descriptor(1, 5, 0xa), descriptor(1, 6, 0xb), descriptor(2, 6, 0xa)});
    const FileNow now = files.of(1, 0xa);
    EXPECT_TRUE(now.known);
    EXPECT_EQ(now.fds, (std::vector<std::int32_t>{5, 9}));
    EXPECT_EQ(now.elsewhere, (std::vector<std::uint32_t>{2}));
    EXPECT_FALSE(files.of(1, 0).known) << "it works on no file";
    const FileNow closed = files.of(1, 0xc);
    EXPECT_TRUE(closed.known);
    EXPECT_TRUE(closed.fds.empty());
}

TEST(OpenFiles, KnowsEveryHolderOfARing) {
    auto registered = descriptor(3, 0, 0xa, 0x10);
    registered.kind = IFL_HELD_REGISTERED;
    auto mapped = descriptor(4, -1, 0xa, 0x10);
    mapped.kind = IFL_HELD_MAPPED;
    const OpenFiles files(
        {descriptor(2, 8, 0xa, 0x10), descriptor(2, 4, 0xa, 0x10), registered, mapped, descriptor(5, 4, 0xb, 0x20)});
    const auto holders = files.holders_of(0x10);
    ASSERT_EQ(holders.size(), 3U);
    EXPECT_EQ(holders[0].pid, 2U);
    EXPECT_EQ(holders[0].fd, 4);
    EXPECT_TRUE(holders[1].registered);
    EXPECT_FALSE(holders[1].fd);
    EXPECT_TRUE(holders[2].mapped);
    EXPECT_EQ(files.descriptor_of(0x10, 2), 4);
    EXPECT_FALSE(files.descriptor_of(0x10, 5)) << "that number is another ring there";
    EXPECT_TRUE(files.holders_of(0x30).empty());
}

TEST(OpenFiles, KnowsWhoSharesMemory) {
    auto child = descriptor(2, 4, 0xa);
    child.mm = 16;
    const OpenFiles files({descriptor(1, 4, 0xa), child, descriptor(3, 4, 0xa)});
    EXPECT_EQ(files.sharing_memory(1), (std::vector<std::uint32_t>{2}));
    EXPECT_TRUE(files.sharing_memory(3).empty());
    EXPECT_TRUE(files.sharing_memory(9).empty());
}

TEST(Sharing, IsJudgedOnAllRequestsOfTheRing) {
    const std::vector<ifl_listed> list{listed(1, 7, 100, 6, 0xa), listed(2, 7, 200, 6, 0xb), listed(3, 8, 200, 6, 0xb)};
    EXPECT_EQ(sharing_of(list[2], list, {3}).others, 0U);
    const Sharing shared = sharing_of(list[0], list, {1});
    EXPECT_EQ(shared.others, 1U);
    EXPECT_EQ(shared.other_process, 200U);
    EXPECT_FALSE(shared.opcode_differs);
    EXPECT_TRUE(shared.differs) << "by their files";
    EXPECT_EQ(sharing_of(list[0], list, {1, 2}).others, 0U) << "all are chosen";
    EXPECT_EQ(sharing_of(listed(9, 7, 100, 6, 0), list, {9}).others, 2U) << "it is on no list itself";
    EXPECT_FALSE(sharing_of(listed(9, 7, 100, 6, 0), list, {9}).differs);
}

TEST(Sharing, IsToldApartOnlyWhereEveryOtherDiffers) {
    std::vector<ifl_listed> list{listed(1, 7, 100, 6, 0xa), listed(2, 7, 100, 9, 0xa)};
    EXPECT_TRUE(sharing_of(list[0], list, {1}).opcode_differs);
    list.push_back(listed(3, 7, 100, 6, 0xa));
    const Sharing same = sharing_of(list[0], list, {1});
    EXPECT_EQ(same.others, 2U);
    EXPECT_FALSE(same.opcode_differs);
    EXPECT_FALSE(same.differs);
    EXPECT_FALSE(same.other_process);
}

}  // namespace
}  // namespace inflight::model
