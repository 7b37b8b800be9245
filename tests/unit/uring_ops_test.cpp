// SPDX-License-Identifier: Apache-2.0
// contract/ops.h and the catalogue describe the same operations. These tests fail when a row is missing in one of them,
// or when the two rows of an operation contradict each other.
#include "catalog/uring.hpp"
#include "contract/ops.h"

#include <gtest/gtest.h>

#include <map>

namespace inflight::catalog {
namespace {

// By opcode.
std::map<unsigned, unsigned> traits() {
#define TRAITS(ID, id, number, traits) {number, traits},
    return {IFL_FOR_EACH_OP(TRAITS)};
#undef TRAITS
}

TEST(UringOpsTable, HasTheOperationsOfTheCatalogue) {
    const auto known = traits();
    EXPECT_EQ(known.size(), uring_ops().size());
    for (const UringOp& op : uring_ops()) {
        EXPECT_TRUE(known.contains(op.opcode)) << op.name;
    }
}

TEST(UringOpsTable, SaysOfEachOperationWhatTheCatalogueSays) {
    auto table = traits();
    for (const UringOp& op : uring_ops()) {
        SCOPED_TRACE(op.name);
        const auto is = [&](unsigned trait) { return (table[op.opcode] & trait) != 0; };
        // The descriptor of an operation on a path is a folder, or none.
        EXPECT_EQ(is(IFL_OP_NO_FILE), !op.uses_fd || op.addr == SqeField::path);
        const bool rw = op.flags_name == "rw_flags";
        EXPECT_EQ(is(IFL_OP_IO_RW), rw);
        EXPECT_EQ(is(IFL_OP_WRITES), rw && op.memory == MemoryUse::reads);
        EXPECT_EQ(is(IFL_OP_ZERO_COPY), op.name == "send_zc" || op.name == "sendmsg_zc");
        EXPECT_EQ(is(IFL_OP_WIDE), op.name.ends_with("128"));
        EXPECT_EQ(is(IFL_OP_CANCELS),
                  op.name == "async_cancel" || op.name == "poll_remove" || op.name == "timeout_remove");
    }
}

}  // namespace
}  // namespace inflight::catalog
