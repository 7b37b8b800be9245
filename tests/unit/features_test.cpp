// SPDX-License-Identifier: Apache-2.0
#include "probe/features.hpp"

#include <gtest/gtest.h>

namespace inflight::probe {
namespace {

TEST(Features, AFieldHasTheKernelsNameForIt) {
    EXPECT_EQ(field_in_relocation("struct io_open.filename (0:0 @ offset 0)"), "io_open.filename");
    EXPECT_EQ(field_in_relocation("struct io_uring_task___work.task_list.first (0:0:0 @ offset 0)"),
              "io_uring_task.task_list.first");
    EXPECT_EQ(field_in_relocation("struct io_ring_ctx___lists\n"), "io_ring_ctx");
    EXPECT_EQ(field_in_relocation(""), "");
}

TEST(Features, AProgramIsGivenUpForItsOwnFeatureOnly) {
    GivenUp given_up;
    EXPECT_TRUE(given_up.give_up({.program = "uring_link", .reason = "r"}));
    EXPECT_TRUE(given_up.is_without("uring_link"));
    EXPECT_FALSE(given_up.is_without("uring_fail_link"));
    ASSERT_EQ(given_up.lost().size(), 1U);
    EXPECT_EQ(given_up.lost().front().name, "links");
    EXPECT_FALSE(given_up.give_up({.program = "uring_link", .reason = "r"})) << "nothing more can be given up for it";
    EXPECT_FALSE(given_up.give_up({.program = "process_exit", .reason = "r"})) << "it is needed";
}

TEST(Features, DetailsAreGivenUpBeforeIoUring) {
    GivenUp given_up;
    EXPECT_TRUE(given_up.give_up({.program = "uring_submit_req", .reason = "first"}));
    EXPECT_TRUE(given_up.is_without_details());
    EXPECT_FALSE(given_up.is_without("uring_submit_req"));
    EXPECT_TRUE(given_up.give_up({.program = "uring_lists", .reason = "second"}));
    EXPECT_TRUE(given_up.give_up({.program = "uring_submit_req", .reason = "third"}));
    EXPECT_TRUE(given_up.is_without("uring_submit_req"));
    EXPECT_TRUE(given_up.is_without("uring_punt")) << "a part of io_uring";
    EXPECT_FALSE(given_up.is_without("process_iterator"));
    ASSERT_EQ(given_up.lost().size(), 1U) << "the whole says it for its parts";
    EXPECT_EQ(given_up.lost().front().sentence(), "io_uring is not shown at all: third");
}

}  // namespace
}  // namespace inflight::probe
