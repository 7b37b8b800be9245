// SPDX-License-Identifier: Apache-2.0
#include "model/where_fields.hpp"

#include "catalog/names.hpp"
#include "model/statistics.hpp"

#include <algorithm>
#include <array>

namespace inflight::model {

namespace {

using Number = std::optional<WideNumber>;
using Text = std::optional<std::string>;

template <typename Value>
Number if_known(bool known, Value value) {
    return known ? Number(static_cast<WideNumber>(value)) : std::nullopt;
}

Text text_if(const std::string& text) {
    return text.empty() ? std::nullopt : Text(text);
}

bool asked_known(const Request& request) {
    return request.origin != Origin::unknown;
}

Number between(std::optional<std::uint64_t> from_ns, std::optional<std::uint64_t> to_ns) {
    return from_ns && to_ns && *to_ns >= *from_ns ? Number(*to_ns - *from_ns) : std::nullopt;
}

Text operation(const WhereSubject& subject) {
    const Request& request = subject.request;
    return request.opcode ? Text(catalog::opcode_name(name(request.family), *request.opcode)) : std::nullopt;
}

// Of the request's own result: of one in flight and of one that ended unseen there is none.
bool has_result(const Request& request) {
    return request.complete_ns && request.result_known;
}

using Subject = const WhereSubject&;

constexpr auto fields = std::to_array<WhereField>({
    {"pid", FieldType::number, "process that submitted it",
     [](Subject of) { return if_known(of.request.pid != 0, of.request.pid); }, nullptr},
    {"tid", FieldType::number, "thread that submitted it",
     [](Subject of) { return if_known(of.request.tid != 0, of.request.tid); }, nullptr},
    {"uid", FieldType::number, "user that submitted it",
     [](Subject of) { return if_known(of.request.pid != 0, of.request.uid); }, nullptr},
    {"comm", FieldType::text, "name of the task, its first 15 bytes", nullptr,
     [](Subject of) { return text_if(of.request.comm); }},
    {"cgroup", FieldType::number, "id of its cgroup",
     [](Subject of) { return if_known(of.request.cgroup_id != 0, of.request.cgroup_id); }, nullptr},
    {"family", FieldType::family, "aio or uring", nullptr,
     [](Subject of) { return Text(name(of.request.family)); }},
    {"op", FieldType::op, "operation: pread, read, poll_add, ...", nullptr, operation},
    {"fd", FieldType::number, "descriptor; not known for an index of a ring's file table",
     [](Subject of) {
         const bool fixed = of.request.uring != nullptr && of.request.uring->fixed_file;
         return if_known(asked_known(of.request) && of.request.fd >= 0 && !fixed, of.request.fd);
     },
     nullptr},
    {"file", FieldType::text, "path, pipe:[n], socket:[n], ...", nullptr,
     [](Subject of) { return of.request.file != nullptr ? text_if(of.request.file->name) : std::nullopt; }},
    {"file_kind", FieldType::text, "regular file, pipe, socket, block device, ...", nullptr,
     [](Subject of) { return of.request.file != nullptr ? text_if(of.request.file->kind) : std::nullopt; }},
    {"inode", FieldType::number, "inode number of the file",
     [](Subject of) {
         const auto& file = of.request.file;
         return if_known(file != nullptr && file->inode != 0, file != nullptr ? file->inode : 0);
     },
     nullptr},
    {"outcome", FieldType::outcome, "completed, failed, cancelled, abandoned, in-flight", nullptr,
     [](Subject of) { return Text(name(of.request.outcome)); }},
    {"result", FieldType::number, "what the kernel returned, negative for an error",
     [](Subject of) { return if_known(has_result(of.request), of.request.result); }, nullptr},
    {"error", FieldType::error, "errno of a failed request, as EIO",
     [](Subject of) {
         const int error = of.request.error();
         return if_known(has_result(of.request) && error != 0, error);
     },
     nullptr},
    {"errno", FieldType::error, "the same",
     [](Subject of) {
         const int error = of.request.error();
         return if_known(has_result(of.request) && error != 0, error);
     },
     nullptr},
    {"latency", FieldType::time, "from submission to completion",
     [](Subject of) { return between(of.request.submit_ns, of.request.complete_ns); }, nullptr},
    {"submit_to_reap", FieldType::time, "from submission until the program had it",
     [](Subject of) { return between(of.request.submit_ns, of.request.reap_ns); }, nullptr},
    {"reap_wait", FieldType::time, "from completion until the program had it",
     [](Subject of) { return between(of.request.complete_ns, of.request.reap_ns); }, nullptr},
    {"offset", FieldType::bytes, "position in the file",
     [](Subject of) { return if_known(asked_known(of.request), of.request.offset); }, nullptr},
    {"length", FieldType::bytes, "what was asked for: bytes, or the number of vectors",
     [](Subject of) { return if_known(asked_known(of.request), of.request.length); }, nullptr},
    {"bytes", FieldType::bytes, "what was transferred",
     [](Subject of) { return if_known(has_result(of.request), bytes_moved(of.request)); }, nullptr},
    {"user_data", FieldType::number, "aio_data or sqe.user_data",
     [](Subject of) { return if_known(of.request.user_data_known, of.request.user_data); }, nullptr},
    {"context", FieldType::number, "ctx_id of kernel AIO, descriptor of a ring",
     [](Subject of) {
         const bool aio = of.request.family == Family::aio;
         return if_known(aio ? of.request.ctx_id != 0 : uring::is_ring_fd(of.request.ctx_id), of.request.ctx_id);
     },
     nullptr},
    {"context_id", FieldType::number, "inflight's own number of the context",
     [](Subject of) { return if_known(of.request.context_id != 0, of.request.context_id); }, nullptr},
    {"iocb", FieldType::number, "address of the iocb",
     [](Subject of) { return if_known(of.request.address != 0, of.request.address); }, nullptr},
    {"call", FieldType::number, "inflight's number of the call that brought it",
     [](Subject of) { return if_known(of.request.call_id != 0, of.request.call_id); }, nullptr},
    {"synchronous", FieldType::boolean, "ended inside io_submit; not known of io_uring",
     [](Subject of) { return if_known(of.request.family == Family::aio, of.request.synchronous); }, nullptr},
    {"existed", FieldType::boolean, "was in flight before the trace began",
     [](Subject of) { return if_known(true, of.request.existed); }, nullptr},
    {"punts", FieldType::number, "times it was handed to io-wq",
     [](Subject of) {
         const auto& part = of.request.uring;
         return if_known(part != nullptr, part != nullptr ? part->punts : 0);
     },
     nullptr},
    {"arms", FieldType::number, "times it waited on poll",
     [](Subject of) {
         const auto& part = of.request.uring;
         return if_known(part != nullptr, part != nullptr ? part->arms : 0);
     },
     nullptr},
    {"cqes", FieldType::number, "CQEs of an io_uring request",
     [](Subject of) {
         const auto& part = of.request.uring;
         return if_known(part != nullptr, part != nullptr ? part->cqe_count : 0);
     },
     nullptr},
    {"multishot", FieldType::boolean, "an io_uring request with several CQEs",
     [](Subject of) {
         const auto& part = of.request.uring;
         return if_known(part != nullptr, part != nullptr && part->multishot);
     },
     nullptr},
    {"cause", FieldType::cause, "why an io_uring request was cancelled or given up: link-failed, ...", nullptr,
     [](Subject of) {
         const auto& part = of.request.uring;
         return part != nullptr && part->cause != EndCause::none ? Text(name(part->cause)) : std::nullopt;
     }},
    {"verdict", FieldType::verdict, "of a cancel: cancelled, completed-first, ...; requests have none", nullptr,
     [](Subject of) { return of.verdict ? Text(name(*of.verdict)) : std::nullopt; }},
});

template <typename Enum>
bool is_one_of(std::string_view text, std::size_t count) {
    for (std::size_t index = 0; index < count; ++index) {
        if (name(static_cast<Enum>(index)) == text) {
            return true;
        }
    }
    return false;
}

bool is_operation(std::string_view text) {
    // An opcode without a name is "op 63".
    return text.starts_with("op ") || catalog::opcode_by_name(name(Family::aio), text) ||
           catalog::opcode_by_name(name(Family::uring), text);
}

}  // namespace

std::span<const WhereField> where_fields() {
    return fields;
}

const WhereField* where_field(std::string_view name) {
    std::string wanted(name);
    std::ranges::replace(wanted, '-', '_');
    const auto found = std::ranges::find(fields, wanted, &WhereField::name);
    return found == fields.end() ? nullptr : &*found;
}

bool is_name_of(FieldType type, std::string_view text) {
    switch (type) {
        case FieldType::op:
            return is_operation(text);
        case FieldType::family:
            return text == name(Family::aio) || text == name(Family::uring);
        case FieldType::outcome:
            return outcome_by_name(text).has_value();
        case FieldType::verdict:
            return is_one_of<Verdict>(text, verdict_count);
        case FieldType::cause:
            return is_one_of<EndCause>(text, static_cast<std::size_t>(EndCause::unknown) + 1);
        default:
            return true;
    }
}

}  // namespace inflight::model
