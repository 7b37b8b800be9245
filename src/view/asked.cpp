// SPDX-License-Identifier: Apache-2.0
// The operations of both families, brought to one form: what a request was asked for and what its result means.
#include "model/uring_abi.hpp"
#include "model/uring_tracked.hpp"
#include "view/calls.hpp"
#include "view/sqe.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace inflight::view {

namespace uring = model::uring;
namespace {

using catalog::SqeField;
using model::Family;

struct AioOperation {
    std::uint16_t opcode;
    LengthUnit length;
    bool transfers;
};

constexpr AioOperation aio_operations[] = {
    {IOCB_CMD_PREAD, LengthUnit::bytes, true},       {IOCB_CMD_PWRITE, LengthUnit::bytes, true},
    {IOCB_CMD_FSYNC, LengthUnit::none, false},       {IOCB_CMD_FDSYNC, LengthUnit::none, false},
    {IOCB_CMD_POLL, LengthUnit::poll_events, false}, {IOCB_CMD_PREADV, LengthUnit::iovecs, true},
    {IOCB_CMD_PWRITEV, LengthUnit::iovecs, true},
};

const AioOperation* find_aio(std::optional<std::uint16_t> opcode) {
    const auto* found =
        std::ranges::find_if(aio_operations, [&](const AioOperation& operation) { return opcode == operation.opcode; });
    return found == std::end(aio_operations) ? nullptr : found;
}

const catalog::UringOp* find_uring(std::optional<std::uint16_t> opcode) {
    return opcode ? catalog::uring_op(*opcode) : nullptr;
}

bool is_pointer(SqeField field) {
    constexpr std::array pointers{SqeField::address, SqeField::path,   SqeField::sockaddr, SqeField::timespec,
                                  SqeField::buffer,  SqeField::iovecs, SqeField::msghdr};
    return std::ranges::find(pointers, field) != pointers.end();
}

LengthUnit uring_unit(const catalog::UringOp& operation) {
    if (operation.opcode == uring::op_poll_add) {
        return LengthUnit::poll_events;
    }
    const auto has = [&operation](SqeField field) {
        return operation.off == field || operation.addr == field || operation.len == field;
    };
    // An operation on a path may have the size of a structure in its len.
    if (has(SqeField::length_bytes) && !has(SqeField::path)) {
        return LengthUnit::bytes;
    }
    return has(SqeField::timespec)      ? LengthUnit::timeout
           : has(SqeField::iovec_count) ? LengthUnit::iovecs
           : has(SqeField::entries)     ? LengthUnit::entries
                                        : LengthUnit::none;
}

// Some operations got a second length of 64 bits, which counts if it is not 0.
std::optional<std::uint64_t> uring_length(const catalog::UringOp& operation, std::uint64_t off, std::uint64_t addr,
                                          std::uint64_t len) {
    constexpr std::array lengths{SqeField::length_bytes, SqeField::iovec_count, SqeField::entries};
    std::optional<std::uint64_t> length;
    for (const auto& [field, value] : {std::pair{operation.off, off}, {operation.addr, addr}, {operation.len, len}}) {
        if (std::ranges::find(lengths, field) != lengths.end() && length.value_or(0) == 0) {
            length = value;
        }
    }
    return length;
}

Asked asked_of_aio(const model::Request& request) {
    Asked asked;
    asked.known = request.origin != model::Origin::unknown;
    // Found by its file where its iocb was not seen.
    if (request.fd >= 0) {
        asked.fd = request.fd;
    }
    if (!asked.known) {
        return asked;
    }
    asked.offset = request.offset;
    asked.length = request.length;
    asked.buffer = request.buffer;
    if (length_unit(request.family, request.opcode) == LengthUnit::poll_events) {
        asked.poll_events = request.buffer;
    }
    return asked;
}

Asked asked_of_uring(const model::Request& request) {
    Asked asked;
    const catalog::UringOp* operation = uring_operation(request);
    if (request.fd >= 0 && (operation == nullptr || operation->uses_fd)) {
        asked.fd = request.fd;
        asked.fixed_file = request.uring && request.uring->fixed_file;
    }
    const auto sqe = sqe_of(request);
    const bool kernel_rw = request.uring && request.uring->kernel_rw;
    asked.known = sqe.has_value() || kernel_rw;
    if (!asked.known) {
        return asked;
    }
    const auto offset = kernel_rw ? request.offset : static_cast<std::int64_t>(sqe->off);
    const std::uint64_t address = kernel_rw ? request.buffer : sqe->addr;
    const std::uint64_t length = kernel_rw ? request.length : sqe->len;
    if (operation == nullptr) {
        asked.offset = offset;
        asked.length = length;
        asked.buffer = address;
        return asked;
    }
    // An fsync of 0 bytes is one of the whole file.
    const bool whole_file = operation->opcode == uring::op_fsync && offset == 0 && length == 0;
    if (operation->off == SqeField::offset_bytes && !whole_file) {
        asked.offset = offset;
    }
    // ... and one into a provided buffer is as long as that buffer.
    const bool buffer_sized = length == 0 && buffer_group(request).has_value();
    // A number of vectors is no number of bytes.
    if (uring_unit(*operation) != LengthUnit::none && !whole_file && !buffer_sized &&
        !model::uring::sends_vectors(request)) {
        asked.length = uring_length(*operation, static_cast<std::uint64_t>(offset), address, length);
    }
    if (is_pointer(operation->addr) && !immediate_ns(request)) {
        asked.buffer = address;
    }
    asked.poll_events = poll_mask(request);
    return asked;
}

}  // namespace

LengthUnit length_unit(Family family, std::optional<std::uint16_t> opcode) {
    if (family == Family::uring) {
        const catalog::UringOp* operation = find_uring(opcode);
        return operation == nullptr ? LengthUnit::none : uring_unit(*operation);
    }
    const AioOperation* operation = find_aio(opcode);
    return operation == nullptr ? LengthUnit::none : operation->length;
}

bool transfers_bytes(Family family, std::optional<std::uint16_t> opcode) {
    if (family == Family::uring) {
        const catalog::UringOp* operation = find_uring(opcode);
        return operation != nullptr && operation->transfers_bytes;
    }
    const AioOperation* operation = find_aio(opcode);
    return operation != nullptr && operation->transfers;
}

Asked asked_for(const model::Request& request) {
    return request.family == Family::uring ? asked_of_uring(request) : asked_of_aio(request);
}

bool has_result(const model::Request& request) {
    return request.result_known && (request.complete_ns.has_value() || request.reap_ns.has_value());
}

int result_error(const model::Request& request) {
    return has_result(request) ? error_of(request.result) : 0;
}

}  // namespace inflight::view
