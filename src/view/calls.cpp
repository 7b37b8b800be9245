// SPDX-License-Identifier: Apache-2.0
#include "view/calls.hpp"

#include "catalog/syscalls.hpp"
#include "catalog/uring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace inflight::view {
namespace {

using catalog::syscall_names;

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

constexpr std::size_t register_opcode_index = 1;
constexpr std::size_t register_count_index = 3;

using Fields = std::vector<catalog::Field>;

catalog::RegisterScope scope_of(const ifl_call& call) {
    constexpr std::uint64_t no_ring = 0xffff'ffff;
    constexpr std::uint64_t use_registered_ring = 1U << 31U;
    return unsigned_argument(call, 0) == no_ring &&
                   (unsigned_argument(call, register_opcode_index) & use_registered_ring) == 0
               ? catalog::RegisterScope::task
               : catalog::RegisterScope::ring;
}

Fields decode_register(const model::Event& event, std::string_view bytes) {
    const ifl_call& call = event.call;
    return catalog::register_fields(static_cast<std::uint32_t>(unsigned_argument(call, register_opcode_index)), bytes,
                                    static_cast<std::uint32_t>(unsigned_argument(call, register_count_index)),
                                    scope_of(call));
}

// Which question it answers stands in the argument of the call.
Fields decode_answer(const model::Event& event, std::string_view bytes) {
    const auto asked = std::ranges::find(event.details, IFL_DETAIL_REGISTER, &model::Detail::kind);
    return asked == event.details.end() ? Fields{} : catalog::query_answer_fields(asked->bytes, bytes);
}

template <Fields (*decode)(std::string_view)>
Fields decode_alone(const model::Event&, std::string_view bytes) {
    return decode(bytes);
}

// Names and types are those of the catalogue's `decoded` rows.
struct PointedStructure {
    ifl_detail_kind kind;
    std::string_view name;
    std::string_view c_type;
    Fields (*decode)(const model::Event& event, std::string_view bytes);
};
constexpr PointedStructure pointed_structures[] = {
    {IFL_DETAIL_PARAMS, "*params", "struct io_uring_params", decode_alone<catalog::uring_params_fields>},
    {IFL_DETAIL_GETEVENTS, "*argp", "struct io_uring_getevents_arg", decode_alone<catalog::getevents_arg_fields>},
    {IFL_DETAIL_REG_WAIT, "*argp", "struct io_uring_reg_wait", decode_alone<catalog::reg_wait_fields>},
    {IFL_DETAIL_REGISTER, "*arg", "void", decode_register},
    {IFL_DETAIL_SYNC_CANCEL, "*arg", "struct io_uring_sync_cancel_reg", decode_register},
    {IFL_DETAIL_REGION, "*region_ptr", "struct io_uring_region_desc", decode_alone<catalog::region_fields>},
    {IFL_DETAIL_ZCRX_AREA, "*area_ptr", "struct io_uring_zcrx_area_reg", decode_alone<catalog::zcrx_area_fields>},
    {IFL_DETAIL_ZCRX_EVENT, "*event_desc", "struct zcrx_event_desc", decode_alone<catalog::zcrx_event_fields>},
    {IFL_DETAIL_QUERY, "*query_data", "void", decode_answer},
};

constexpr std::int64_t max_errno = 4095;  // MAX_ERRNO of include/linux/err.h

}  // namespace

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
    return call.syscall < std::size(syscall_names) ? std::string(syscall_names[call.syscall])
                                                   : fmt::format("syscall {}", call.syscall);
}

ValueKind value_kind(std::string_view c_type) {
    if (c_type.ends_with('*') || c_type == "aio_context_t") {
        return ValueKind::address;
    }
    if (c_type == "size_t") {
        return ValueKind::size;
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

std::uint64_t size_argument(const ifl_call& call, std::size_t index) {
    return address_argument(call, index);
}

std::optional<std::string> named_argument(const ifl_call& call, std::string_view name, std::size_t index) {
    if (call.syscall == IFL_IO_URING_ENTER && name == "flags") {
        return catalog::flag_names(catalog::uring_enter_flags(), unsigned_argument(call, index));
    }
    if (call.syscall == IFL_IO_URING_REGISTER && name == "opcode") {
        return catalog::register_op_name(static_cast<std::uint32_t>(unsigned_argument(call, index)));
    }
    return std::nullopt;
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

std::vector<Structure> structures_of(const model::Event& event) {
    std::vector<Structure> found;
    for (const model::Detail& detail : event.details) {
        const auto* const pointed = std::ranges::find(pointed_structures, detail.kind, &PointedStructure::kind);
        if (pointed == std::end(pointed_structures)) {
            continue;
        }
        Structure structure{.name = std::string(pointed->name),
                            .c_type = std::string(pointed->c_type),
                            .readable = detail.readable,
                            .truncated = detail.truncated,
                            .kernel = detail.kernel,
                            .fields = {}};
        if (detail.readable) {
            structure.fields = pointed->decode(event, detail.bytes);
        }
        found.push_back(std::move(structure));
    }
    return found;
}

struct iocb decode_iocb(const model::IocbArgument& argument) {
    struct iocb block{};
    static_assert(sizeof block == sizeof argument.bytes);
    std::memcpy(&block, argument.bytes.data(), sizeof block);
    return block;
}

}  // namespace inflight::view
