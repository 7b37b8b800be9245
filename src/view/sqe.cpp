// SPDX-License-Identifier: Apache-2.0
#include "view/sqe.hpp"

#include "catalog/uring_commands.hpp"
#include "model/uring_abi.hpp"
#include "model/uring_tracked.hpp"

#include <fmt/format.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

namespace inflight::view {

namespace uring = model::uring;
namespace {

// include/uapi/linux/wait.h
constexpr catalog::Name wait_id_types[] = {{0, "P_ALL"}, {1, "P_PID"}, {2, "P_PGID"}, {3, "P_PIDFD"}};
constexpr catalog::Name wait_options[] = {{0x1, "WNOHANG"},       {0x2, "WSTOPPED"},       {0x4, "WEXITED"},
                                          {0x8, "WCONTINUED"},    {0x01000000, "WNOWAIT"}, {0x20000000, "__WNOTHREAD"},
                                          {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"}};

using catalog::SqeField;

// Newer than the headers of the oldest system that inflight is built on.
constexpr std::uint32_t timeout_immediate_arg = 1U << 7U;
constexpr std::uint32_t hardware_stamp = 1U << 16U;  // IORING_CQE_F_TSTAMP_HW
constexpr std::uint32_t socket_getsockopt = 2;
constexpr std::uint32_t socket_setsockopt = 3;

constexpr std::uint8_t opens_file[] = {uring::op_openat, uring::op_openat2, uring::op_accept, uring::op_socket,
                                       uring::op_fixed_fd_install};
constexpr std::uint8_t always_fixed_buffer[] = {uring::op_read_fixed, uring::op_write_fixed, uring::op_readv_fixed,
                                                uring::op_writev_fixed};
constexpr std::uint8_t commands_of_files[] = {uring::op_uring_cmd, uring::op_uring_cmd128};
constexpr std::uint8_t fills_buffer_group[] = {uring::op_provide_buffers, uring::op_remove_buffers};

bool is_one_of(const catalog::UringOp& operation, auto&& opcodes) {
    return std::ranges::find(opcodes, operation.opcode) != std::end(opcodes);
}

template <typename Structure>
std::optional<Structure> structure_of(const model::Request& request, ifl_detail_kind kind) {
    const model::Detail* detail = readable_detail(request, kind);
    if (detail == nullptr || detail->bytes.size() < sizeof(Structure)) {
        return std::nullopt;
    }
    Structure structure{};
    std::memcpy(&structure, detail->bytes.data(), sizeof structure);
    return structure;
}

std::optional<struct open_how> open_how_of(const model::Request& request) {
    return structure_of<struct open_how>(request, IFL_DETAIL_OPEN_HOW);
}

// What both the operation and its SQE are needed for.
struct Known {
    const catalog::UringOp& operation;
    std::optional<struct io_uring_sqe> sqe;  // never empty: a plain member ends in an array of no elements
    [[nodiscard]] std::uint32_t flags() const { return static_cast<std::uint32_t>(sqe->rw_flags); }
};
std::optional<Known> known(const model::Request& request) {
    const catalog::UringOp* operation = uring_operation(request);
    const auto sqe = sqe_of(request);
    if (operation == nullptr || !sqe) {
        return std::nullopt;
    }
    return Known{.operation = *operation, .sqe = sqe};
}

catalog::CommandOwner command_owner(const model::Request& request) {
    return request.file ? catalog::command_owner(request.file->kind, request.file->name)
                        : catalog::CommandOwner::unknown;
}

bool asks_for_timestamps(const model::Request& request) {
    return command_number(request) == catalog::tx_timestamp_command &&
           command_owner(request) == catalog::CommandOwner::socket;
}

std::string timestamp_type(std::uint32_t cqe_flags) {
    return catalog::number_name(catalog::tx_timestamp_types(), cqe_flags >> catalog::tx_timestamp_type_shift);
}

bool is_poll(const catalog::UringOp& operation) {
    return operation.opcode == uring::op_poll_add;
}

}  // namespace

const catalog::UringOp* uring_operation(const model::Request& request) {
    return request.family == model::Family::uring && request.opcode ? catalog::uring_op(*request.opcode) : nullptr;
}

std::optional<struct io_uring_sqe> sqe_of(const model::Request& request) {
    if (!request.uring || !request.uring->sqe_known) {
        return std::nullopt;
    }
    struct io_uring_sqe sqe{};
    static_assert(sizeof sqe == IFL_SQE_BYTES);
    std::memcpy(&sqe, request.uring->sqe.data(), sizeof sqe);
    return sqe;
}

std::optional<std::string> operation_flags(const model::Request& request) {
    if (const auto how = open_how_of(request)) {
        return catalog::flag_names(catalog::open_flags(), how->flags);
    }
    const auto found = known(request);
    if (!found || found->operation.flags_name.empty()) {
        return std::nullopt;
    }
    return catalog::uring_op_flag_names(found->operation.opcode, found->flags());
}

std::optional<std::string> length_flags(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.len != SqeField::flags) {
        return std::nullopt;
    }
    return catalog::flag_names(catalog::uring_len_flags(found->operation.opcode), found->sqe->len);
}

std::optional<std::string> timeout_flags(const model::Request& request) {
    const catalog::UringOp* operation = uring_operation(request);
    return operation != nullptr && operation->flags_name == "timeout_flags" ? operation_flags(request) : std::nullopt;
}

std::optional<std::string> ioprio_flags(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.ioprio_flags.empty()) {
        return std::nullopt;
    }
    return catalog::flag_names(found->operation.ioprio_flags, found->sqe->ioprio);
}

std::optional<std::string> resolve_flags(const model::Request& request) {
    const auto how = open_how_of(request);
    return how ? std::optional(catalog::flag_names(catalog::resolve_flags(), how->resolve)) : std::nullopt;
}

std::optional<std::uint64_t> poll_mask(const model::Request& request) {
    const auto found = known(request);
    return found && is_poll(found->operation) ? std::optional<std::uint64_t>(found->flags()) : std::nullopt;
}

std::optional<std::uint16_t> buffer_index(const model::Request& request) {
    const auto found = known(request);
    if (!found) {
        return std::nullopt;
    }
    const std::uint8_t opcode = found->operation.opcode;
    const bool by_ioprio = (opcode == uring::op_send_zc || opcode == uring::op_sendmsg_zc) &&
                           (found->sqe->ioprio & IORING_RECVSEND_FIXED_BUF) != 0;
    const bool by_flags =
        is_one_of(found->operation, commands_of_files) && (found->flags() & IORING_URING_CMD_FIXED) != 0;
    return is_one_of(found->operation, always_fixed_buffer) || by_ioprio || by_flags
               ? std::optional<std::uint16_t>(found->sqe->buf_index)
               : std::nullopt;
}

std::optional<std::uint16_t> buffer_group(const model::Request& request) {
    const auto found = known(request);
    return found && ((found->sqe->flags & uring::sqe_buffer_select) != 0 ||
                     is_one_of(found->operation, fills_buffer_group))
               ? std::optional<std::uint16_t>(found->sqe->buf_group)
               : std::nullopt;
}

std::optional<std::uint16_t> personality(const model::Request& request) {
    const auto sqe = sqe_of(request);
    return sqe && sqe->personality != 0 ? std::optional<std::uint16_t>(sqe->personality) : std::nullopt;
}

std::optional<std::int32_t> splice_source(const model::Request& request) {
    const auto found = known(request);
    return found && (found->operation.opcode == uring::op_splice || found->operation.opcode == uring::op_tee)
               ? std::optional<std::int32_t>(found->sqe->splice_fd_in)
               : std::nullopt;
}

std::optional<std::uint64_t> target_user_data(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.addr != SqeField::user_data) {
        return std::nullopt;
    }
    // io_cancel_req_match(): user_data counts when asked for, or when nothing else was.
    if (found->operation.opcode == uring::op_async_cancel) {
        const std::uint32_t flags = found->flags();
        const bool other_key = (flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)) != 0;
        if ((flags & IORING_ASYNC_CANCEL_ANY) != 0 || (other_key && (flags & IORING_ASYNC_CANCEL_USERDATA) == 0)) {
            return std::nullopt;
        }
    }
    return found->sqe->addr;
}

std::optional<std::uint64_t> immediate_ns(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.flags_name != "timeout_flags" || (found->flags() & timeout_immediate_arg) == 0) {
        return std::nullopt;
    }
    // sqe.addr of a timeout, sqe.addr2 of one that changes another
    return found->operation.addr == SqeField::timespec ? found->sqe->addr : found->sqe->addr2;
}

std::optional<std::uint64_t> timeout_ns(const model::Request& request) {
    struct KernelTimespec {  // struct __kernel_timespec
        std::int64_t seconds;
        std::int64_t nanoseconds;
    };
    constexpr std::int64_t per_second = 1'000'000'000;
    if (const auto immediate = immediate_ns(request)) {
        return immediate;
    }
    const model::Detail* const detail = readable_detail(request, IFL_DETAIL_TIMESPEC);
    if (detail != nullptr && detail->bytes.size() == sizeof(std::int64_t)) {
        const auto kept_ns = structure_of<std::int64_t>(request, IFL_DETAIL_TIMESPEC);
        return kept_ns && *kept_ns >= 0 ? std::optional<std::uint64_t>(*kept_ns) : std::nullopt;
    }
    const auto time = structure_of<KernelTimespec>(request, IFL_DETAIL_TIMESPEC);
    if (!time || time->seconds < 0 || time->nanoseconds < 0 || time->nanoseconds >= per_second ||
        time->seconds >= std::numeric_limits<std::int64_t>::max() / per_second) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(time->seconds * per_second + time->nanoseconds);
}

std::optional<AbsoluteTimeout> absolute_timeout(const model::Request& request) {
    constexpr std::uint32_t abs = 1U << 0U;
    constexpr std::uint32_t boottime = 1U << 2U;
    constexpr std::uint32_t realtime = 1U << 3U;
    const auto time_ns = timeout_ns(request);
    const auto found = known(request);
    if (!time_ns || !found || (found->sqe->timeout_flags & abs) == 0) {
        return std::nullopt;
    }
    const std::uint32_t flags = found->sqe->timeout_flags;
    AbsoluteTimeout moment{.clock = (flags & realtime) != 0   ? "CLOCK_REALTIME"
                                    : (flags & boottime) != 0 ? "CLOCK_BOOTTIME"
                                                              : "CLOCK_MONOTONIC",
                           .time_ns = *time_ns,
                           .left_ns = {}};
    if ((flags & (realtime | boottime)) == 0 && request.submit_ns) {
        moment.left_ns = static_cast<std::int64_t>(*time_ns - *request.submit_ns);
    }
    return moment;
}

std::optional<std::uint64_t> file_mode(const model::Request& request) {
    if (const auto how = open_how_of(request)) {
        return how->mode;
    }
    const auto found = known(request);
    return found && found->operation.len == SqeField::mode ? std::optional<std::uint64_t>(found->sqe->len)
                                                           : std::nullopt;
}

std::optional<std::uint32_t> command_number(const model::Request& request) {
    const auto found = known(request);
    return found && is_one_of(found->operation, commands_of_files) ? std::optional<std::uint32_t>(found->sqe->cmd_op)
                                                                   : std::nullopt;
}

std::optional<std::string_view> command_name(const model::Request& request) {
    const auto number = command_number(request);
    if (!number) {
        return std::nullopt;
    }
    return catalog::uring_command_name(command_owner(request), *number);
}

std::optional<SocketOption> socket_option(const model::Request& request) {
    const auto number = command_number(request);
    if (command_owner(request) != catalog::CommandOwner::socket ||
        (number != socket_getsockopt && number != socket_setsockopt)) {
        return std::nullopt;
    }
    // level and optname share the place of addr, optlen that of splice_fd_in, optval that of addr3.
    const auto sqe = *sqe_of(request);
    return SocketOption{.level = static_cast<std::uint32_t>(sqe.addr),
                        .name = static_cast<std::uint32_t>(sqe.addr >> 32U),
                        .length_bytes = static_cast<std::uint32_t>(sqe.splice_fd_in),
                        .address = sqe.addr3};
}

std::optional<Attributes> attributes(const model::Request& request) {
    struct IntegrityAttribute {  // struct io_uring_attr_pi
        std::uint16_t flags;
        std::uint16_t app_tag;
        std::uint32_t length;
        std::uint64_t address;
        std::uint64_t seed;
        std::uint64_t reserved;
    };
    const auto sqe = sqe_of(request);
    // Without the detail the kernel knows of no attributes, and what stands there is nothing.
    if (!sqe || !request.uring->detail(IFL_DETAIL_INTEGRITY)) {
        return std::nullopt;
    }
    const std::uint64_t mask = sqe->__pad2[0];
    Attributes found{
        .flags = catalog::flag_names(catalog::rw_attr_flags(), mask), .address = sqe->addr3, .integrity = {}};
    const auto integrity = structure_of<IntegrityAttribute>(request, IFL_DETAIL_INTEGRITY);
    if (integrity && (mask & 1U) != 0) {
        found.integrity = {.flags = catalog::flag_names(catalog::integrity_flags(), integrity->flags),
                           .app_tag = integrity->app_tag,
                           .length_bytes = integrity->length,
                           .address = integrity->address,
                           .seed = integrity->seed};
    }
    return found;
}

std::optional<std::uint8_t> write_stream(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.flags_name != "rw_flags") {
        return std::nullopt;
    }
    const auto stream = static_cast<std::uint8_t>(found->sqe->splice_fd_in);  // its first byte
    return stream != 0 ? std::optional(stream) : std::nullopt;
}

std::optional<std::uint64_t> notification_user_data(const model::Request& request) {
    const auto sqe = sqe_of(request);
    return sqe && model::uring::zero_copy(request) && sqe->addr3 != 0 ? std::optional<std::uint64_t>(sqe->addr3)
                                                                      : std::nullopt;
}

std::string cqe_flags_text(const model::Request* request, std::uint32_t flags) {
    if (request == nullptr || !asks_for_timestamps(*request) || (flags & uring::cqe_more) == 0) {
        return catalog::cqe_flag_names(flags);
    }
    constexpr std::uint32_t lower_half = 0xffff;
    std::string text = catalog::flag_names(catalog::cqe_flags(), flags & lower_half);
    if (const auto hardware = flags & hardware_stamp; hardware != 0) {
        text += "|" + catalog::flag_names(catalog::tx_timestamp_flags(), hardware);
    }
    return text + "|" + timestamp_type(flags);
}

std::optional<TxTimestamp> tx_timestamp(const model::Completion& completion) {
    const model::Cqe& cqe = completion.cqe;
    if (completion.request == nullptr || !asks_for_timestamps(*completion.request) || !cqe.big ||
        (cqe.flags & uring::cqe_more) == 0) {
        return std::nullopt;
    }
    return TxTimestamp{.hardware = (cqe.flags & hardware_stamp) != 0,
                       .type = timestamp_type(cqe.flags),
                       .seconds = cqe.big->front(),
                       .nanoseconds = cqe.big->back()};
}

std::optional<std::string> notification_usage(const model::Cqe& cqe) {
    return (cqe.flags & uring::cqe_notif) != 0
               ? std::optional(
                     catalog::flag_names(catalog::uring_notif_flags(), static_cast<std::uint32_t>(cqe.result)))
               : std::nullopt;
}

std::string big_cqe_text(const std::optional<std::array<std::uint64_t, 2>>& big) {
    return big && (big->front() != 0 || big->back() != 0) ? fmt::format("{:#x} {:#x}", big->front(), big->back())
                                                          : std::string();
}

std::optional<std::string> msg_ring_command(const model::Request& request) {
    const auto found = known(request);
    return found && found->operation.opcode == uring::op_msg_ring
               ? std::optional(catalog::number_name(catalog::uring_msg_ring_cmds(), found->sqe->addr))
               : std::nullopt;
}

std::optional<FutexOperands> futex_operands(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.opcode < uring::op_futex_wait || found->operation.opcode > uring::op_futex_waitv) {
        return std::nullopt;
    }
    const io_uring_sqe& sqe = *found->sqe;
    FutexOperands futex;
    futex.address = sqe.addr;
    if (found->operation.opcode == uring::op_futex_waitv) {
        futex.count = sqe.len;
    } else {
        futex.value = sqe.addr2;
        futex.mask = sqe.addr3;
        futex.flags = static_cast<std::uint32_t>(sqe.fd);
    }
    return futex;
}

std::optional<WaitOperands> wait_operands(const model::Request& request) {
    const auto found = known(request);
    if (!found || found->operation.opcode != uring::op_waitid) {
        return std::nullopt;
    }
    const io_uring_sqe& sqe = *found->sqe;
    return WaitOperands{.id_type = catalog::number_name(wait_id_types, sqe.len),
                        .id = sqe.fd,
                        .options = catalog::flag_names(wait_options, sqe.file_index)};
}

std::optional<std::uint64_t> vector_bytes(const model::Request& request) {
    struct Vector {  // struct iovec
        std::uint64_t base;
        std::uint64_t length;
    };
    const model::Detail* detail = readable_detail(request, IFL_DETAIL_IOVECS);
    if (detail == nullptr || detail->truncated || detail->total == 0 ||
        detail->bytes.size() / sizeof(Vector) != detail->total) {
        return std::nullopt;
    }
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at + sizeof(Vector) <= detail->bytes.size(); at += sizeof(Vector)) {
        Vector vector{};
        std::memcpy(&vector, detail->bytes.data() + at, sizeof vector);
        sum += vector.length;
    }
    return sum;
}

NewFile new_file(const model::Request& request) {
    const catalog::UringOp* operation = uring_operation(request);
    if (operation == nullptr || !is_one_of(*operation, opens_file)) {
        return NewFile::none;
    }
    const auto sqe = sqe_of(request);
    if (!sqe) {
        return NewFile::none;
    }
    if (operation->opcode == uring::op_fixed_fd_install || sqe->file_index == 0) {
        return NewFile::descriptor;
    }
    // With an index of its own choice the program gets 0.
    return sqe->file_index == IORING_FILE_INDEX_ALLOC ? NewFile::fixed : NewFile::none;
}

const model::Detail* readable_detail(const model::Request& request, ifl_detail_kind kind) {
    const model::Detail* detail = request.uring ? request.uring->detail(kind) : nullptr;
    return detail != nullptr && detail->readable ? detail : nullptr;
}

std::optional<std::string> address_text(const model::Request& request, ifl_detail_kind kind) {
    const model::Detail* detail = readable_detail(request, kind);
    return detail != nullptr ? std::optional(catalog::sockaddr_name(detail->bytes)) : std::nullopt;
}

std::optional<std::int32_t> ring_fd(const model::Request& request) {
    return request.family == model::Family::uring && model::uring::is_ring_fd(request.ctx_id)
               ? std::optional(static_cast<std::int32_t>(request.ctx_id))
               : std::nullopt;
}

}  // namespace inflight::view
