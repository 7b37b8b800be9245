// SPDX-License-Identifier: Apache-2.0
// The kernel side has a table of operations of its own (bpf/uring_ops.h). What it says of each is what the catalogue
// says: an operation that is added to one of them only is noticed here.
#include "catalog/uring.hpp"
#include "header_names.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace inflight::catalog {
namespace {

std::string table_text() {
    std::ifstream in(std::filesystem::path(INFLIGHT_SOURCE_DIR) / "bpf/uring_ops.h");
    return {std::istreambuf_iterator<char>(in), {}};
}

// "OP_READ" is 22.
std::map<std::string, unsigned> numbers() {
    test::Headers headers(std::filesystem::path(INFLIGHT_SOURCE_DIR) / "bpf");
    std::map<std::string, unsigned> found;
    for (const auto& each : headers.names_of("uring_ops.h")) {
        if (each.value) {
            found[each.name] = static_cast<unsigned>(*each.value);
        }
    }
    return found;
}

// By opcode the names of its traits.
std::map<unsigned, std::set<std::string>> traits() {
    const auto known = numbers();
    const std::string text = table_text();
    const std::regex row(R"(\[(OP_\w+)\] = ([^,]+),)");
    const std::regex trait(R"(OP_\w+)");
    std::map<unsigned, std::set<std::string>> found;
    for (auto at = std::sregex_iterator(text.begin(), text.end(), row); at != std::sregex_iterator(); ++at) {
        const std::string right = (*at)[2];
        auto& set = found[known.at((*at)[1])];
        for (auto each = std::sregex_iterator(right.begin(), right.end(), trait); each != std::sregex_iterator();
             ++each) {
            set.insert(each->str());
        }
    }
    return found;
}

TEST(UringOpsTable, HasTheNumbersOfTheCatalogue) {
    const auto known = numbers();
    std::size_t compared = 0;
    for (const UringOp& op : uring_ops()) {
        std::string name = "OP_";
        for (const char each : op.name) {
            name += static_cast<char>(std::toupper(static_cast<unsigned char>(each)));
        }
        if (const auto found = known.find(name); found != known.end()) {
            EXPECT_EQ(found->second, op.opcode) << name;
            compared++;
        }
    }
    EXPECT_GT(compared, 40U);
}

TEST(UringOpsTable, SaysOfEachOperationWhatTheCatalogueSays) {
    auto table = traits();
    for (const UringOp& op : uring_ops()) {
        SCOPED_TRACE(op.name);
        const auto& is = table[op.opcode];
        // The descriptor of an operation on a path is a folder, or none.
        EXPECT_EQ(is.contains("OP_NO_FILE"), !op.uses_fd || op.addr == SqeField::path);
        const bool rw = op.flags_name == "rw_flags";
        EXPECT_EQ(is.contains("OP_IO_RW"), rw);
        EXPECT_EQ(is.contains("OP_WRITES"), rw && op.memory == MemoryUse::reads);
        EXPECT_EQ(is.contains("OP_ZERO_COPY"), op.name == "send_zc" || op.name == "sendmsg_zc");
        EXPECT_EQ(is.contains("OP_WIDE"), op.name.ends_with("128"));
        EXPECT_EQ(is.contains("OP_CANCELS"),
                  op.name == "async_cancel" || op.name == "poll_remove" || op.name == "timeout_remove");
    }
}

}  // namespace
}  // namespace inflight::catalog
