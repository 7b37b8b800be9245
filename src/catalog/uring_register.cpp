// SPDX-License-Identifier: Apache-2.0
//
// The layouts are those of include/uapi/linux/io_uring.h, the same for 64-bit and 32-bit programs except struct iovec.
#include "catalog/uring_register.hpp"

#include "catalog/events.hpp"
#include "catalog/uring.hpp"
#include "catalog/uring_register_names.hpp"

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

NameTable opcode_names() {
    return opcodes(family_uring);
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
constexpr Member restriction_layout[] = {{"opcode", 0, 2, name, restriction_kinds}};
// struct io_uring_task_restriction, in front of the restrictions
constexpr Member task_restriction_layout[] = {{"flags", 0, 2, flags}, {"nr_res", 2, 2}};
// By the restriction's opcode
constexpr Member restriction_values[] = {
    {"register_op", 2, 1, name, uring_register_ops},
    {"sqe_op", 2, 1, name, opcode_names},
    {"sqe_flags", 2, 1, flags, sqe_flags},
    {"sqe_flags", 2, 1, flags, sqe_flags},
};
constexpr Member max_workers_layout[] = {{"bounded", 0, 4}, {"unbounded", 4, 4}};
constexpr Member pbuf_ring_layout[] = {{"ring_addr", 0, 8, address},
                                       {"ring_entries", 8, 4},
                                       {"bgid", 12, 2},
                                       {"flags", 14, 2, flags, pbuf_ring_flags},
                                       {"min_left", 16, 4}};
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
constexpr Member napi_layout[] = {{"busy_poll_to", 0, 4}, {"prefer_busy_poll", 4, 1}, {"opcode", 5, 1, name, napi_ops}};
// By that opcode: how queues are found, or the queue that is added or taken out
constexpr Member napi_tracking_layout[] = {{"op_param", 8, 4, name, napi_trackings}};
constexpr Member napi_id_layout[] = {{"op_param", 8, 4}};
constexpr Layout napi_forms[] = {napi_tracking_layout, napi_id_layout, napi_id_layout};
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
                                  {"flags", 12, 4, flags, zcrx_register_flags},
                                  {"area_ptr", 16, 8, address},
                                  {"region_ptr", 24, 8, address},
                                  {"offsets.head", 32, 4},
                                  {"offsets.tail", 36, 4},
                                  {"offsets.rqes", 40, 4},
                                  {"zcrx_id", 64, 4},
                                  {"rx_buf_len", 68, 4},
                                  {"event_desc", 72, 8, address}};
constexpr Member zcrx_control_layout[] = {{"zcrx_id", 0, 4}, {"op", 4, 4, name, zcrx_controls}};
// By that op
constexpr Member zcrx_export_layout[] = {{"zcrx_fd", 24, 4, signed_number}};
constexpr Member zcrx_arm_layout[] = {{"event_type", 24, 4, name, zcrx_events}};
constexpr Member zcrx_add_layout[] = {{"area_ptr", 24, 8, address}};
constexpr Layout zcrx_control_forms[] = {{}, zcrx_export_layout, zcrx_arm_layout, zcrx_add_layout};
constexpr Member bpf_layout[] = {{"cmd_type", 0, 2, name, bpf_commands},
                                 {"cmd_flags", 2, 2, flags},
                                 {"filter.opcode", 8, 4, name, opcode_names},
                                 {"filter.flags", 12, 4, flags, bpf_filter_flags},
                                 {"filter.filter_len", 16, 4},
                                 {"filter.pdu_size", 20, 1},
                                 {"filter.filter_ptr", 24, 8, address}};
constexpr Member region_layout[] = {{"region_uptr", 0, 8, address}, {"flags", 8, 8, flags, mem_region_flags}};
// What pointers in these lead to
constexpr Member region_desc_layout[] = {{"user_addr", 0, 8, address},
                                         {"size", 8, 8},
                                         {"flags", 16, 4, flags, region_flags},
                                         {"id", 20, 4},
                                         {"mmap_offset", 24, 8, address}};
constexpr Member zcrx_area_layout[] = {{"addr", 0, 8, address},
                                       {"len", 8, 8},
                                       {"rq_area_token", 16, 8, address},
                                       {"flags", 24, 4, flags, zcrx_area_flags},
                                       {"dmabuf_fd", 28, 4, signed_number}};
constexpr Member zcrx_event_layout[] = {{"user_data", 0, 8, address},
                                        {"type_mask", 8, 4, flags, zcrx_event_bits},
                                        {"flags", 12, 4, flags, zcrx_event_flags},
                                        {"stats_offset", 16, 8}};
constexpr Member reg_wait_layout[] = {{"ts.tv_sec", 0, 8, signed_number}, {"ts.tv_nsec", 8, 8, signed_number},
                                      {"min_wait_usec", 16, 4},           {"flags", 20, 4, flags, reg_wait_flags},
                                      {"sigmask", 24, 8, address},        {"sigmask_sz", 32, 4}};
constexpr Member query_layout[] = {{"next_entry", 0, 8, address},
                                   {"query_data", 8, 8, address},
                                   {"query_op", 16, 4, name, query_ops},
                                   {"size", 20, 4},
                                   {"result", 24, 4, signed_number}};
// The kernel's answers, by query_op
constexpr Member query_opcodes_layout[] = {{"nr_request_opcodes", 0, 4},
                                           {"nr_register_opcodes", 4, 4},
                                           {"feature_flags", 8, 8, flags, uring_features},
                                           {"ring_setup_flags", 16, 8, flags, uring_setup_flags},
                                           {"enter_flags", 24, 8, flags, uring_enter_flags},
                                           {"sqe_flags", 32, 8, flags, sqe_flags},
                                           {"nr_query_opcodes", 40, 4}};
constexpr Member query_zcrx_layout[] = {{"register_flags", 0, 8, flags, zcrx_register_flags},
                                        {"area_flags", 8, 8, flags, zcrx_area_flags},
                                        {"nr_ctrl_opcodes", 16, 4},
                                        {"features", 20, 4, flags, zcrx_features},
                                        {"rq_hdr_size", 24, 4},
                                        {"rq_hdr_alignment", 28, 4}};
constexpr Member query_scq_layout[] = {{"hdr_size", 0, 8}, {"hdr_alignment", 8, 8}};
constexpr Member query_zcrx_event_layout[] = {
    {"event_flags", 0, 4, flags, zcrx_event_bits}, {"stats_size", 4, 4}, {"stats_off_alignment", 8, 4}};
constexpr Layout query_answers[] = {query_opcodes_layout, query_zcrx_layout, query_scq_layout, query_zcrx_event_layout};

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
    single(36, zcrx_control_layout),
    single(37, bpf_layout),
};
// What it points at when the call is about the task and not about a ring, where that is something else.
constexpr Pointee task_arguments[] = {
    {.opcode = 11,
     .head = task_restriction_layout,
     .head_bytes = 16,
     .element_name = "restrictions",
     .element = restriction_layout,
     .element_bytes = 16},
};
// Members that depend on the value of another.
struct Variant {
    std::uint32_t opcode;
    const Member& selector;
    std::span<const Layout> forms;
};
constexpr Variant variants[] = {
    {27, napi_layout[2], napi_forms},
    {28, napi_layout[2], napi_forms},
    {36, zcrx_control_layout[1], zcrx_control_forms},
};

// The calls that there are for a task too, with a descriptor of -1.
constexpr std::uint32_t op_restrictions = 11;
constexpr std::uint32_t op_bpf_filter = 37;
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

const Pointee* pointee_of(std::uint32_t opcode, RegisterScope scope) {
    const auto in = [opcode](std::span<const Pointee> table) {
        const auto found = std::ranges::find(table, opcode, &Pointee::opcode);
        return found == table.end() ? nullptr : &*found;
    };
    const Pointee* const of_task = scope == RegisterScope::task ? in(task_arguments) : nullptr;
    return of_task != nullptr ? of_task : in(arguments);
}

std::optional<std::uint64_t> member_named(Layout layout, std::string_view member_name, std::string_view bytes) {
    const auto member = std::ranges::find(layout, member_name, &Member::name);
    return member == layout.end() ? std::nullopt : read_member(*member, bytes);
}

void add_variant(std::uint32_t opcode, std::string_view bytes, std::vector<Field>& fields) {
    const auto* const variant = std::ranges::find(variants, opcode, &Variant::opcode);
    if (variant == std::end(variants)) {
        return;
    }
    const auto form = read_member(variant->selector, bytes);
    if (form && *form < variant->forms.size()) {
        add_members(variant->forms[*form], bytes, {}, fields);
    }
}

}  // namespace

std::vector<Field> register_fields(std::uint32_t opcode, std::string_view bytes, std::uint32_t nr_args,
                                   RegisterScope scope) {
    const std::uint32_t operation = opcode & ~use_registered_ring;
    const Pointee* const argument = pointee_of(operation, scope);
    if (argument == nullptr) {
        return {};
    }
    std::vector<Field> fields;
    if (operation == op_restrictions || operation == op_bpf_filter) {
        const bool of_task = scope == RegisterScope::task;
        fields.push_back({.name = "of", .kind = name, .value = of_task ? 1U : 0U, .text = of_task ? "task" : "ring"});
    }
    add_members(argument->head, bytes, {}, fields);
    add_variant(operation, bytes, fields);
    if (const auto said = member_named(argument->head, "nr_res", bytes)) {
        nr_args = static_cast<std::uint32_t>(*said);
    }
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

std::vector<Field> reg_wait_fields(std::string_view bytes) {
    return fields_of(reg_wait_layout, bytes);
}

std::vector<Field> region_fields(std::string_view bytes) {
    return fields_of(region_desc_layout, bytes);
}

std::vector<Field> zcrx_area_fields(std::string_view bytes) {
    return fields_of(zcrx_area_layout, bytes);
}

std::vector<Field> zcrx_event_fields(std::string_view bytes) {
    return fields_of(zcrx_event_layout, bytes);
}

std::vector<Field> query_answer_fields(std::string_view query, std::string_view answer) {
    const auto which = member_named(query_layout, "query_op", query);
    return which && *which < std::size(query_answers) ? fields_of(query_answers[*which], answer) : std::vector<Field>{};
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
