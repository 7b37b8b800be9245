// SPDX-License-Identifier: Apache-2.0
#include "model/accesses.hpp"

#include "catalog/uring.hpp"
#include "model/uring_abi.hpp"
#include "model/uring_tracked.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cstring>

namespace inflight::model {

namespace {

using catalog::MemoryUse;
using catalog::SqeField;

// IOSQE_*, IORING_RECVSEND_FIXED_BUF of sqe.ioprio, RWF_APPEND
constexpr std::uint8_t sqe_buffer_select = 1U << 5U;
constexpr std::uint16_t send_fixed_buffer = 1U << 2U;
constexpr std::uint32_t rwf_append = 0x10;

// Where they stand in a struct io_uring_sqe.
constexpr std::size_t sqe_ioprio_offset = 2;
constexpr std::size_t sqe_buffer_index_offset = 40;

enum class How : std::uint8_t {
    storage,        // reads or writes data of a file, or makes it durable
    storage_write,  // ... writes it
    waits,
    transfer,  // reads; of anything but storage it waits
};

struct OpTraits {
    std::uint16_t opcode;
    How how;
};

// IOCB_CMD_*
constexpr OpTraits aio_traits[] = {
    {0, How::transfer}, {1, How::storage_write}, {2, How::storage},       {3, How::storage},
    {5, How::waits},    {7, How::transfer},      {8, How::storage_write},
};

// IORING_OP_*; what is not here is neither.
constexpr OpTraits uring_traits[] = {
    {1, How::transfer},        // readv
    {2, How::storage_write},   // writev
    {3, How::storage},         // fsync
    {4, How::transfer},        // read_fixed
    {5, How::storage_write},   // write_fixed
    {6, How::waits},           // poll_add
    {8, How::storage},         // sync_file_range
    {10, How::waits},          // recvmsg
    {11, How::waits},          // timeout
    {13, How::waits},          // accept
    {15, How::waits},          // link_timeout
    {17, How::storage},        // fallocate
    {22, How::transfer},       // read
    {23, How::storage_write},  // write
    {24, How::storage},        // fadvise
    {27, How::waits},          // recv
    {30, How::waits},          // splice
    {33, How::waits},          // tee
    {46, How::waits},          // uring_cmd
    {49, How::waits},          // read_multishot
    {50, How::waits},          // waitid
    {51, How::waits},          // futex_wait
    {53, How::waits},          // futex_waitv
    {55, How::storage},        // ftruncate
    {58, How::waits},          // recv_zc
    {59, How::waits},          // epoll_wait
    {60, How::transfer},       // readv_fixed
    {61, How::storage_write},  // writev_fixed
    {64, How::waits},          // uring_cmd128
};

const OpTraits* traits_of(const Request& request) {
    if (!request.opcode) {
        return nullptr;
    }
    const std::span<const OpTraits> table =
        request.family == Family::aio ? std::span<const OpTraits>(aio_traits) : std::span<const OpTraits>(uring_traits);
    const auto found = std::ranges::find(table, *request.opcode, &OpTraits::opcode);
    return found == table.end() ? nullptr : &*found;
}

bool on_storage(const Request& request) {
    return request.file && (request.file->kind == "regular file" || request.file->kind == "block device");
}

ByteRange range_at(std::uint64_t start, std::uint64_t length) {
    const std::uint64_t room = ~std::uint64_t{0} - start;
    return {.start = start, .end = start + std::min(length, room)};
}

// The first page is nobody's memory: what points there is a mistake, but harms no other request.
constexpr std::uint64_t lowest_memory = 0x1000;

void add_memory(Accesses& accesses, std::uint64_t address, std::uint64_t length) {
    if (address >= lowest_memory && length != 0) {
        accesses.memory.push_back(range_at(address, length));
    }
}

// The sum of the lengths if all are known.
std::optional<std::uint64_t> add_vectors(Accesses& accesses, const Request& request) {
    const Detail* detail = request.uring ? request.uring->detail(IFL_DETAIL_IOVECS) : nullptr;
    // In a 32-bit task they have another layout.
    if (detail == nullptr || !detail->readable || request.compat) {
        accesses.memory_complete = false;
        return std::nullopt;
    }
    const std::size_t count = detail->bytes.size() / sizeof(iovec);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; i++) {
        iovec vector{};
        std::memcpy(&vector, detail->bytes.data() + i * sizeof(iovec), sizeof(iovec));
        add_memory(accesses, reinterpret_cast<std::uint64_t>(vector.iov_base), vector.iov_len);
        sum += vector.iov_len;
    }
    accesses.memory_complete = !detail->truncated && count >= detail->total;
    return accesses.memory_complete ? std::optional(sum) : std::nullopt;
}

struct MemoryFields {
    MemoryUse use = MemoryUse::none;
    SqeField address = SqeField::unused;
};

MemoryFields memory_fields(const Request& request) {
    if (request.family == Family::aio) {
        switch (request.opcode.value_or(6)) {
            case 0:
                return {.use = MemoryUse::writes, .address = SqeField::buffer};
            case 1:
                return {.use = MemoryUse::reads, .address = SqeField::buffer};
            case 7:
                return {.use = MemoryUse::writes, .address = SqeField::iovecs};
            case 8:
                return {.use = MemoryUse::reads, .address = SqeField::iovecs};
            default:
                return {};
        }
    }
    const catalog::UringOp* op = request.opcode ? catalog::uring_op(*request.opcode) : nullptr;
    if (op == nullptr || (request.uring && (request.uring->sqe_flags & sqe_buffer_select) != 0)) {
        return {};
    }
    return {.use = op->memory, .address = op->addr};
}

}  // namespace

Accesses accesses_of(const Request& request) {
    Accesses accesses;
    const MemoryFields fields = memory_fields(request);
    if (fields.use == MemoryUse::none) {
        return accesses;
    }
    accesses.writes_memory = fields.use == MemoryUse::writes;
    if (request.origin == Origin::unknown) {
        accesses.memory_complete = false;
        return accesses;
    }
    std::optional<std::uint64_t> length;
    if (request.family == Family::uring && uring::sends_vectors(request)) {
        accesses.memory_complete = false;
    } else if (fields.address == SqeField::buffer) {
        length = request.length;
        add_memory(accesses, request.buffer, request.length);
    } else if (fields.address == SqeField::iovecs) {
        length = add_vectors(accesses, request);
    } else {
        accesses.memory_complete = false;
    }
    const OpTraits* traits = traits_of(request);
    if (traits != nullptr && traits->how == How::storage_write && on_storage(request) && length.value_or(0) != 0 &&
        request.offset >= 0 && !request.appended && (request.rw_flags & rwf_append) == 0) {
        accesses.file_write = range_at(static_cast<std::uint64_t>(request.offset), *length);
    }
    return accesses;
}

std::optional<std::uint16_t> registered_buffer(const Request& request) {
    // IORING_OP_READ_FIXED, WRITE_FIXED, READV_FIXED, WRITEV_FIXED; SEND_ZC, SENDMSG_ZC by a flag
    constexpr std::uint16_t always[] = {4, 5, 60, 61};
    constexpr std::uint16_t by_flag[] = {47, 48};
    if (request.family != Family::uring || !request.opcode || !request.uring || !request.uring->sqe_known) {
        return std::nullopt;
    }
    const auto field = [&](std::size_t offset) {
        std::uint16_t value = 0;
        std::memcpy(&value, request.uring->sqe.data() + offset, sizeof(value));
        return value;
    };
    const bool chosen = std::ranges::find(by_flag, *request.opcode) != std::end(by_flag) &&
                        (field(sqe_ioprio_offset) & send_fixed_buffer) != 0;
    if (!chosen && std::ranges::find(always, *request.opcode) == std::end(always)) {
        return std::nullopt;
    }
    return field(sqe_buffer_index_offset);
}

Nature nature_of(const Request& request) {
    if (request.uring && (request.uring->link_head != 0 || request.uring->multishot || request.uring->defer_ns ||
                          (request.uring->sqe_flags & uring::sqe_io_drain) != 0)) {
        return Nature::waiting;
    }
    const OpTraits* traits = traits_of(request);
    if (traits == nullptr) {
        return Nature::other;
    }
    if (traits->how == How::waits) {
        return Nature::waiting;
    }
    if (on_storage(request)) {
        return Nature::storage;
    }
    return traits->how == How::transfer ? Nature::waiting : Nature::other;
}

bool fills_memory(const Request& request) {
    return memory_fields(request).use == MemoryUse::writes;
}

}  // namespace inflight::model
