// SPDX-License-Identifier: Apache-2.0
// What only io_uring requests, rings and cancels have, as JSON.
#include "catalog/names.hpp"
#include "catalog/uring.hpp"
#include "model/uring_tracked.hpp"
#include "view/calls.hpp"
#include "view/json_line.hpp"
#include "view/sqe.hpp"

#include <fmt/format.h>

#include <array>

namespace inflight::view {
namespace {

using model::Request;
using model::UringPart;

void write_names(JsonLine& line, std::string_view name, const std::optional<std::string>& names) {
    line.string_if(name, names.has_value(), names ? std::string_view(*names) : std::string_view());
}

void write_id(JsonLine& line, std::string_view name, std::uint64_t id) {
    line.hex_if(name, id != 0, id);
}

void write_big(JsonLine& line, const std::optional<std::array<std::uint64_t, 2>>& big) {
    line.key("big_cqe");
    if (!big) {
        line.null();
        return;
    }
    line.begin_array();
    for (const std::uint64_t half : *big) {
        line.hex(half);
    }
    line.end_array();
}

void write_detail(JsonLine& line, const Request& request, ifl_detail_kind kind, std::string_view name,
                  std::string_view origin_name) {
    const model::Detail* detail = readable_detail(request, kind);
    line.string_if(name, detail != nullptr, detail != nullptr ? std::string_view(detail->bytes) : std::string_view());
    line.string_if(origin_name, detail != nullptr, detail != nullptr && detail->kernel ? "K" : "U");
}

void write_futex(JsonLine& line, const Request& request) {
    line.key("futex");
    const auto futex = futex_operands(request);
    if (!futex) {
        line.null();
        return;
    }
    line.begin_object();
    line.hex("address", futex->address);
    line.hex_if("value", futex->value.has_value(), futex->value.value_or(0));
    line.hex_if("mask", futex->mask.has_value(), futex->mask.value_or(0));
    line.hex_if("flags", futex->flags.has_value(), futex->flags.value_or(0));
    line.number_if("count", futex->count);
    line.end_object();
}

void write_wait(JsonLine& line, const Request& request) {
    line.key("waitid");
    const auto wait = wait_operands(request);
    if (!wait) {
        line.null();
        return;
    }
    line.begin_object();
    line.string("id_type", wait->id_type);
    line.signed_number("id", wait->id);
    line.string("options", wait->options);
    line.end_object();
}

void write_socket_option(JsonLine& line, const Request& request) {
    line.key("sockopt");
    const auto option = socket_option(request);
    if (!option) {
        line.null();
        return;
    }
    line.begin_object();
    line.number("level", option->level);
    line.number("optname", option->name);
    line.number("optlen", option->length_bytes);
    line.hex("optval", option->address);
    line.end_object();
}

void write_integrity(JsonLine& line, const std::optional<Attributes::Integrity>& integrity) {
    line.key("integrity");
    if (!integrity) {
        line.null();
        return;
    }
    line.begin_object();
    line.string("flags", integrity->flags);
    line.number("app_tag", integrity->app_tag);
    line.number("length", integrity->length_bytes);
    line.hex("address", integrity->address);
    line.hex("seed", integrity->seed);
    line.end_object();
}

void write_attributes(JsonLine& line, const Request& request) {
    line.key("attributes");
    const auto found = attributes(request);
    if (!found) {
        line.null();
        return;
    }
    line.begin_object();
    line.string("flags", found->flags);
    line.hex("address", found->address);
    write_integrity(line, found->integrity);
    line.end_object();
}

void write_timestamp(JsonLine& line, const model::Completion& completion) {
    line.key("tx_timestamp");
    const auto stamp = tx_timestamp(completion);
    if (!stamp) {
        line.null();
        return;
    }
    line.begin_object();
    line.boolean("hardware", stamp->hardware);
    line.string("type", stamp->type);
    line.number("tv_sec", stamp->seconds);
    line.number("tv_nsec", stamp->nanoseconds);
    line.end_object();
}

// What the SQE says and what it points at.
void write_asked_of_ring(JsonLine& line, const Request& request) {
    const UringPart& part = *request.uring;
    line.string_if("sqe_flags", part.sqe_known || request.opcode.has_value(),
                   catalog::flag_names(catalog::sqe_flags(), part.sqe_flags));
    line.boolean("fixed_file", part.fixed_file);
    write_names(line, "op_flags", operation_flags(request));
    write_names(line, "len_flags", length_flags(request));
    write_names(line, "ioprio_flags", ioprio_flags(request));
    line.number_if("buf_index", buffer_index(request));
    line.number_if("buf_group", buffer_group(request));
    line.number_if("personality", personality(request));
    const auto source = splice_source(request);
    line.signed_if("splice_fd_in", source.has_value(), source.value_or(0));
    const auto target = target_user_data(request);
    line.hex_if("target_user_data", target.has_value(), target.value_or(0));

    write_detail(line, request, IFL_DETAIL_PATH, "path", "path_origin");
    const model::Detail* path = readable_detail(request, IFL_DETAIL_PATH);
    const model::Detail* new_path = readable_detail(request, IFL_DETAIL_NEW_PATH);
    line.key("path_truncated");
    path == nullptr&& new_path == nullptr
        ? line.null()
        : line.boolean((path != nullptr && path->truncated) || (new_path != nullptr && new_path->truncated));
    write_detail(line, request, IFL_DETAIL_NEW_PATH, "new_path", "new_path_origin");
    write_names(line, "sockaddr", address_text(request, IFL_DETAIL_ADDRESS));
    const model::Detail* address = readable_detail(request, IFL_DETAIL_ADDRESS);
    line.string_if("sockaddr_origin", address != nullptr, address != nullptr && address->kernel ? "K" : "U");
    write_names(line, "peer", address_text(request, IFL_DETAIL_PEER));
    const model::Detail* xattr = readable_detail(request, IFL_DETAIL_XATTR_NAME);
    line.string_if("xattr_name", xattr != nullptr,
                   xattr != nullptr ? std::string_view(xattr->bytes) : std::string_view());

    line.number_if("timeout_ns", timeout_ns(request));
    const auto moment = absolute_timeout(request);
    line.string_if("timeout_clock", moment.has_value(), moment ? moment->clock : "");
    const auto left_ns = moment ? moment->left_ns : std::nullopt;
    line.signed_if("timeout_left_ns", left_ns.has_value(), left_ns.value_or(0));
    write_names(line, "timeout_flags", timeout_flags(request));
    const auto mode = file_mode(request);
    write_names(line, "mode", mode ? std::optional(fmt::format("{:#o}", *mode)) : std::nullopt);
    write_names(line, "resolve_flags", resolve_flags(request));
    line.number_if("cmd_op", command_number(request));
    const auto command = command_name(request);
    line.string_if("cmd_name", command.has_value(), command.value_or(std::string_view()));
    write_socket_option(line, request);
    write_names(line, "msg_ring_cmd", msg_ring_command(request));
    write_futex(line, request);
    write_wait(line, request);
    write_attributes(line, request);
    line.number_if("write_stream", write_stream(request));
    const auto notification = notification_user_data(request);
    line.hex_if("notification_user_data", notification.has_value(), notification.value_or(0));
    const bool rw_known = part.kernel_rw || part.sqe_known;
    line.string_if("rw_origin", rw_known, part.kernel_rw ? "K" : "U");
}

// What the kernel did with it on its way.
void write_way(JsonLine& line, const UringPart& part) {
    line.number_if("defer_ns", part.defer_ns);
    line.number_if("punt_ns", part.punt_ns);
    line.number_if("worker_ns", part.worker_ns);
    line.number_if("arm_ns", part.arm_ns);
    line.number_if("task_work_ns", part.task_work_ns);
    line.number("punts", part.punts);
    line.number("arms", part.arms);
    line.number("task_works", part.task_works);
    line.number_if("batch", part.batch != 0, part.batch);
    line.number_if("sq_thread", part.sq_thread_tid != 0, part.sq_thread_tid);
    line.id("worker", part.worker_tid, part.worker_tid != 0);
    line.boolean("by_worker", part.by_worker);
    line.boolean("driven_by_bpf", part.driven_by_bpf);
    line.string_if("completer_comm", part.completer_comm);
    write_id(line, "link_head", part.link_head);
    write_id(line, "failed_by", part.failed_by);
}

void write_ending(JsonLine& line, const Request& request) {
    const UringPart& part = *request.uring;
    line.string("cause", model::name(part.cause));
    write_id(line, "cancelled_by", part.cancelled_by);
    line.boolean("breaks_chain", model::uring::breaks_chain(request));
    line.hex_if("first_user_data", part.first_user_data.has_value(), part.first_user_data.value_or(0));
    line.boolean("prep_failed", part.prep_failed);
    line.string_if("prep_error", part.prep_error != 0,
                   part.prep_error != 0 ? catalog::errno_name(part.prep_error) : std::string());
    line.boolean("cqe_skipped", part.cqe_skipped);
    line.boolean("multishot", part.multishot);
    line.boolean("overflowed", part.overflowed);
    line.string_if("cqe_flags", has_result(request) && !part.cqe_skipped, cqe_flags_text(&request, part.cqe_flags));
    line.number("cqe_count", part.cqe_count);
    line.number("cqe_bytes", part.cqe_bytes);
    write_big(line, part.big);
    line.number_if("notified_ns", part.notified_ns);
    line.boolean("details_lost", part.details_lost);
}

}  // namespace

void write_uring(JsonLine& line, const Request& request) {
    line.key("uring");
    if (!request.uring) {
        line.null();
        return;
    }
    line.begin_object();
    write_id(line, "request_id", request.uring->request_id);
    const auto ring = ring_fd(request);
    line.signed_if("ring_fd", ring.has_value(), ring.value_or(0));
    line.number_if("ring_pid", request.uring->ring_pid != 0, request.uring->ring_pid);
    write_asked_of_ring(line, request);
    write_way(line, *request.uring);
    write_ending(line, request);
    line.end_object();
}

void write_completion(JsonLine& line, const model::Completion& completion) {
    const model::Cqe& cqe = completion.cqe;
    const Request* request = completion.request.get();
    const int error = error_of(cqe.result);
    line.begin();
    line.string("type", "completion");
    line.number("time_ns", cqe.time_ns);
    write_id(line, "context_id", completion.context_id);
    line.hex("user_data", completion.user_data);
    line.signed_number("result", cqe.result);
    line.string_if("error", error == 0 ? std::string() : catalog::errno_name(error));
    line.string("cqe_flags", cqe_flags_text(request, cqe.flags));
    line.boolean("overflowed", cqe.overflowed);
    line.boolean("dropped", cqe.dropped);
    write_big(line, cqe.big);
    write_timestamp(line, completion);
    write_names(line, "usage", notification_usage(cqe));
    line.id("pid", completion.pid, completion.pid != 0);
    line.string_if("comm", completion.comm);
    write_id(line, "request_id", request != nullptr && request->uring ? request->uring->request_id : 0);
    line.string_if("op", request != nullptr && request->opcode
                             ? catalog::opcode_name(model::name(model::Family::uring), *request->opcode)
                             : std::string());
    line.end();
}

void write_cancel_key(JsonLine& line, const model::Cancel& cancel) {
    line.string("way", model::name(cancel.way));
    line.key("key");
    if (cancel.way == model::CancelWay::io_cancel) {
        line.null();
        return;
    }
    const model::CancelKey& key = cancel.key;
    line.begin_object();
    line.string("flags", catalog::flag_names(catalog::uring_cancel_flags(), key.flags));
    line.hex_if("user_data", key.user_data.has_value(), key.user_data.value_or(0));
    line.signed_if("fd", key.fd.has_value(), key.fd.value_or(0));
    line.string_if("op",
                   key.opcode ? catalog::opcode_name(model::name(model::Family::uring), *key.opcode) : std::string());
    line.number("count", key.count);
    line.number("matches", key.matches);
    line.end_object();
}

void write_ring(JsonLine& line, const std::optional<model::RingPart>& known_ring) {
    line.key("ring");
    if (!known_ring) {
        line.null();
        return;
    }
    const model::RingPart& ring = *known_ring;
    const bool sized = ring.sq_entries != 0;
    struct Counter {
        std::string_view name;
        std::uint32_t model::RingPart::* count;
    };
    static constexpr Counter counters[] = {
        {"cq_overflow", &model::RingPart::cq_overflow},
        {"sq_dropped", &model::RingPart::sq_dropped},
        {"sq_head", &model::RingPart::sq_head},
        {"sq_tail", &model::RingPart::sq_tail},
        {"cq_head", &model::RingPart::cq_head},
        {"cq_tail", &model::RingPart::cq_tail},
        {"files", &model::RingPart::files},
        {"buffers", &model::RingPart::buffers},
        {"workers_bound", &model::RingPart::workers_bound},
        {"workers_unbound", &model::RingPart::workers_unbound},
        {"workers_bound_max", &model::RingPart::workers_bound_max},
        {"workers_unbound_max", &model::RingPart::workers_unbound_max},
        {"workers_bound_limit", &model::RingPart::workers_bound_limit},
        {"workers_unbound_limit", &model::RingPart::workers_unbound_limit},
    };
    line.begin_object();
    line.string_if("setup_flags", sized, catalog::flag_names(catalog::uring_setup_flags(), ring.setup_flags));
    line.number_if("sq_entries", sized, ring.sq_entries);
    line.number_if("cq_entries", sized, ring.cq_entries);
    line.signed_if("fd", ring.fd >= 0, ring.fd);
    line.boolean("owner_guessed", ring.owner_guessed);
    line.boolean("closing", ring.closing);
    line.boolean("driven_by_bpf", ring.driven_by_bpf);
    line.number("cqes", ring.cqes);
    line.number("overflowed", ring.overflowed);
    for (const Counter& counter : counters) {
        line.number_if(counter.name, ring.counted, ring.*counter.count);
    }
    line.string_if("sq_flags", ring.counted, catalog::flag_names(catalog::uring_sq_flags(), ring.sq_flags));
    line.number_if("sq_thread", ring.counted && ring.sq_thread_tid != 0, ring.sq_thread_tid);
    line.end_object();
}

}  // namespace inflight::view
