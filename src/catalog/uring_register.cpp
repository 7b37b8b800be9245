// SPDX-License-Identifier: Apache-2.0
//
// The layouts are those of include/uapi/linux/io_uring.h, the same for 64-bit and 32-bit programs except struct iovec.
#include "catalog/uring_register.hpp"

#include "catalog/events.hpp"
#include "catalog/uring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

namespace inflight::catalog {
namespace {

using enum FieldKind;

struct Member {
    std::string_view name;
    std::size_t offset;
    std::size_t bytes;
    FieldKind kind = unsigned_number;
    NameTable (*names)() = nullptr;  // of flags and name
};
using Layout = std::span<const Member>;

// --- Names that only these structures use ---------------------------------------------------------------------------

constexpr Name pbuf_ring_flag_table[] = {{1, "IOU_PBUF_RING_MMAP"}, {2, "IOU_PBUF_RING_INC"}};
constexpr Name rsrc_flag_table[] = {{1, "IORING_RSRC_REGISTER_SPARSE"}};
constexpr Name clone_flag_table[] = {{1, "IORING_REGISTER_SRC_REGISTERED"}, {2, "IORING_REGISTER_DST_REPLACE"}};
constexpr Name napi_op_table[] = {{0, "register"}, {1, "static_add_id"}, {2, "static_del_id"}};
constexpr Name clock_table[] = {{1, "CLOCK_MONOTONIC"}, {7, "CLOCK_BOOTTIME"}};
constexpr Name probe_flag_table[] = {{1, "IO_URING_OP_SUPPORTED"}};
constexpr Name region_flag_table[] = {{1, "IORING_MEM_REGION_REG_WAIT_ARG"}};
constexpr Name query_op_table[] = {{0, "opcodes"}, {1, "zcrx"}, {2, "scq"}};
constexpr Name restriction_table[] = {
    {0, "register_op"}, {1, "sqe_op"}, {2, "sqe_flags_allowed"}, {3, "sqe_flags_required"}};
constexpr Name futex2_table[] = {{0x01, "FUTEX2_SIZE_U16"},
                                 {0x02, "FUTEX2_SIZE_U32"},
                                 {0x04, "FUTEX2_NUMA"},
                                 {0x08, "FUTEX2_MPOL"},
                                 {0x80, "FUTEX2_PRIVATE"}};

NameTable opcode_names() {
    return opcodes(family_uring);
}
NameTable pbuf_ring_flags() {
    return pbuf_ring_flag_table;
}
NameTable rsrc_flags() {
    return rsrc_flag_table;
}
NameTable clone_flags() {
    return clone_flag_table;
}
NameTable napi_ops() {
    return napi_op_table;
}
NameTable clocks() {
    return clock_table;
}
NameTable probe_flags() {
    return probe_flag_table;
}
NameTable region_flags() {
    return region_flag_table;
}
NameTable query_ops() {
    return query_op_table;
}
NameTable restrictions() {
    return restriction_table;
}
NameTable futex2_flags() {
    return futex2_table;
}

// --- Layouts; what is reserved is left out --------------------------------------------------------------------------

constexpr Member params_layout[] = {
    {"sq_entries", 0, 4},
    {"cq_entries", 4, 4},
    {"flags", 8, 4, flags, uring_setup_flags},
    {"sq_thread_cpu", 12, 4},
    {"sq_thread_idle", 16, 4},
    {"features", 20, 4, flags, uring_features},
    {"wq_fd", 24, 4, signed_number},
    {"sq_off.head", 40, 4},
    {"sq_off.tail", 44, 4},
    {"sq_off.ring_mask", 48, 4},
    {"sq_off.ring_entries", 52, 4},
    {"sq_off.flags", 56, 4},
    {"sq_off.dropped", 60, 4},
    {"sq_off.array", 64, 4},
    {"sq_off.user_addr", 72, 8, address},
    {"cq_off.head", 80, 4},
    {"cq_off.tail", 84, 4},
    {"cq_off.ring_mask", 88, 4},
    {"cq_off.ring_entries", 92, 4},
    {"cq_off.overflow", 96, 4},
    {"cq_off.cqes", 100, 4},
    {"cq_off.flags", 104, 4},
    {"cq_off.user_addr", 112, 8, address},
};
constexpr Member getevents_layout[] = {
    {"sigmask", 0, 8, address}, {"sigmask_sz", 8, 4}, {"min_wait_usec", 12, 4}, {"ts", 16, 8, address}};
constexpr Member open_how_layout[] = {
    {"flags", 0, 8, flags, open_flags}, {"mode", 8, 8}, {"resolve", 16, 8, flags, resolve_flags}};
constexpr Member futex_waitv_layout[] = {
    {"val", 0, 8}, {"uaddr", 8, 8, address}, {"flags", 16, 4, flags, futex2_flags}};

constexpr Member iovec_layout[] = {{"iov_base", 0, 8, address}, {"iov_len", 8, 8}};
constexpr Member int_layout[] = {{"", 0, 4, signed_number}};
constexpr Member word_layout[] = {{"", 0, 8, address}};
// data: of files_update the descriptors; of buffers the vectors
constexpr Member rsrc_update_layout[] = {{"offset", 0, 4}, {"data", 8, 8, address}};
constexpr Member rsrc_update2_layout[] = {
    {"offset", 0, 4}, {"data", 8, 8, address}, {"tags", 16, 8, address}, {"nr", 24, 4}};
constexpr Member rsrc_register_layout[] = {
    {"nr", 0, 4}, {"flags", 4, 4, flags, rsrc_flags}, {"data", 16, 8, address}, {"tags", 24, 8, address}};
constexpr Member probe_layout[] = {{"last_op", 0, 1, name, opcode_names}, {"ops_len", 1, 1}};
constexpr Member probe_op_layout[] = {{"op", 0, 1, name, opcode_names}, {"flags", 2, 2, flags, probe_flags}};
constexpr Member restriction_layout[] = {{"opcode", 0, 2, name, restrictions}};
// By the restriction's opcode
constexpr Member restriction_values[] = {
    {"register_op", 2, 1, name, uring_register_ops},
    {"sqe_op", 2, 1, name, opcode_names},
    {"sqe_flags", 2, 1, flags, sqe_flags},
    {"sqe_flags", 2, 1, flags, sqe_flags},
};
constexpr Member max_workers_layout[] = {{"bounded", 0, 4}, {"unbounded", 4, 4}};
constexpr Member pbuf_ring_layout[] = {
    {"ring_addr", 0, 8, address}, {"ring_entries", 8, 4}, {"bgid", 12, 2}, {"flags", 14, 2, flags, pbuf_ring_flags}};
constexpr Member pbuf_status_layout[] = {{"buf_group", 0, 4}, {"head", 4, 4}};
constexpr Member sync_cancel_layout[] = {
    {"addr", 0, 8, address},
    {"fd", 8, 4, signed_number},
    {"flags", 12, 4, flags, uring_cancel_flags},
    {"timeout.tv_sec", 16, 8, signed_number},
    {"timeout.tv_nsec", 24, 8, signed_number},
    {"opcode", 32, 1, name, opcode_names},
};
constexpr Member file_range_layout[] = {{"off", 0, 4}, {"len", 4, 4}};
constexpr Member napi_layout[] = {
    {"busy_poll_to", 0, 4}, {"prefer_busy_poll", 4, 1}, {"opcode", 5, 1, name, napi_ops}, {"op_param", 8, 4}};
constexpr Member clock_layout[] = {{"clockid", 0, 4, name, clocks}};
constexpr Member clone_layout[] = {{"src_fd", 0, 4, signed_number},
                                   {"flags", 4, 4, flags, clone_flags},
                                   {"src_off", 8, 4},
                                   {"dst_off", 12, 4},
                                   {"nr", 16, 4}};
// struct io_uring_sqe, of the one message
constexpr Member message_layout[] = {
    {"opcode", 0, 1, name, opcode_names},       {"fd", 4, 4, signed_number},   {"off", 8, 8, address},
    {"addr", 16, 8, name, uring_msg_ring_cmds}, {"len", 24, 4, signed_number}, {"user_data", 32, 8, address}};
constexpr Member zcrx_layout[] = {{"if_idx", 0, 4},
                                  {"if_rxq", 4, 4},
                                  {"rq_entries", 8, 4},
                                  {"flags", 12, 4, flags},
                                  {"area_ptr", 16, 8, address},
                                  {"region_ptr", 24, 8, address},
                                  {"zcrx_id", 64, 4}};
constexpr Member region_layout[] = {{"region_uptr", 0, 8, address}, {"flags", 8, 8, flags, region_flags}};
constexpr Member query_layout[] = {{"next_entry", 0, 8, address},
                                   {"query_data", 8, 8, address},
                                   {"query_op", 16, 4, name, query_ops},
                                   {"size", 20, 4},
                                   {"result", 24, 4, signed_number}};

// What stands at `arg`: one structure, or an array of nr_args elements behind an optional head.
struct Pointee {
    std::uint32_t opcode;
    Layout head;
    std::size_t head_bytes;
    std::string_view element_name;
    Layout element;
    std::size_t element_bytes;  // 0: no array
};
constexpr Pointee single(std::uint32_t opcode, Layout layout) {
    return {.opcode = opcode, .head = layout, .head_bytes = 0, .element_name = {}, .element = {}, .element_bytes = 0};
}
constexpr Pointee array_of(std::uint32_t opcode, std::string_view name, Layout layout, std::size_t bytes) {
    return {
        .opcode = opcode, .head = {}, .head_bytes = 0, .element_name = name, .element = layout, .element_bytes = bytes};
}
constexpr Pointee arguments[] = {
    array_of(0, "iov", iovec_layout, 16),
    array_of(2, "fds", int_layout, 4),
    array_of(4, "fd", int_layout, 4),
    single(6, rsrc_update_layout),
    array_of(7, "fd", int_layout, 4),
    {.opcode = 8,
     .head = probe_layout,
     .head_bytes = 16,
     .element_name = "ops",
     .element = probe_op_layout,
     .element_bytes = 8},
    array_of(11, "restrictions", restriction_layout, 16),
    single(13, rsrc_register_layout),
    single(14, rsrc_update2_layout),
    single(15, rsrc_register_layout),
    single(16, rsrc_update2_layout),
    array_of(17, "mask", word_layout, 8),
    single(19, max_workers_layout),
    array_of(20, "rings", rsrc_update_layout, 16),
    array_of(21, "rings", rsrc_update_layout, 16),
    single(22, pbuf_ring_layout),
    single(23, pbuf_ring_layout),
    single(24, sync_cancel_layout),
    single(25, file_range_layout),
    single(26, pbuf_status_layout),
    single(27, napi_layout),
    single(28, napi_layout),
    single(29, clock_layout),
    single(30, clone_layout),
    single(31, message_layout),
    single(32, zcrx_layout),
    single(33, params_layout),
    single(34, region_layout),
    single(35, query_layout),
};

constexpr std::uint32_t op_restrictions = 11;
constexpr std::uint32_t op_iowq_affinity = 17;
constexpr std::uint32_t use_registered_ring = 1U << 31;

// Little-endian, as on x86 and arm64; nothing if the bytes end before.
std::optional<std::uint64_t> read_member(const Member& member, std::string_view bytes) {
    if (bytes.size() < member.offset + member.bytes) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + member.offset, member.bytes);
    if (member.kind == signed_number && member.bytes == sizeof(std::int32_t)) {
        value = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)});
    }
    return value;
}

void add_member(const Member& member, std::string_view bytes, const std::string& prefix, std::vector<Field>& fields) {
    const auto value = read_member(member, bytes);
    if (!value) {
        return;
    }
    const NameTable names = member.names == nullptr ? NameTable{} : member.names();
    Field field{.name = prefix, .kind = member.kind, .value = *value, .text = {}};
    if (!prefix.empty() && !member.name.empty()) {
        field.name += '.';
    }
    field.name += member.name;
    if (member.kind == flags) {
        field.text = flag_names(names, *value);
    } else if (member.kind == name) {
        field.text = number_name(names, *value);
    }
    fields.push_back(std::move(field));
}

void add_members(Layout layout, std::string_view bytes, const std::string& prefix, std::vector<Field>& fields) {
    for (const Member& member : layout) {
        add_member(member, bytes, prefix, fields);
    }
}

void add_restriction(std::string_view bytes, const std::string& prefix, std::vector<Field>& fields) {
    const auto which = read_member(restriction_layout[0], bytes);
    if (which && *which < std::size(restriction_values)) {
        add_member(restriction_values[*which], bytes, prefix, fields);
    }
}

std::vector<Field> fields_of(Layout layout, std::string_view bytes) {
    std::vector<Field> fields;
    add_members(layout, bytes, {}, fields);
    return fields;
}

void add_array(const Pointee& argument, std::string_view bytes, std::size_t count, std::vector<Field>& fields) {
    for (std::size_t index = 0; index < count; ++index) {
        const std::size_t start = argument.head_bytes + index * argument.element_bytes;
        if (start + argument.element_bytes > bytes.size()) {
            return;
        }
        const std::string_view element = bytes.substr(start, argument.element_bytes);
        const std::string prefix = fmt::format("{}[{}]", argument.element_name, index);
        add_members(argument.element, element, prefix, fields);
        if (argument.opcode == op_restrictions) {
            add_restriction(element, prefix, fields);
        }
    }
}

}  // namespace

std::vector<Field> register_fields(std::uint32_t opcode, std::string_view bytes, std::uint32_t nr_args) {
    const auto* argument = std::ranges::find(arguments, opcode & ~use_registered_ring, &Pointee::opcode);
    if (argument == std::end(arguments)) {
        return {};
    }
    std::vector<Field> fields = fields_of(argument->head, bytes);
    if (argument->element_bytes != 0) {
        // Of the CPU mask nr_args is the number of bytes.
        const std::size_t count =
            argument->opcode == op_iowq_affinity ? nr_args / argument->element_bytes : std::size_t{nr_args};
        add_array(*argument, bytes, count, fields);
    }
    return fields;
}

std::string register_op_name(std::uint32_t opcode) {
    const std::string text = number_name(uring_register_ops(), opcode & ~use_registered_ring);
    return (opcode & use_registered_ring) == 0 ? text : text + "|USE_REGISTERED_RING";
}

std::vector<Field> uring_params_fields(std::string_view bytes) {
    return fields_of(params_layout, bytes);
}

std::vector<Field> getevents_arg_fields(std::string_view bytes) {
    return fields_of(getevents_layout, bytes);
}

std::vector<Field> open_how_fields(std::string_view bytes) {
    return fields_of(open_how_layout, bytes);
}

std::vector<Field> futex_waitv_fields(std::string_view bytes) {
    constexpr std::size_t entry_bytes = 24;
    std::vector<Field> fields;
    add_array(array_of(0, "futexes", futex_waitv_layout, entry_bytes), bytes, bytes.size() / entry_bytes, fields);
    return fields;
}

}  // namespace inflight::catalog
