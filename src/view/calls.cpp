// SPDX-License-Identifier: Apache-2.0
#include "view/calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace inflight::view {
namespace {

struct Operation {
    std::uint16_t opcode;
    LengthUnit length;
    bool transfers;
};

constexpr Operation operations[] = {
    {IOCB_CMD_PREAD, LengthUnit::bytes, true},       {IOCB_CMD_PWRITE, LengthUnit::bytes, true},
    {IOCB_CMD_FSYNC, LengthUnit::none, false},       {IOCB_CMD_FDSYNC, LengthUnit::none, false},
    {IOCB_CMD_POLL, LengthUnit::poll_events, false}, {IOCB_CMD_PREADV, LengthUnit::iovecs, true},
    {IOCB_CMD_PWRITEV, LengthUnit::iovecs, true},
};

const Operation* find_operation(std::optional<std::uint16_t> opcode) {
    const auto* found =
        std::ranges::find_if(operations, [&](const Operation& operation) { return opcode == operation.opcode; });
    return found == std::end(operations) ? nullptr : found;
}

// By enum ifl_syscall.
constexpr std::string_view syscall_names[] = {"io_setup",  "io_destroy",   "io_submit",
                                              "io_cancel", "io_getevents", "io_pgetevents"};
static_assert(std::size(syscall_names) == IFL_SYSCALL_COUNT);

// By enum ifl_abi. That of the 32-bit time is the same to a reader: what differs is decoded already.
constexpr std::string_view abi_names[] = {"x86_64", "i386", "i386", "x32"};

struct DecodedName {
    std::string_view name;
    Decoded kind;
    ifl_u8 ifl_call::* state;
};
constexpr DecodedName decoded_names[] = {
    {"*ctx_idp", Decoded::context, &ifl_call::ctx_idp_state},
    {"*timeout", Decoded::timeout, &ifl_call::timeout_state},
    {"sigmask", Decoded::sigmask, &ifl_call::sigmask_state},
    {"sigsetsize", Decoded::sigset_bytes, &ifl_call::sigmask_state},
    {"iocb.aio_key", Decoded::aio_key, &ifl_call::key_state},
};

constexpr std::int64_t max_errno = 4095;  // MAX_ERRNO of include/linux/err.h

}  // namespace

LengthUnit length_unit(std::optional<std::uint16_t> opcode) {
    const Operation* operation = find_operation(opcode);
    return operation == nullptr ? LengthUnit::none : operation->length;
}

bool transfers_bytes(std::optional<std::uint16_t> opcode) {
    const Operation* operation = find_operation(opcode);
    return operation != nullptr && operation->transfers;
}

bool has_result(const model::Request& request) {
    return request.result_known && (request.complete_ns.has_value() || request.reap_ns.has_value());
}

int result_error(const model::Request& request) {
    return has_result(request) ? error_of(request.result) : 0;
}

int error_of(std::int64_t result) {
    return result < 0 && result >= -max_errno ? static_cast<int>(-result) : 0;
}

std::string_view comm_of(const ifl_task& task) {
    return {std::begin(task.comm), std::ranges::find(task.comm, '\0')};
}

const catalog::Event* event_of(const ifl_call& call) {
    static const auto table = [] {
        std::array<const catalog::Event*, std::size(syscall_names)> found{};
        std::ranges::transform(syscall_names, found.begin(),
                               [](std::string_view name) { return catalog::find_event(name); });
        return found;
    }();
    return call.syscall < table.size() ? table[call.syscall] : nullptr;
}

std::string event_name(const ifl_call& call) {
    const catalog::Event* event = event_of(call);
    return event != nullptr ? std::string(event->name) : fmt::format("syscall {}", call.syscall);
}

ValueKind value_kind(std::string_view c_type) {
    if (c_type.ends_with('*') || c_type == "aio_context_t") {
        return ValueKind::address;
    }
    return c_type == "long" ? ValueKind::signed_number : ValueKind::unsigned_number;
}

std::uint64_t address_argument(const ifl_call& call, std::size_t index) {
    return is_i386(call) ? call.args[index] & 0xffffffffU : call.args[index];
}

std::int64_t signed_argument(const ifl_call& call, std::size_t index) {
    return is_i386(call) ? static_cast<std::int32_t>(call.args[index]) : static_cast<std::int64_t>(call.args[index]);
}

std::uint64_t unsigned_argument(const ifl_call& call, std::size_t index) {
    return call.args[index] & 0xffffffffU;  // the kernel takes the low half of the register
}

std::string_view abi_name(const ifl_call& call) {
    return call.abi < std::size(abi_names) ? abi_names[call.abi] : "unknown";
}

bool is_i386(const ifl_call& call) {
    return call.abi == IFL_ABI_I386 || call.abi == IFL_ABI_I386_TIME32;
}

std::optional<Decoded> decoded_value(const ifl_call& call, std::string_view name) {
    const auto* found = std::ranges::find(decoded_names, name, &DecodedName::name);
    if (found == std::end(decoded_names) || call.*(found->state) != IFL_READ_OK) {
        return std::nullopt;
    }
    return found->kind;
}

struct iocb decode_iocb(const model::IocbArgument& argument) {
    struct iocb block{};
    static_assert(sizeof block == sizeof argument.bytes);
    std::memcpy(&block, argument.bytes.data(), sizeof block);
    return block;
}

}  // namespace inflight::view
