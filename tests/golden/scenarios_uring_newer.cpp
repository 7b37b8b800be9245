// SPDX-License-Identifier: Apache-2.0
// What Linux 6.14 to 7.3 brought, with bytes as those kernels have them: the header here may not know it.
#include "parts_uring.hpp"

namespace inflight::golden {

using namespace parts;

namespace {

constexpr std::uint8_t nop128 = 63;
constexpr std::uint8_t uring_cmd128 = 64;
constexpr std::uint32_t immediate_arg = 1U << 7U;
constexpr std::uint32_t cqe_32 = 1U << 15U;

void show_wide(view::View& view) {
    view.on_request(uring_request(
        nop128, 100 * ms, 300, 0, [](struct io_uring_sqe& sqe) { sqe.fd = -1; },
        [](UringPart& part) {
            part.cqe_flags = cqe_32;
            part.big = {{0x1234, 0x5678}};
        }));
    Request command =
        uring_request(uring_cmd128, 101 * ms, 80 * us, 0, [](struct io_uring_sqe& sqe) { sqe.cmd_op = 0xc048'4e80; });
    command.file = file("/dev/ng0n1", "character device");
    view.on_request(command);
}

void show_commands(view::View& view) {
    Request option = uring_request(IORING_OP_URING_CMD, 102 * ms, 2 * us, 0, [](struct io_uring_sqe& sqe) {
        sqe.cmd_op = 3;
        sqe.addr = SOL_SOCKET | std::uint64_t{SO_RCVBUF} << 32U;
        sqe.splice_fd_in = 4;
        sqe.addr3 = 0x7ffd'0000'4000;
    });
    option.file = socket_file();
    view.on_request(option);
    Request disk = uring_request(IORING_OP_URING_CMD, 103 * ms, 900 * us, 0,
                                 [](struct io_uring_sqe& sqe) { sqe.cmd_op = 0x1200; });
    disk.file = file("/dev/vda", "block device");
    view.on_request(disk);
    Request fuse = still(uring_request(
        IORING_OP_URING_CMD, 104 * ms, 0, 0,
        [](struct io_uring_sqe& sqe) {
            sqe.cmd_op = 2;
            sqe.uring_cmd_flags = 2;  // IORING_URING_CMD_MULTISHOT
            sqe.flags = IOSQE_BUFFER_SELECT;
            sqe.buf_group = 7;
        },
        [](UringPart& part) { part.multishot = true; }));
    fuse.file = file("/dev/fuse", "character device");
    view.on_request(fuse);
    Request strange = uring_request(IORING_OP_URING_CMD, 105 * ms, 2 * us, -EOPNOTSUPP,
                                    [](struct io_uring_sqe& sqe) { sqe.cmd_op = 99; });
    strange.file = socket_file();
    view.on_request(strange);
}

void show_times(view::View& view) {
    view.on_request(ended(uring_request(IORING_OP_TIMEOUT, 110 * ms, 3 * ms, -ETIME,
                                        [](struct io_uring_sqe& sqe) {
                                            sqe.fd = -1;
                                            sqe.addr = 3'000'000;
                                            sqe.len = 1;
                                            sqe.timeout_flags = immediate_arg;
                                        }),
                          Outcome::completed, -ETIME));
    view.on_request(uring_request(IORING_OP_TIMEOUT_REMOVE, 111 * ms, 2 * us, 0, [](struct io_uring_sqe& sqe) {
        sqe.addr = 0xbee0;
        sqe.addr2 = 5'000'000;
        sqe.timeout_flags = IORING_TIMEOUT_UPDATE | immediate_arg;
    }));
    view.on_request(uring_request(
        IORING_OP_TIMEOUT_REMOVE, 112 * ms, 2 * us, 0,
        [](struct io_uring_sqe& sqe) {
            sqe.addr = 0xbee0;
            sqe.addr2 = 0x7ffd'0000'4000;
            sqe.timeout_flags = IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS;
        },
        [](UringPart& part) { part.details.push_back(timespec_detail(1, 5)); }));
}

void show_writes(view::View& view) {
    struct Integrity {
        std::uint16_t flags = 5;
        std::uint16_t app_tag = 7;
        std::uint32_t length = 64;
        std::uint64_t address = 0x7f5a'3000'0000;
        std::uint64_t seed = 0x99;
        std::uint64_t reserved = 0;
    };
    const auto written = [](std::uint64_t submit, const ChangeSqe& change, const ChangePart& change_part) {
        Request request = uring_request(
            IORING_OP_WRITE, submit, 40 * us, 4096,
            [&change](struct io_uring_sqe& sqe) {
                sqe.addr = 0x7f5a'2000'0000;
                sqe.len = 4096;
                sqe.off = 8192;
                change(sqe);
            },
            change_part);
        request.file = file("/dev/nvme0n1", "block device");
        return request;
    };
    const auto asks = [](struct io_uring_sqe& sqe) {
        sqe.addr3 = 0x7ffd'0000'5000;
        sqe.__pad2[0] = 1;
    };
    view.on_request(written(120 * ms, asks, [](UringPart& part) {
        part.details.push_back(detail(IFL_DETAIL_INTEGRITY, bytes_of(Integrity{})));
    }));
    view.on_request(written(121 * ms, asks, [](UringPart& part) {
        part.details.push_back(detail(IFL_DETAIL_INTEGRITY, ""));
        part.details.back().readable = false;
    }));
    // A kernel that knows no attributes does not look there.
    view.on_request(written(122 * ms, asks, {}));
    view.on_request(written(123 * ms, [](struct io_uring_sqe& sqe) { sqe.splice_fd_in = 3; }, {}));
}

void show_sends(view::View& view) {
    Request send = uring_request(
        IORING_OP_SEND_ZC, 130 * ms, 30 * us, 65'536,
        [](struct io_uring_sqe& sqe) {
            sqe.fd = 12;
            sqe.len = 65'536;
            sqe.addr3 = 0xbeef;
            sqe.ioprio = IORING_RECVSEND_FIXED_BUF | 1U << 3U;
        },
        [](UringPart& part) {
            part.cqe_count = 2;
            part.cqe_flags = IORING_CQE_F_MORE;
            part.notified_ns = at(130 * ms + 900 * us);
        });
    send.file = socket_file();
    view.on_request(send);
    Request vectors = uring_request(IORING_OP_SEND, 130 * ms, 30 * us, 100, [](struct io_uring_sqe& sqe) {
        sqe.fd = 12;
        sqe.len = 2;
        sqe.ioprio = 1U << 5U;  // IORING_SEND_VECTORIZED
    });
    vectors.file = socket_file();
    view.on_request(vectors);
    Completion notification;
    notification.context_id = ring_context;
    notification.user_data = 0xbeef;
    notification.cqe.time_ns = at(131 * ms);
    notification.cqe.result = static_cast<std::int32_t>(0x8000'0000);
    notification.cqe.flags = IORING_CQE_F_NOTIF;
    notification.pid = 777;
    notification.comm = "nginx";
    notification.request = std::make_shared<const Request>(send);
    view.on_completion(notification);

    Request stamps = still(uring_request(
        IORING_OP_URING_CMD, 132 * ms, 0, 0, [](struct io_uring_sqe& sqe) { sqe.cmd_op = 4; },
        [](UringPart& part) { part.cqe_count = 2; }));
    stamps.file = socket_file();
    Completion stamp;
    stamp.context_id = ring_context;
    stamp.user_data = 0xabc0;
    stamp.cqe.time_ns = at(133 * ms);
    stamp.cqe.result = 41;
    stamp.cqe.flags = IORING_CQE_F_MORE | cqe_32 | 2U << 17U;  // SCM_TSTAMP_ACK
    stamp.cqe.big = {1'800'000'000, 42};
    stamp.pid = 777;
    stamp.comm = "nginx";
    stamp.request = std::make_shared<const Request>(stamps);
    view.on_completion(stamp);
    stamp.cqe.flags = IORING_CQE_F_MORE | cqe_32 | 1U << 16U;
    view.on_completion(stamp);
    // Another multishot command in a ring of both sizes
    stamp.request.reset();
    view.on_completion(stamp);
}

Event register_event(std::uint64_t time, std::uint64_t fd, std::uint32_t opcode, std::int64_t ret) {
    Event result = event(IFL_IO_URING_REGISTER, time, 12'300, ret, {fd, opcode, 0x7ffd'0000'4000, 1});
    result.family = Family::uring;
    result.call.ctx_id = ring_descriptor;
    result.call.context_id = ring_context;
    return result;
}

constexpr std::uint64_t no_ring = 0xffff'ffff;

void show_limits(view::View& view) {
    struct TaskRestriction {
        std::uint16_t flags = 0;
        std::uint16_t count = 1;
        std::uint32_t reserved[3] = {};
        std::uint16_t opcode = 1;
        std::uint8_t op = uring_cmd128;
        std::uint8_t reserved2 = 0;
        std::uint32_t reserved3[3] = {};
    };
    Event restriction = register_event(490 * ms, no_ring, 11, 0);
    restriction.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(TaskRestriction{})));
    view.on_event(restriction);
    struct Filter {
        std::uint16_t command = 1;
        std::uint16_t command_flags = 0;
        std::uint32_t reserved = 0;
        std::uint32_t opcode = IORING_OP_SOCKET;
        std::uint32_t flags = 1;
        std::uint32_t length = 6;
        std::uint8_t size = 12;
        std::uint8_t reserved2[3] = {};
        std::uint64_t program = 0x7ffd'0000'5000;
        std::uint64_t reserved3[5] = {};
    };
    for (const std::uint64_t fd : {std::uint64_t{ring_descriptor}, no_ring}) {
        Event filter = register_event(491 * ms, fd, 37, -EACCES);
        filter.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Filter{})));
        view.on_event(filter);
    }
}

void show_queues(view::View& view) {
    struct Words {
        std::uint32_t values[24];
    };
    Event queue = register_event(492 * ms, ring_descriptor, 32, 0);
    queue.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Words{{2, 7, 4096, 2, 0x1000, 0, 0x2000, 0, 0, 4, 64,
                                                                        0, 0, 0, 0, 0, 9, 16384, 0x3000}})));
    queue.details.push_back(detail(IFL_DETAIL_ZCRX_AREA, bytes_of(Words{{0x5000, 0, 8192, 0, 0, 0, 1, 11}})));
    queue.details.push_back(detail(IFL_DETAIL_REGION, bytes_of(Words{{0x6000, 0, 4096, 0, 1}})));
    queue.details.push_back(detail(IFL_DETAIL_ZCRX_EVENT, bytes_of(Words{{0xbeef, 0, 2, 1, 128}})));
    view.on_event(queue);
    Event control = register_event(493 * ms, ring_descriptor, 36, 0);
    control.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Words{{9, 2, 0, 0, 0, 0, 1}})));
    view.on_event(control);
    Event query = register_event(494 * ms, no_ring, 35, 0);
    query.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Words{{0, 0, 0x1000, 0, 0, 48}})));
    query.details.push_back(detail(IFL_DETAIL_QUERY, bytes_of(Words{{65, 38, 2, 0, 1U << 19U, 0, 128, 0, 64, 0, 4}})));
    view.on_event(query);
    Event group = register_event(495 * ms, ring_descriptor, 22, 0);
    group.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Words{{0x1000, 0, 64, 7 | 2U << 16U, 512}})));
    view.on_event(group);
    Event napi = register_event(496 * ms, ring_descriptor, 27, 0);
    napi.details.push_back(detail(IFL_DETAIL_REGISTER, bytes_of(Words{{50, 1, 255}})));
    view.on_event(napi);

    Event enter = event(IFL_IO_URING_ENTER, 497 * ms, 12'300, 1,
                        {ring_descriptor, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | 1U << 6U, 64, 64});
    enter.family = Family::uring;
    enter.details.push_back(detail(IFL_DETAIL_REG_WAIT, bytes_of(Words{{2, 0, 500, 0, 30, 1, 0, 0, 8}})));
    view.on_event(enter);
}

}  // namespace

void feed_uring_newer(view::View& view) {
    view.begin(trace_info());
    show_wide(view);
    show_commands(view);
    show_times(view);
    show_writes(view);
    show_sends(view);
    Summary result = summary();
    result.requests = 15;
    result.completions = 4;
    view.end(result);
}

void feed_uring_newer_events(view::View& view) {
    view.begin(trace_info());
    show_limits(view);
    show_queues(view);
    Summary result = summary();
    result.events = 9;
    view.end(result);
}

}  // namespace inflight::golden
