// SPDX-License-Identifier: Apache-2.0
#include "catalog/names.hpp"
#include "view/calls.hpp"
#include "view/json_line.hpp"

#include <string>

namespace inflight::view {
namespace {

// Entries of lists are read in user memory, as the catalogue says of each of their fields.
constexpr std::uint8_t list_tags = catalog::Tag::U | catalog::Tag::TOCTOU;

void write_origin(JsonLine& line, std::uint8_t tags) {
    line.key("origin");
    line.begin_array();
    for (const catalog::TagInfo& info : catalog::tags()) {
        if (catalog::has_tag(tags, info.tag)) {
            line.string(info.name);
        }
    }
    line.end_array();
}

void begin_argument(JsonLine& line, std::string_view name, std::string_view c_type) {
    line.begin_object();
    line.string("name", name);
    line.string("type", c_type);
    line.key("value");
}

void end_argument(JsonLine& line, std::uint8_t tags) {
    write_origin(line, tags);
    line.end_object();
}

void write_value(JsonLine& line, const ifl_call& call, const catalog::Argument& argument, std::size_t index) {
    if (const auto names = named_argument(call, argument.name, index)) {
        line.string(*names);
        return;
    }
    switch (value_kind(argument.c_type)) {
        case ValueKind::address:
            line.hex(address_argument(call, index));
            return;
        case ValueKind::signed_number:
            line.signed_number(signed_argument(call, index));
            return;
        case ValueKind::size:
            line.number(size_argument(call, index));
            return;
        case ValueKind::unsigned_number:
            line.number(unsigned_argument(call, index));
            return;
    }
}

void write_decoded(JsonLine& line, const ifl_call& call, Decoded kind) {
    switch (kind) {
        case Decoded::context:
            line.hex(call.ctx_id);
            return;
        case Decoded::timeout:
            line.begin_object();
            line.signed_number("tv_sec", call.timeout_s);
            line.signed_number("tv_nsec", call.timeout_ns);
            line.end_object();
            return;
        case Decoded::sigmask:
            line.string(catalog::signal_set(call.sigmask));
            return;
        case Decoded::sigset_bytes:
            line.number(call.sigset_bytes);
            return;
        case Decoded::aio_key:
            line.number(call.aio_key);
            return;
    }
}

void write_iocb(JsonLine& line, const model::Event& event, const model::IocbArgument& argument) {
    line.begin_object();
    line.number("index", argument.index);
    line.hex("address", argument.address);
    line.boolean("readable", argument.readable);
    if (argument.readable) {
        const struct iocb block = decode_iocb(argument);
        line.string("opcode", catalog::opcode_name(model::name(event.family), block.aio_lio_opcode));
        line.number("fd", block.aio_fildes);
        line.string_if("file", argument.file ? std::string_view(argument.file->name) : std::string_view());
        line.hex("buffer", block.aio_buf);
        line.number("length", block.aio_nbytes);
        line.signed_number("offset", block.aio_offset);
        line.string("rw_flags",
                    catalog::flag_names(catalog::rw_flags(), static_cast<std::uint32_t>(block.aio_rw_flags)));
        line.key("priority");
        (block.aio_flags & IOCB_FLAG_IOPRIO) != 0
            ? line.string(catalog::ioprio_name(static_cast<std::uint16_t>(block.aio_reqprio)))
            : line.null();
        line.number_if("resfd", (block.aio_flags & IOCB_FLAG_RESFD) != 0, block.aio_resfd);
        line.hex("data", block.aio_data);
    }
    line.end_object();
}

void write_lists(JsonLine& line, const model::Event& event) {
    if (!event.iocbs.empty()) {
        begin_argument(line, "iocbs", "struct iocb[]");
        line.begin_array();
        for (const model::IocbArgument& argument : event.iocbs) {
            write_iocb(line, event, argument);
        }
        line.end_array();
        end_argument(line, list_tags);
    }
    if (!event.returned.empty()) {
        begin_argument(line, "returned", "struct io_event[]");
        line.begin_array();
        for (const ifl_io_event& returned : event.returned) {
            line.begin_object();
            line.hex("data", returned.data);
            line.hex("obj", returned.obj);
            line.signed_number("res", returned.res);
            line.signed_number("res2", returned.res2);
            line.end_object();
        }
        line.end_array();
        end_argument(line, list_tags);
    }
}

void write_field(JsonLine& line, const catalog::Field& field) {
    line.key(field.name);
    switch (field.kind) {
        case catalog::FieldKind::unsigned_number:
            line.number(field.value);
            return;
        case catalog::FieldKind::signed_number:
            line.signed_number(static_cast<std::int64_t>(field.value));
            return;
        case catalog::FieldKind::address:
            line.hex(field.value);
            return;
        case catalog::FieldKind::flags:
        case catalog::FieldKind::name:
            line.string(field.text);
            return;
    }
}

// What could not be read is null, what was read in part has "truncated".
void write_structures(JsonLine& line, const model::Event& event) {
    for (const Structure& structure : structures_of(event)) {
        begin_argument(line, structure.name, structure.c_type);
        if (structure.readable) {
            line.begin_object();
            for (const catalog::Field& field : structure.fields) {
                write_field(line, field);
            }
            if (structure.truncated) {
                line.boolean("truncated", true);
            }
            line.end_object();
        } else {
            line.null();
        }
        end_argument(line, structure.kernel ? +catalog::Tag::K : list_tags);
    }
}

void write_arguments(JsonLine& line, const model::Event& event) {
    line.key("args");
    line.begin_array();
    if (const catalog::Event* described = event_of(event.call)) {
        for (std::size_t index = 0; index < described->arguments.size(); ++index) {
            const catalog::Argument& argument = described->arguments[index];
            begin_argument(line, argument.name, argument.c_type);
            write_value(line, event.call, argument, index);
            end_argument(line, argument.tags);
        }
        for (const catalog::Argument& decoded : described->decoded) {
            if (const auto kind = decoded_value(event.call, decoded.name)) {
                begin_argument(line, decoded.name, decoded.c_type);
                write_decoded(line, event.call, *kind);
                end_argument(line, decoded.tags);
            }
        }
        write_lists(line, event);
        write_structures(line, event);
    }
    line.end_array();
}

void write_task(JsonLine& line, const model::Event& event) {
    const ifl_task& task = event.call.task;
    line.id("pid", task.pid);
    line.id("tid", task.tid);
    line.id("ppid", task.ppid);
    line.number("uid", task.uid);
    line.string("comm", comm_of(task));
    line.number("cgroup_id", task.cgroup_id);
    line.string_if("cgroup", event.cgroup_path);
    line.string_if("container_id", event.container_id);
    line.number("pid_ns", task.pid_ns);
    line.number("mnt_ns", task.mnt_ns);
    line.number("ns_pid", task.ns_pid);
    line.number("ns_tid", task.ns_tid);
    line.number("ns_ppid", task.ns_ppid);
}

}  // namespace

void write_event(JsonLine& line, const model::Event& event) {
    const ifl_call& call = event.call;
    const bool returned = !event.in_progress && !event.exit_missed;
    const bool is_submit = call.syscall == IFL_IO_SUBMIT && returned;
    const int error = returned ? error_of(call.ret) : 0;

    line.begin();
    line.string("type", "event");
    line.number("time_ns", call.header.time_ns);
    line.number("start_ns", call.start_ns);
    line.number_if("duration_ns", !event.exit_missed && call.header.time_ns >= call.start_ns,
                   call.header.time_ns - call.start_ns);
    line.string("event", event_name(call));
    line.hex_if("call_id", call.call_id != 0, call.call_id);
    line.string("family", model::name(event.family));
    line.string("tier", model::name(event.tier));
    write_task(line, event);
    line.string("abi", abi_name(call));
    line.hex_if("context_id", call.context_id != 0, call.context_id);
    write_arguments(line, event);
    line.signed_if("ret", returned, call.ret);
    line.key("error");
    error == 0 ? line.null() : line.string(catalog::errno_name(error));
    line.number_if("accepted", is_submit, call.accepted);
    line.key("submit_error");
    is_submit&& call.submit_error < 0 ? line.string(catalog::errno_name(-call.submit_error)) : line.null();
    constexpr std::uint64_t ns_per_us = 1000;
    line.number_if("slept_ns", (call.flags & IFL_CALL_SLEPT_KNOWN) != 0, call.header.span_us * ns_per_us);
    line.number("entries_skipped", call.entries_skipped);
    line.number("records_lost", call.records_lost);
    line.boolean("in_progress", event.in_progress);
    line.boolean("exit_missed", event.exit_missed);
    line.boolean("decoded", event.decoded);
    line.end();
}

}  // namespace inflight::view
