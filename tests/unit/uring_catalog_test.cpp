// SPDX-License-Identifier: Apache-2.0
// The tables of io_uring, against the headers of the machine where they reach, and its structures byte by byte.
#include "catalog/events.hpp"
#include "catalog/uring.hpp"
#include "catalog/uring_commands.hpp"
#include "catalog/uring_register.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fadvise.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <bit>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace inflight::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename T>
std::string bytes_of(const T& value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

// "name=text" or "name=value", as a view would show it
std::vector<std::string> shown(const std::vector<Field>& fields) {
    std::vector<std::string> lines;
    for (const Field& field : fields) {
        const bool named = field.kind == FieldKind::flags || field.kind == FieldKind::name;
        const std::string number = field.kind == FieldKind::signed_number
                                       ? std::to_string(static_cast<std::int64_t>(field.value))
                                       : std::to_string(field.value);
        lines.push_back(field.name + "=" + (named ? field.text : number));
    }
    return lines;
}

// ---- operations

TEST(UringOps, AreInTheOrderOfTheirNumbersWithUniqueNames) {
    ASSERT_EQ(uring_ops().size(), 65U);
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < uring_ops().size(); ++i) {
        const UringOp& op = uring_ops()[i];
        EXPECT_EQ(op.opcode, i);
        EXPECT_EQ(uring_op(op.opcode), &op);
        EXPECT_TRUE(names.insert(op.name).second) << op.name;
        EXPECT_FALSE(op.since.empty()) << op.name;
        EXPECT_EQ(opcode_by_name(family_uring, op.name), op.opcode);
        EXPECT_EQ(opcode_name(family_uring, op.opcode), op.name);
    }
    EXPECT_EQ(uring_op(65), nullptr);
    EXPECT_EQ(uring_op(255), nullptr);
    EXPECT_EQ(opcode_name(family_uring, 65), "op 65");
}

TEST(UringOps, HaveTheNumbersOfTheKernel) {
    const struct {
        unsigned opcode;
        std::string_view name;
    } known[] = {
        {IORING_OP_NOP, "nop"},
        {IORING_OP_READV, "readv"},
        {IORING_OP_WRITE_FIXED, "write_fixed"},
        {IORING_OP_POLL_ADD, "poll_add"},
        {IORING_OP_TIMEOUT_REMOVE, "timeout_remove"},
        {IORING_OP_ASYNC_CANCEL, "async_cancel"},
        {IORING_OP_LINK_TIMEOUT, "link_timeout"},
        {IORING_OP_OPENAT2, "openat2"},
        {IORING_OP_EPOLL_CTL, "epoll_ctl"},
        {IORING_OP_TEE, "tee"},
        {IORING_OP_RENAMEAT, "renameat"},
        {IORING_OP_LINKAT, "linkat"},
        {IORING_OP_MSG_RING, "msg_ring"},
        {IORING_OP_GETXATTR, "getxattr"},
        {IORING_OP_URING_CMD, "uring_cmd"},
        {IORING_OP_SENDMSG_ZC, "sendmsg_zc"},
        {51, "futex_wait"},
        {54, "fixed_fd_install"},
        {58, "recv_zc"},
        {62, "pipe"},
        {63, "nop128"},
        {64, "uring_cmd128"},
    };
    for (const auto& [opcode, name] : known) {
        EXPECT_EQ(uring_op(opcode)->name, name);
    }
}

TEST(UringOps, SayWhatTheFieldsAre) {
    const auto fields = [](std::string_view name, SqeField off, SqeField addr, SqeField len) {
        const UringOp& op = *uring_op(*opcode_by_name(family_uring, name));
        EXPECT_EQ(op.off, off) << name;
        EXPECT_EQ(op.addr, addr) << name;
        EXPECT_EQ(op.len, len) << name;
    };
    using enum SqeField;
    fields("read", offset_bytes, buffer, length_bytes);
    fields("writev", offset_bytes, iovecs, iovec_count);
    fields("openat", unused, path, mode);
    fields("connect", number, sockaddr, unused);
    fields("statx", address, path, flags);
    fields("timeout", entries, timespec, number);
    fields("poll_add", unused, unused, flags);
    fields("renameat", path, path, file);
    fields("linkat", path, path, file);
    fields("async_cancel", unused, user_data, number);
    fields("fallocate", offset_bytes, length_bytes, flags);
    fields("splice", offset_bytes, offset_bytes, length_bytes);
    fields("futex_wait", number, address, unused);
}

TEST(UringOps, AreConsistentInThemselves) {
    for (const UringOp& op : uring_ops()) {
        SCOPED_TRACE(op.name);
        EXPECT_TRUE(op.flags.empty() || !op.flags_name.empty());
        EXPECT_EQ(op.len == SqeField::flags, !uring_len_flags(op.opcode).empty());
        EXPECT_TRUE(op.memory == MemoryUse::none || op.transfers_bytes);
        const bool points_at_memory =
            op.addr == SqeField::buffer || op.addr == SqeField::iovecs || op.addr == SqeField::msghdr;
        EXPECT_EQ(op.memory != MemoryUse::none, points_at_memory);
        EXPECT_EQ(op.addr == SqeField::iovecs, op.len == SqeField::iovec_count);
    }
    for (const char* name : {"fsync", "sync_file_range", "fallocate", "splice", "tee", "statx", "madvise", "renameat",
                             "unlinkat", "mkdirat", "symlinkat", "linkat", "shutdown", "ftruncate", "getxattr"}) {
        EXPECT_TRUE(uring_op(*opcode_by_name(family_uring, name))->punts) << name;
    }
    for (const char* name : {"read", "openat", "recv", "poll_add", "close"}) {
        EXPECT_FALSE(uring_op(*opcode_by_name(family_uring, name))->punts) << name;
    }
}

TEST(UringOps, FlagsByName) {
    EXPECT_EQ(uring_op_flag_names(IORING_OP_READ, 0x2), "RWF_DSYNC");
    EXPECT_EQ(uring_op_flag_names(IORING_OP_FADVISE, POSIX_FADV_WILLNEED), "POSIX_FADV_WILLNEED");
    EXPECT_EQ(uring_op_flag_names(IORING_OP_FADVISE, 77), "77");
    EXPECT_EQ(uring_op_flag_names(IORING_OP_MADVISE, 4), "MADV_DONTNEED");
    EXPECT_EQ(uring_op_flag_names(IORING_OP_CLOSE, 1), "0x1");
    EXPECT_EQ(uring_op_flag_names(200, 0), "0");
    EXPECT_EQ(flag_names(uring_len_flags(IORING_OP_POLL_ADD), IORING_POLL_ADD_MULTI), "IORING_POLL_ADD_MULTI");
    EXPECT_EQ(flag_names(uring_len_flags(IORING_OP_STATX), 0x7ff), "STATX_BASIC_STATS");
    EXPECT_EQ(flag_names(uring_len_flags(IORING_OP_STATX), 0x202), "STATX_MODE|STATX_SIZE");
}

// ---- flags

TEST(UringFlags, AreThoseOfTheHeaders) {
    EXPECT_EQ(flag_names(sqe_flags(), IOSQE_IO_LINK | IOSQE_ASYNC), "IOSQE_IO_LINK|IOSQE_ASYNC");
    EXPECT_EQ(flag_names(sqe_flags(), 0x80), "0x80");
    EXPECT_EQ(flag_names(uring_setup_flags(), IORING_SETUP_SQPOLL | IORING_SETUP_DEFER_TASKRUN),
              "IORING_SETUP_SQPOLL|IORING_SETUP_DEFER_TASKRUN");
    EXPECT_EQ(flag_names(uring_features(), IORING_FEAT_LINKED_FILE), "IORING_FEAT_LINKED_FILE");
    EXPECT_EQ(flag_names(uring_enter_flags(), IORING_ENTER_REGISTERED_RING), "IORING_ENTER_REGISTERED_RING");
    EXPECT_EQ(flag_names(uring_cancel_flags(), IORING_ASYNC_CANCEL_ANY), "IORING_ASYNC_CANCEL_ANY");
    EXPECT_EQ(flag_names(uring_timeout_flags(), IORING_TIMEOUT_ETIME_SUCCESS), "IORING_TIMEOUT_ETIME_SUCCESS");
    EXPECT_EQ(flag_names(uring_sq_flags(), IORING_SQ_TASKRUN), "IORING_SQ_TASKRUN");
    EXPECT_EQ(flag_names(splice_flags(), 1U << 31), "SPLICE_F_FD_IN_FIXED");
}

TEST(UringFlags, OfOpenWithSeveralBits) {
    EXPECT_EQ(flag_names(open_flags(), O_RDONLY), "0");
    EXPECT_EQ(flag_names(open_flags(), O_RDWR | O_CREAT | O_CLOEXEC), "O_RDWR|O_CREAT|O_CLOEXEC");
    EXPECT_EQ(flag_names(open_flags(), O_SYNC), "O_SYNC");
    EXPECT_EQ(flag_names(open_flags(), O_DSYNC), "O_DSYNC");
    EXPECT_EQ(flag_names(open_flags(), O_DIRECTORY), "O_DIRECTORY");
#ifdef __x86_64__
    EXPECT_EQ(flag_names(open_flags(), 020200000 | O_WRONLY), "O_TMPFILE|O_WRONLY");
    EXPECT_EQ(flag_names(open_flags(), O_DIRECT), "O_DIRECT");
#endif
}

TEST(UringFlags, OfACqe) {
    EXPECT_EQ(cqe_flag_names(0), "0");
    EXPECT_EQ(cqe_flag_names(IORING_CQE_F_MORE), "F_MORE");
    EXPECT_EQ(cqe_flag_names(IORING_CQE_F_BUFFER | 3U << 16), "buffer 3");
    EXPECT_EQ(cqe_flag_names(IORING_CQE_F_BUFFER | IORING_CQE_F_MORE | 3U << 16), "F_MORE|buffer 3");
    EXPECT_EQ(cqe_flag_names(IORING_CQE_F_BUFFER), "buffer 0");
    EXPECT_EQ(cqe_flag_names(3U << 16), "0x30000");
}

TEST(UringFlags, NumbersByName) {
    EXPECT_EQ(number_name(uring_register_ops(), 24), "sync_cancel");
    EXPECT_EQ(number_name(uring_register_ops(), 99), "99");
    EXPECT_EQ(number_name(uring_msg_ring_cmds(), 1), "send_fd");
    EXPECT_EQ(register_op_name(IORING_REGISTER_BUFFERS), "register_buffers");
    EXPECT_EQ(register_op_name(24U | 1U << 31), "sync_cancel|USE_REGISTERED_RING");
    for (std::size_t i = 0; i < uring_register_ops().size(); ++i) {
        EXPECT_EQ(uring_register_ops()[i].value, i);
    }
}

// ---- addresses

TEST(UringAddress, OfTheKnownFamilies) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(80);
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(sockaddr_name(bytes_of(four)), "127.0.0.1:80");
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(443);
    six.sin6_addr = in6addr_loopback;
    EXPECT_EQ(sockaddr_name(bytes_of(six)), "[::1]:443");
    sockaddr_nl netlink{};
    netlink.nl_family = AF_NETLINK;
    EXPECT_EQ(sockaddr_name(bytes_of(netlink)), "netlink 0:0");
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    const std::string family = bytes_of(local).substr(0, 2);
    EXPECT_EQ(sockaddr_name(bytes_of(local).substr(0, 2)), "unix: unnamed");
    EXPECT_EQ(sockaddr_name(family + "/run/x" + std::string(5, '\0')), "unix:/run/x");
    EXPECT_EQ(sockaddr_name(family + std::string(1, '\0') + "abstract"), "unix:@abstract");
}

TEST(UringAddress, UnknownOrCutOff) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    EXPECT_EQ(sockaddr_name(bytes_of(four).substr(0, 7)), "family 2, 7 bytes");
    EXPECT_EQ(sockaddr_name(std::string{'\x11', '\0'} + std::string(10, 'x')), "family 17, 12 bytes");
    EXPECT_EQ(sockaddr_name("x"), "1 byte");
    EXPECT_EQ(sockaddr_name(""), "0 bytes");
}

// ---- structures

TEST(UringRegister, Single) {
    io_uring_sync_cancel_reg cancel{};
    cancel.addr = 0x10;
    cancel.fd = -1;
    cancel.flags = IORING_ASYNC_CANCEL_ALL;
    cancel.timeout = {.tv_sec = -1, .tv_nsec = -1};
    EXPECT_THAT(shown(register_fields(24, bytes_of(cancel), 1)),
                ElementsAre("addr=16", "fd=-1", "flags=IORING_ASYNC_CANCEL_ALL", "timeout.tv_sec=-1",
                            "timeout.tv_nsec=-1", "opcode=nop"));
    EXPECT_EQ(register_fields(24U | 1U << 31, bytes_of(cancel), 1).size(), 6U);
    const std::uint32_t workers[] = {4, 8};
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_IOWQ_MAX_WORKERS, bytes_of(workers), 2)),
                ElementsAre("bounded=4", "unbounded=8"));
    io_uring_buf_reg group{};
    group.ring_addr = 4096;
    group.ring_entries = 64;
    group.bgid = 7;
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_PBUF_RING, bytes_of(group), 1)),
                ElementsAre("ring_addr=4096", "ring_entries=64", "bgid=7", "flags=0", "min_left=0"));
    const std::uint32_t least[] = {4096, 0, 64, 7 | 2U << 16U, 512, 0, 0, 0, 0, 0};
    EXPECT_THAT(shown(register_fields(22, bytes_of(least), 1)),
                ElementsAre("ring_addr=4096", "ring_entries=64", "bgid=7", "flags=IOU_PBUF_RING_INC", "min_left=512"));
}

TEST(UringRegister, Arrays) {
    const std::int32_t fds[] = {3, -1, 5};
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_FILES, bytes_of(fds), 3)),
                ElementsAre("fds[0]=3", "fds[1]=-1", "fds[2]=5"));
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_FILES, bytes_of(fds), 2)), ElementsAre("fds[0]=3", "fds[1]=-1"));
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_FILES, bytes_of(fds).substr(0, 7), 3)), ElementsAre("fds[0]=3"));
    const std::uint64_t vectors[] = {4096, 512};
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_BUFFERS, bytes_of(vectors), 1)),
                ElementsAre("iov[0].iov_base=4096", "iov[0].iov_len=512"));
    io_uring_restriction restrictions[2]{};
    restrictions[0].opcode = IORING_RESTRICTION_SQE_OP;
    restrictions[0].sqe_op = IORING_OP_READ;
    restrictions[1].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
    restrictions[1].sqe_flags = IOSQE_FIXED_FILE;
    EXPECT_THAT(shown(register_fields(IORING_REGISTER_RESTRICTIONS, bytes_of(restrictions), 2)),
                ElementsAre("of=ring", "restrictions[0].opcode=sqe_op", "restrictions[0].sqe_op=read",
                            "restrictions[1].opcode=sqe_flags_required", "restrictions[1].sqe_flags=IOSQE_FIXED_FILE"));
}

// With a descriptor of -1, Linux 7.0: struct io_uring_task_restriction, which has a head, and nr_args is 1.
TEST(UringRegister, OfTheTask) {
    std::string bytes("\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    io_uring_restriction restrictions[2]{};
    restrictions[0].opcode = IORING_RESTRICTION_SQE_OP;
    restrictions[0].sqe_op = 64;
    restrictions[1].opcode = IORING_RESTRICTION_REGISTER_OP;
    restrictions[1].register_op = 37;
    bytes += bytes_of(restrictions);
    EXPECT_THAT(shown(register_fields(11, bytes, 1, RegisterScope::task)),
                ElementsAre("of=task", "flags=0", "nr_res=2", "restrictions[0].opcode=sqe_op",
                            "restrictions[0].sqe_op=uring_cmd128", "restrictions[1].opcode=register_op",
                            "restrictions[1].register_op=bpf_filter"));
    // More than there is
    bytes[2] = 9;
    EXPECT_EQ(register_fields(11, bytes, 1, RegisterScope::task).size(), 7U);
    // The same bytes as a ring's form say something else: that is why the scope counts.
    EXPECT_THAT(shown(register_fields(11, bytes, 1)), ElementsAre("of=ring", "restrictions[0].opcode=register_op",
                                                                  "restrictions[0].register_op=register_personality"));
}

TEST(UringRegister, FilterOfARingOrATask) {
    const struct {
        std::uint16_t command = 1;
        std::uint16_t command_flags = 0;
        std::uint32_t reserved = 0;
        std::uint32_t opcode = 45;
        std::uint32_t flags = 3;
        std::uint32_t length = 6;
        std::uint8_t size = 12;
        std::uint8_t reserved2[3] = {};
        std::uint64_t program = 4096;
        std::uint64_t reserved3[5] = {};
    } filter;
    EXPECT_THAT(shown(register_fields(37, bytes_of(filter), 1, RegisterScope::task)),
                ElementsAre("of=task", "cmd_type=filter", "cmd_flags=0", "filter.opcode=socket",
                            "filter.flags=IO_URING_BPF_FILTER_DENY_REST|IO_URING_BPF_FILTER_SZ_STRICT",
                            "filter.filter_len=6", "filter.pdu_size=12", "filter.filter_ptr=4096"));
    EXPECT_EQ(shown(register_fields(37, bytes_of(filter), 1)).front(), "of=ring");
}

TEST(UringRegister, NapiSaysHowQueuesAreFound) {
    const std::uint32_t inactive[] = {50, 1, 255, 0};
    EXPECT_THAT(shown(register_fields(27, bytes_of(inactive), 1)),
                ElementsAre("busy_poll_to=50", "prefer_busy_poll=1", "opcode=register", "op_param=inactive"));
    const std::uint32_t added[] = {0, 1U << 8U, 255, 0};
    EXPECT_THAT(shown(register_fields(27, bytes_of(added), 1)),
                ElementsAre("busy_poll_to=0", "prefer_busy_poll=0", "opcode=static_add_id", "op_param=255"));
}

TEST(UringRegister, ZeroCopyReceive) {
    const std::uint32_t queue[24] = {2, 7, 4096, 2, 0x1000, 0, 0x2000, 0, 0, 4, 64, 0, 0, 0, 0, 0, 9, 16384, 0x3000};
    EXPECT_THAT(shown(register_fields(32, bytes_of(queue), 1)),
                ElementsAre("if_idx=2", "if_rxq=7", "rq_entries=4096", "flags=ZCRX_REG_NODEV", "area_ptr=4096",
                            "region_ptr=8192", "offsets.head=0", "offsets.tail=4", "offsets.rqes=64", "zcrx_id=9",
                            "rx_buf_len=16384", "event_desc=12288"));
    std::uint32_t control[18] = {9, 1};
    control[6] = 5;
    EXPECT_THAT(shown(register_fields(36, bytes_of(control), 0)), ElementsAre("zcrx_id=9", "op=export", "zcrx_fd=5"));
    control[1] = 2;
    control[6] = 1;
    EXPECT_THAT(shown(register_fields(36, bytes_of(control), 0)),
                ElementsAre("zcrx_id=9", "op=arm_event", "event_type=ZCRX_EVENT_COPY"));
    control[1] = 0;
    EXPECT_THAT(shown(register_fields(36, bytes_of(control), 0)), ElementsAre("zcrx_id=9", "op=flush_rq"));
    control[1] = 77;
    EXPECT_THAT(shown(register_fields(36, bytes_of(control), 0)), ElementsAre("zcrx_id=9", "op=77"));
    const std::uint32_t area[12] = {0x1000, 0, 8192, 0, 0x5000, 0, 1, 11};
    EXPECT_THAT(shown(zcrx_area_fields(bytes_of(area))), ElementsAre("addr=4096", "len=8192", "rq_area_token=20480",
                                                                     "flags=IORING_ZCRX_AREA_DMABUF", "dmabuf_fd=11"));
    const std::uint32_t event[24] = {0xbeef, 0, 3, 1, 128};
    EXPECT_THAT(shown(zcrx_event_fields(bytes_of(event))),
                ElementsAre("user_data=48879", "type_mask=ZCRX_EVENT_ALLOC_FAIL|ZCRX_EVENT_COPY",
                            "flags=ZCRX_EVENT_DESC_FLAG_STATS", "stats_offset=128"));
    const std::uint32_t region[16] = {0x2000, 0, 4096, 0, 1, 3, 0x3000};
    EXPECT_THAT(
        shown(region_fields(bytes_of(region))),
        ElementsAre("user_addr=8192", "size=4096", "flags=IORING_MEM_REGION_TYPE_USER", "id=3", "mmap_offset=12288"));
}

TEST(UringRegister, QueriesAndTheirAnswers) {
    std::uint32_t query[10] = {0, 0, 0x1000, 0, 0, 48};
    const std::uint64_t opcodes[] = {65 | 38ULL << 32U, 1U << 1U, 1U << 19U, 1U << 7U, 1U << 6U, 4};
    EXPECT_THAT(shown(query_answer_fields(bytes_of(query), bytes_of(opcodes))),
                ElementsAre("nr_request_opcodes=65", "nr_register_opcodes=38", "feature_flags=IORING_FEAT_NODROP",
                            "ring_setup_flags=IORING_SETUP_SQE_MIXED", "enter_flags=IORING_ENTER_NO_IOWAIT",
                            "sqe_flags=IOSQE_CQE_SKIP_SUCCESS", "nr_query_opcodes=4"));
    query[4] = 2;
    EXPECT_THAT(shown(query_answer_fields(bytes_of(query), bytes_of(opcodes).substr(0, 8))),
                ElementsAre("hdr_size=163208757313"));
    query[4] = 99;
    EXPECT_THAT(query_answer_fields(bytes_of(query), bytes_of(opcodes)), IsEmpty());
    EXPECT_THAT(query_answer_fields("", bytes_of(opcodes)), IsEmpty());
}

TEST(UringCommands, AreNamedByTheirFile) {
    EXPECT_EQ(uring_command_name(command_owner("socket", "socket:[1]"), 3), "SOCKET_URING_OP_SETSOCKOPT");
    EXPECT_EQ(uring_command_name(command_owner("character device", "/dev/fuse"), 3), "FUSE_IO_URING_CMD_ADD_QUEUE");
    EXPECT_EQ(uring_command_name(command_owner("character device", "/dev/ublk-control"), 4), "UBLK_CMD_ADD_DEV");
    EXPECT_EQ(uring_command_name(command_owner("character device", "/dev/ublkc0"), 0x20), "UBLK_IO_FETCH_REQ");
    EXPECT_EQ(uring_command_name(command_owner("character device", "/dev/null"), 3), std::nullopt);
    EXPECT_EQ(uring_command_name(command_owner("character device", "/dev/ublkc0"), 0xc010'7520), "UBLK_U_IO_FETCH_REQ");
    EXPECT_EQ(uring_command_name(command_owner("character device", "/dev/ng0n1"), 0xc048'4e80), "NVME_URING_CMD_IO");
    EXPECT_EQ(uring_command_name(command_owner("block device", "/dev/vda"), 0x1200), "BLOCK_URING_CMD_DISCARD");
    EXPECT_EQ(uring_command_name(command_owner("regular file", "/mnt/a"), 0x8080'9440), "BTRFS_IOC_ENCODED_READ");
    EXPECT_EQ(uring_command_name(command_owner("socket", "socket:[1]"), 99), std::nullopt);
}

TEST(UringRegister, WhatIsMissingOrUnknownGivesNothing) {
    EXPECT_THAT(register_fields(IORING_REGISTER_ENABLE_RINGS, {}, 0), IsEmpty());
    EXPECT_THAT(register_fields(999, std::string(64, 'x'), 1), IsEmpty());
    EXPECT_THAT(register_fields(24, {}, 1), IsEmpty());
    EXPECT_THAT(shown(register_fields(24, std::string(12, '\0'), 1)), ElementsAre("addr=0", "fd=0"));
    for (std::uint32_t opcode = 0; opcode < 40; ++opcode) {
        for (std::size_t size = 0; size < 200; ++size) {
            for (const Field& field : register_fields(opcode, std::string(size, '\xff'), 0xffffffff)) {
                EXPECT_FALSE(field.name.empty());
            }
        }
    }
}

TEST(UringStructures, ParamsAndTheOthers) {
    io_uring_params params{};
    params.sq_entries = 8;
    params.cq_entries = 16;
    params.flags = IORING_SETUP_CQSIZE;
    params.features = IORING_FEAT_NODROP;
    params.sq_off.array = 320;
    params.cq_off.cqes = 64;
    const auto lines = shown(uring_params_fields(bytes_of(params)));
    for (const char* line : {"sq_entries=8", "cq_entries=16", "flags=IORING_SETUP_CQSIZE",
                             "features=IORING_FEAT_NODROP", "sq_off.array=320", "cq_off.cqes=64"}) {
        EXPECT_THAT(lines, testing::Contains(line));
    }
    const std::uint64_t how[] = {O_RDWR | O_CREAT, 0600, 8};
    EXPECT_THAT(shown(open_how_fields(bytes_of(how))),
                ElementsAre("flags=O_RDWR|O_CREAT", "mode=384", "resolve=RESOLVE_BENEATH"));
    io_uring_getevents_arg wait{};
    wait.sigmask_sz = 8;
    wait.ts = 4096;
    EXPECT_THAT(shown(getevents_arg_fields(bytes_of(wait))),
                ElementsAre("sigmask=0", "sigmask_sz=8", "min_wait_usec=0", "ts=4096"));
    const std::uint64_t futex[] = {1, 4096, 0x82};
    EXPECT_THAT(
        shown(futex_waitv_fields(bytes_of(futex))),
        ElementsAre("futexes[0].val=1", "futexes[0].uaddr=4096", "futexes[0].flags=FUTEX2_SIZE_U32|FUTEX2_PRIVATE"));
}

}  // namespace
}  // namespace inflight::catalog
