// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"
#include "catalog/names.hpp"
#include "view/calls.hpp"
#include "view/escape.hpp"
#include "view/text_parts.hpp"

#include <fmt/format.h>

namespace inflight::view {
namespace {

// Below the command, where there is room.
constexpr std::size_t entry_indent = 20;

std::string address_or_null(std::uint64_t address) {
    return address == 0 ? "NULL" : fmt::format("{:#x}", address);
}

std::string argument_value(const ifl_call& call, const catalog::Argument& argument, std::size_t index) {
    if (const auto names = named_argument(call, argument.name, index)) {
        return *names;
    }
    switch (value_kind(argument.c_type)) {
        case ValueKind::address:
            // A context is a number to the caller: 0 is a wrong one, not an absent one.
            return argument.c_type.ends_with('*') ? address_or_null(address_argument(call, index))
                                                  : fmt::format("{:#x}", address_argument(call, index));
        case ValueKind::signed_number:
            return fmt::to_string(signed_argument(call, index));
        case ValueKind::size:
            return fmt::to_string(size_argument(call, index));
        case ValueKind::unsigned_number:
            break;
    }
    const std::uint64_t number = unsigned_argument(call, index);
    // The kernel takes a descriptor unsigned, but -1 is what was passed.
    return argument.name == "fd" ? fmt::to_string(static_cast<std::int32_t>(number)) : fmt::to_string(number);
}

std::string decoded_text(const ifl_call& call, Decoded kind) {
    switch (kind) {
        case Decoded::context:
            return fmt::format("{:#x}", call.ctx_id);
        case Decoded::timeout:
            return fmt::format("{{tv_sec={}, tv_nsec={}}}", call.timeout_s, call.timeout_ns);
        case Decoded::sigmask:
            return catalog::signal_set(call.sigmask);
        case Decoded::sigset_bytes:
            return fmt::format("{} B", call.sigset_bytes);
        case Decoded::aio_key:
            return fmt::to_string(call.aio_key);
    }
    return {};
}

std::string return_text(const model::Event& event) {
    const ifl_call& call = event.call;
    const std::uint64_t duration_ns = call.header.time_ns > call.start_ns ? call.header.time_ns - call.start_ns : 0;
    if (event.in_progress) {
        return "... blocked for " + format_duration(duration_ns);
    }
    if (event.exit_missed) {
        return "= ? (its return was not seen)";
    }
    const int error = error_of(call.ret);
    std::string text = "= " + (error != 0 ? catalog::errno_name(error) : fmt::to_string(call.ret));
    // The program does not learn why the rest of its batch was refused; the kernel side saw it.
    if (error == 0 && call.submit_error < 0) {
        text += fmt::format(" (then {})", catalog::errno_name(-call.submit_error));
    }
    return text + fmt::format(" <{}>", format_duration(duration_ns));
}

std::string length_text(LengthUnit unit, const struct iocb& block) {
    const auto offset = static_cast<std::uint64_t>(block.aio_offset);
    const std::string place = block.aio_offset < 0 ? fmt::to_string(block.aio_offset) : format_bytes_exact(offset);
    switch (unit) {
        case LengthUnit::poll_events:
            return " " + catalog::flag_names(catalog::poll_events(), block.aio_buf);
        case LengthUnit::bytes:
            return fmt::format(" {} at {}, buffer {}", format_bytes_exact(block.aio_nbytes), place,
                               address_or_null(block.aio_buf));
        case LengthUnit::iovecs:
            return fmt::format(" {} iov at {}, iovec {}", block.aio_nbytes, place, address_or_null(block.aio_buf));
        default:
            break;
    }
    return {};
}

// "[0] 0x55d0c0ffee00 pread fd 7 /data/file 4 KiB at 8 KiB, buffer 0x7f0000001000, data 0x1"
std::string iocb_text(const model::Event& event, const model::IocbArgument& argument) {
    std::string text = fmt::format("[{}] {}", argument.index, address_or_null(argument.address));
    if (!argument.readable) {
        return text + " (cannot be read)";
    }
    const struct iocb block = decode_iocb(argument);
    text += fmt::format(" {} fd {}", operation_name(event.family, block.aio_lio_opcode), block.aio_fildes);
    if (argument.file) {
        text += " " + file_text(argument.file);
    }
    text += length_text(length_unit(event.family, block.aio_lio_opcode), block);
    text += fmt::format(", data {:#x}", block.aio_data);
    if (block.aio_rw_flags != 0) {
        text += ", " + catalog::flag_names(catalog::rw_flags(), static_cast<std::uint32_t>(block.aio_rw_flags));
    }
    if ((block.aio_flags & IOCB_FLAG_IOPRIO) != 0) {
        text += ", priority " + catalog::ioprio_name(static_cast<std::uint16_t>(block.aio_reqprio));
    }
    if ((block.aio_flags & IOCB_FLAG_RESFD) != 0) {
        text += fmt::format(", resfd {}", block.aio_resfd);
    }
    return text;
}

std::string returned_text(std::size_t index, const ifl_io_event& returned) {
    const int error = error_of(returned.res);
    return fmt::format("[{}] iocb {} res {}{}, data {:#x}", index, address_or_null(returned.obj),
                       error != 0 ? catalog::errno_name(error) : fmt::to_string(returned.res),
                       returned.res2 != 0 ? fmt::format(", res2 {}", returned.res2) : "", returned.data);
}

std::string field_value(const catalog::Field& field) {
    switch (field.kind) {
        case catalog::FieldKind::unsigned_number:
            return fmt::to_string(field.value);
        case catalog::FieldKind::signed_number:
            return fmt::to_string(static_cast<std::int64_t>(field.value));
        case catalog::FieldKind::address:
            return address_or_null(field.value);
        case catalog::FieldKind::flags:
        case catalog::FieldKind::name:
            break;
    }
    return printable(field.text);
}

// "*params: sq_entries 8, cq_entries 16, flags IORING_SETUP_SQPOLL". Where the rings' parts lie in the mapping is left
// to the JSON view.
std::string structure_text(const Structure& structure) {
    std::string text = structure.name + ":";
    if (!structure.readable) {
        return text + " (cannot be read)";
    }
    bool first = true;
    for (const catalog::Field& field : structure.fields) {
        if (field.name.starts_with("sq_off.") || field.name.starts_with("cq_off.")) {
            continue;
        }
        text += fmt::format("{} {} {}", first ? "" : ",", field.name, field_value(field));
        first = false;
    }
    return text + (first ? " -" : "") + (structure.truncated ? ", …" : "");
}

}  // namespace

std::string event_text(const model::Event& event, const TextFrame& frame) {
    const ifl_call& call = event.call;
    std::string arguments;
    const auto add_argument = [&arguments](std::string_view name, std::string_view value) {
        arguments += fmt::format("{}{}={}", arguments.empty() ? "" : ", ", name, value);
    };
    if (const catalog::Event* described = event_of(call)) {
        for (std::size_t index = 0; index < described->arguments.size(); ++index) {
            add_argument(described->arguments[index].name, argument_value(call, described->arguments[index], index));
        }
        for (const catalog::Argument& decoded : described->decoded) {
            if (const auto kind = decoded_value(call, decoded.name)) {
                add_argument(decoded.name, decoded_text(call, *kind));
            }
        }
    }
    std::string text = lead(call.header.time_ns, call.task.pid, comm_of(call.task), frame);
    text += fmt::format("{}({}) {}", paint(event_name(call), Tone::bold, frame), arguments, return_text(event));
    if (call.task.tid != call.task.pid && call.task.tid != 0) {
        text += fmt::format(" [tid {}]", call.task.tid);
    }
    if (call.abi != IFL_ABI_X86_64) {
        text += fmt::format(" [{}]", abi_name(call));
    }
    if (!event.decoded) {
        text += " [not decoded]";
    }

    const std::string next_line = "\n" + std::string(entry_indent, ' ');
    for (const model::IocbArgument& argument : event.iocbs) {
        text += next_line + iocb_text(event, argument);
    }
    for (std::size_t index = 0; index < event.returned.size(); ++index) {
        text += next_line + returned_text(index, event.returned[index]);
    }
    for (const Structure& structure : structures_of(event)) {
        text += next_line + structure_text(structure);
    }
    if (call.entries_skipped != 0) {
        text += next_line + fmt::format("{} more not read", call.entries_skipped);
    }
    if (call.records_lost != 0) {
        text += next_line + fmt::format("records with more of them lost: {}", call.records_lost);
    }
    return text;
}

}  // namespace inflight::view
