// SPDX-License-Identifier: Apache-2.0
// Whether the catalogue has a row for everything that the newest headers of the kernel name. What is missing here is
// shown as a bare number by every command.
#include "catalog/events.hpp"
#include "catalog/uring.hpp"
#include "catalog/uring_commands.hpp"
#include "catalog/uring_register_names.hpp"
#include "header_names.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::catalog {
namespace {

// How a row says the name of the header.
enum class Shown : std::uint8_t {
    whole,       // IORING_SETUP_SQPOLL
    rest,        // F_MORE of IORING_CQE_F_MORE: what stands behind `cut`
    lower_rest,  // sync_cancel
    no_row,      // `why` says why there is none
};

struct Rule {
    std::string_view prefix;  // a whole name if there is one
    Shown shown = Shown::whole;
    NameTable (*table)() = nullptr;
    std::string_view cut = {};
    std::string_view why = {};
};

template <unsigned opcode>
NameTable op_flags() {
    return uring_op(opcode)->flags;
}
template <unsigned opcode>
NameTable op_ioprio() {
    return uring_op(opcode)->ioprio_flags;
}
NameTable poll_len_flags() {
    return uring_len_flags(6);
}
NameTable uring_numbers() {
    return opcodes(family_uring);
}
NameTable aio_numbers() {
    return opcodes(family_aio);
}

constexpr Rule none(std::string_view prefix, std::string_view why) {
    return {.prefix = prefix, .shown = Shown::no_row, .why = why};
}
constexpr Rule lower(std::string_view prefix, NameTable (*table)(), std::string_view cut = {}) {
    return {.prefix = prefix, .shown = Shown::lower_rest, .table = table, .cut = cut.empty() ? prefix : cut};
}

// The rule with the longest prefix counts, so that an exception stands beside its family.
constexpr Rule rules[] = {
    // linux/io_uring.h: requests
    lower("IORING_OP_", uring_numbers),
    none("IORING_OP_LAST", "a count"),
    {.prefix = "IOSQE_", .table = sqe_flags},
    none("IOSQE_FIXED_FILE_BIT", "the flag has a row"),
    none("IOSQE_IO_DRAIN_BIT", "the flag has a row"),
    none("IOSQE_IO_LINK_BIT", "the flag has a row"),
    none("IOSQE_IO_HARDLINK_BIT", "the flag has a row"),
    none("IOSQE_ASYNC_BIT", "the flag has a row"),
    none("IOSQE_BUFFER_SELECT_BIT", "the flag has a row"),
    none("IOSQE_CQE_SKIP_SUCCESS_BIT", "the flag has a row"),
    {.prefix = "IORING_RW_ATTR_FLAG_", .table = rw_attr_flags},
    none("IORING_FILE_INDEX_ALLOC", "the result says which index was taken"),
    {.prefix = "IORING_URING_CMD_", .table = op_flags<46>},
    none("IORING_URING_CMD_MASK", "a mask of others"),
    {.prefix = "IORING_FSYNC_", .table = op_flags<3>},
    {.prefix = "IORING_TIMEOUT_", .table = uring_timeout_flags},
    {.prefix = "IORING_LINK_TIMEOUT_", .table = uring_timeout_flags},
    none("IORING_TIMEOUT_CLOCK_MASK", "a mask of others"),
    none("IORING_TIMEOUT_UPDATE_MASK", "a mask of others"),
    {.prefix = "SPLICE_F_", .table = splice_flags},
    {.prefix = "IORING_POLL_", .table = poll_len_flags},
    {.prefix = "IORING_ASYNC_CANCEL_", .table = uring_cancel_flags},
    {.prefix = "IORING_RECVSEND_", .table = op_ioprio<26>},
    {.prefix = "IORING_RECV_", .table = op_ioprio<27>},
    {.prefix = "IORING_SEND_", .table = op_ioprio<47>},
    {.prefix = "IORING_NOTIF_USAGE_", .table = uring_notif_flags},
    {.prefix = "IORING_ACCEPT_", .table = op_ioprio<13>},
    lower("IORING_MSG_", uring_msg_ring_cmds),
    {.prefix = "IORING_MSG_RING_", .table = op_flags<40>},
    {.prefix = "IORING_FIXED_FD_", .table = op_flags<54>},
    {.prefix = "IORING_NOP_", .table = op_flags<0>},
    // linux/io_uring.h: completions
    {.prefix = "IORING_CQE_F_", .shown = Shown::rest, .table = cqe_flags, .cut = "IORING_CQE_"},
    {.prefix = "IORING_CQE_F_TSTAMP_", .shown = Shown::rest, .table = tx_timestamp_flags, .cut = "IORING_CQE_"},
    none("IORING_CQE_BUFFER_SHIFT", "a place in a word"),
    none("IORING_TIMESTAMP_HW_SHIFT", "a place in a word"),
    none("IORING_TIMESTAMP_TYPE_SHIFT", "a place in a word"),
    // linux/io_uring.h: rings and calls
    {.prefix = "IORING_SETUP_", .table = uring_setup_flags},
    {.prefix = "IORING_FEAT_", .table = uring_features},
    {.prefix = "IORING_ENTER_", .table = uring_enter_flags},
    {.prefix = "IORING_SQ_", .table = uring_sq_flags},
    none("IORING_CQ_EVENTFD_DISABLED", "the program's own note in its memory, which says nothing of a request"),
    none("IORING_OFF_", "offsets of mmap"),
    lower("IORING_REGISTER_", uring_register_ops),
    lower("IORING_UNREGISTER_", uring_register_ops, "IORING_"),
    none("IORING_REGISTER_LAST", "a count"),
    none("IORING_REGISTER_USE_REGISTERED_RING", "register_op_name() appends it"),
    none("IORING_REGISTER_FILES_SKIP", "a descriptor of -2"),
    {.prefix = "IORING_REGISTER_SRC_REGISTERED", .table = clone_flags},
    {.prefix = "IORING_REGISTER_DST_REPLACE", .table = clone_flags},
    none("IO_WQ_", "the two members of iowq_max_workers are named so"),
    {.prefix = "IORING_MEM_REGION_TYPE_", .table = region_flags},
    {.prefix = "IORING_MEM_REGION_REG_", .table = mem_region_flags},
    {.prefix = "IORING_RSRC_REGISTER_", .table = rsrc_flags},
    {.prefix = "IO_URING_OP_SUPPORTED", .table = probe_flags},
    {.prefix = "IOU_PBUF_RING_", .table = pbuf_ring_flags},
    lower("IO_URING_NAPI_REGISTER_OP", napi_ops, "IO_URING_NAPI_"),
    lower("IO_URING_NAPI_STATIC_", napi_ops, "IO_URING_NAPI_"),
    lower("IO_URING_NAPI_TRACKING_", napi_trackings),
    lower("IORING_RESTRICTION_", restriction_kinds),
    none("IORING_RESTRICTION_LAST", "a count"),
    {.prefix = "IORING_REG_WAIT_", .table = reg_wait_flags},
    {.prefix = "SOCKET_URING_OP_", .table = socket_commands},
    // linux/io_uring/query.h, zcrx.h, bpf_filter.h, mock_file.h
    lower("IO_URING_QUERY_", query_ops),
    none("IORING_ZCRX_AREA_SHIFT", "a place in a word"),
    none("IORING_ZCRX_AREA_MASK", "a place in a word"),
    {.prefix = "IORING_ZCRX_AREA_", .table = zcrx_area_flags},
    {.prefix = "ZCRX_REG_", .table = zcrx_register_flags},
    {.prefix = "ZCRX_FEATURE_", .table = zcrx_features},
    {.prefix = "ZCRX_EVENT_", .table = zcrx_events},
    {.prefix = "ZCRX_EVENT_DESC_FLAG_", .table = zcrx_event_flags},
    lower("ZCRX_CTRL_", zcrx_controls),
    {.prefix = "IO_URING_BPF_FILTER_", .table = bpf_filter_flags},
    lower("IO_URING_BPF_CMD_", bpf_commands),
    none("IORING_MOCK_", "a device of the kernel's own tests"),
    none("__", "a count"),
    // linux/aio_abi.h and, of linux/fs.h, what belongs to it
    lower("IOCB_CMD_P", aio_numbers, "IOCB_CMD_"),
    lower("IOCB_CMD_", aio_numbers),
    {.prefix = "IOCB_FLAG_", .table = iocb_flags},
    {.prefix = "RWF_", .table = rw_flags},
    none("RWF_SUPPORTED", "a mask of others"),
    {.prefix = "IO_INTEGRITY_CHK_", .table = integrity_flags},
    none("IO_INTEGRITY_VALID_FLAGS", "a mask of others"),
    // the commands of files
    {.prefix = "UBLK_U_CMD_", .table = encoded_commands},
    {.prefix = "UBLK_U_IO_", .table = encoded_commands},
    {.prefix = "UBLK_CMD_", .table = ublk_commands},
    {.prefix = "UBLK_IO_FETCH_REQ", .table = ublk_commands},
    {.prefix = "UBLK_IO_COMMIT_AND_FETCH_REQ", .table = ublk_commands},
    {.prefix = "UBLK_IO_NEED_GET_DATA", .table = ublk_commands},
    {.prefix = "NVME_URING_CMD_", .table = encoded_commands},
    {.prefix = "FUSE_IO_URING_CMD_", .table = fuse_commands},
    none("FUSE_IO_URING_CMD_INVALID", "no command"),
    {.prefix = "BLOCK_URING_CMD_", .table = encoded_commands},
};

const Rule* rule_of(std::string_view name) {
    const Rule* best = nullptr;
    for (const Rule& rule : rules) {
        if (name.starts_with(rule.prefix) && (best == nullptr || rule.prefix.size() > best->prefix.size())) {
            best = &rule;
        }
    }
    return best;
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char each) { return std::tolower(each); });
    return out;
}

// What is wrong with the name of a header; empty: nothing.
std::string complaint(const test::HeaderName& name) {
    const Rule* rule = rule_of(name.name);
    if (rule == nullptr) {
        return "no table is meant for it: add a rule to this test, and a row to the table";
    }
    if (rule->shown == Shown::no_row) {
        return {};
    }
    if (!name.value) {
        return "its value was not understood: teach header_names.cpp to read it";
    }
    const NameTable table = rule->table();
    const auto row = std::ranges::find(table, *name.value, &Name::value);
    if (row == table.end()) {
        return fmt::format("no row has its value {:#x}", *name.value);
    }
    const std::string_view rest = std::string_view(name.name).substr(rule->cut.size());
    const std::string wanted = rule->shown == Shown::lower_rest ? lowered(rest)
                               : rule->shown == Shown::rest     ? std::string(rest)
                                                                : name.name;
    // "register_" stays in the names of calls that have a counterpart, and nothing says "_op".
    return row->name == wanted || row->name == "register_" + wanted || std::string(row->name) + "_op" == wanted
               ? std::string()
               : fmt::format("the row of its value {:#x} says {}", *name.value, row->name);
}

std::vector<std::string> complaints(const std::vector<test::HeaderName>& names) {
    std::vector<std::string> all;
    for (const test::HeaderName& name : names) {
        if (const std::string text = complaint(name); !text.empty()) {
            all.push_back(fmt::format("{} ({}): {}", name.name, name.file, text));
        }
    }
    return all;
}

// Of a header that has much else: the names with one of these prefixes.
std::vector<test::HeaderName> only(std::vector<test::HeaderName> names,
                                   std::initializer_list<std::string_view> prefixes) {
    std::erase_if(names, [&](const test::HeaderName& name) {
        return std::ranges::none_of(prefixes, [&](auto prefix) { return name.name.starts_with(prefix); });
    });
    return names;
}

class UringHeaders : public testing::Test {
protected:
    void expect_rows(const std::vector<test::HeaderName>& names) const {
        std::cout << fmt::format("{} names of Linux {}, in {}\n", names.size(), headers_.version(),
                                 headers_.folder().string());
        for (const std::string& text : complaints(names)) {
            ADD_FAILURE() << text;
        }
    }

    test::Headers headers_ = test::newest_headers();
};

TEST_F(UringHeaders, EveryNameOfIoUringHasARow) {
    auto names = headers_.names_of("linux/io_uring.h");
    EXPECT_GT(names.size(), 150U) << "the header was not read as it should be";
    for (const char* file : {"query.h", "zcrx.h", "bpf_filter.h", "mock_file.h"}) {
        const auto more = headers_.names_of(std::string("linux/io_uring/") + file);
        names.insert(names.end(), more.begin(), more.end());
    }
    expect_rows(names);
}

// A header that is new beside them is a new part of the interface, which this test would pass by.
TEST_F(UringHeaders, EveryHeaderOfIoUringIsRead) {
    const auto folder = headers_.folder() / "linux/io_uring";
    if (!std::filesystem::exists(folder)) {
        GTEST_SKIP() << "Linux " << headers_.version() << " has no such folder yet";
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        EXPECT_TRUE(name == "query.h" || name == "zcrx.h" || name == "bpf_filter.h" || name == "mock_file.h") << name;
    }
}

TEST_F(UringHeaders, EveryNameOfKernelAioHasARow) {
    auto names = headers_.names_of("linux/aio_abi.h");
    EXPECT_GE(names.size(), 10U) << "the header was not read as it should be";
    const auto more = only(headers_.names_of("linux/fs.h"), {"RWF_", "IO_INTEGRITY_"});
    names.insert(names.end(), more.begin(), more.end());
    expect_rows(names);
}

TEST_F(UringHeaders, EveryCommandOfAFileHasARow) {
    std::vector<test::HeaderName> names;
    const struct {
        const char* file;
        std::initializer_list<std::string_view> prefixes;
    } sources[] = {
        {"linux/ublk_cmd.h",
         {"UBLK_U_", "UBLK_CMD_", "UBLK_IO_FETCH_REQ", "UBLK_IO_COMMIT_AND_FETCH_REQ", "UBLK_IO_NEED_GET_DATA"}},
        {"linux/nvme_ioctl.h", {"NVME_URING_CMD_"}},
        {"linux/fuse.h", {"FUSE_IO_URING_CMD_"}},
        {"linux/blkdev.h", {"BLOCK_URING_CMD_"}},
    };
    for (const auto& source : sources) {
        const auto more = only(headers_.names_of(source.file), source.prefixes);
        names.insert(names.end(), more.begin(), more.end());
    }
    expect_rows(names);
}

// The other way round: what the rules and the reader do when a kernel brings something new.
TEST(UringHeadersTest, FailsForWhatHasNoRow) {
    const auto one = [](const char* name, std::uint64_t value) {
        return complaint({.name = name, .value = value, .file = "x.h"});
    };
    EXPECT_EQ(one("IORING_OP_READ", 22), "");
    EXPECT_EQ(one("IORING_OP_FROB", 250), "no row has its value 0xfa");
    EXPECT_EQ(one("IORING_OP_FROB", 22), "the row of its value 0x16 says read");
    EXPECT_EQ(one("IORING_SETUP_FROB", 1U << 31U), "no row has its value 0x80000000");
    EXPECT_EQ(one("IORING_REGISTER_FROB", 99), "no row has its value 0x63");
    EXPECT_NE(one("IORING_FROB", 1), "");
    EXPECT_NE(complaint({.name = "IORING_SETUP_IOPOLL", .value = {}, .file = "x.h"}), "");
}

TEST(UringHeadersTest, ReadsWhatHeadersAreMadeOf) {
    const auto folder = std::filesystem::path(testing::TempDir()) / "inflight-headers";
    std::filesystem::create_directories(folder / "linux");
    std::ofstream(folder / "linux/x.h")
        << "#ifndef X\n#define X\n/* #define NOT 1 */\n"
           "#define FLAG (1U << 3) /* a\n comment */\n"
           "#define BOTH (FLAG | \\\n\t0x1 | SECOND)\n#define OWN foo(1)\n#define CALL(x) (x)\n"
           "#define CAST ((__u32)1 << 16)\n#define MINUS (-2)\n"
           "#define COMMAND _IOWR('u', 0x10, struct ublksrv_io_cmd)\n"
           "enum named { FIRST, SECOND = 1U << 4, THIRD,\n /* , */ LAST };\n"
           "enum { TWICE = (FLAG | 1), };\n#endif\n";
    test::Headers headers(folder);
    std::vector<std::string> lines;
    for (const auto& name : headers.names_of("linux/x.h")) {
        lines.push_back(name.name + "=" + (name.value ? fmt::to_string(*name.value) : "?"));
    }
    const std::vector<std::string> wanted = {"FIRST=0",           "SECOND=16",
                                             "THIRD=17",          "LAST=18",
                                             "TWICE=9",           "FLAG=8",
                                             "BOTH=25",           "OWN=?",
                                             "CAST=65536",        "MINUS=18446744073709551614",
                                             "COMMAND=3222304016"};
    EXPECT_EQ(lines, wanted);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace inflight::catalog
