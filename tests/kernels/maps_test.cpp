// SPDX-License-Identifier: Apache-2.0
// Tables of the kernel side as they were built.
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <linux/bpf.h>

#include <memory>

namespace inflight::kernels {
namespace {

struct Closer {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
};

// A thread that is killed in a call never comes to take its entry away. In a plain table such entries stay, and after
// as many threads as it has room for nothing more is seen.
TEST(Maps, WhatAThreadMayLeaveBehindAgesOut) {
    const std::unique_ptr<bpf_object, Closer> object(bpf_object__open_file(INFLIGHT_BPF_DIR "/stat.bpf.o", nullptr));
    ASSERT_NE(object, nullptr);
    const bpf_map* const submitting = bpf_object__find_map_by_name(object.get(), "stat_submitting");
    ASSERT_NE(submitting, nullptr);
    EXPECT_EQ(bpf_map__type(submitting), BPF_MAP_TYPE_LRU_HASH);
}

}  // namespace
}  // namespace inflight::kernels
