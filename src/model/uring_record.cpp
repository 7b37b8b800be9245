// SPDX-License-Identifier: Apache-2.0
#include "model/uring_record.hpp"

#include <algorithm>
#include <cstring>

namespace inflight::model::uring {

namespace {

// What a brief record leaves out.
constexpr ifl_uring_request nothing_more{};

template <typename Value>
Value in_sqe(const ifl_uring_request& record, std::size_t at) {
    Value value{};
    std::memcpy(&value, &record.sqe[at], sizeof(value));
    return value;
}

std::optional<std::uint64_t> time_or_none(std::uint64_t time_ns) {
    return time_ns == 0 ? std::nullopt : std::optional(time_ns);
}

bool is_error(std::int32_t result) {
    constexpr std::int32_t errors_most = 4095;
    return result < 0 && result >= -errors_most;
}

void set_comm(std::string& to, const char (&comm)[IFL_COMM_BYTES]) {
    to.assign(&comm[0], strnlen(&comm[0], IFL_COMM_BYTES));
}

void fill_arguments(Request& request, const ifl_uring_request& record) {
    if ((record.flags & IFL_UREQ_SQE_UNREAD) == 0) {
        request.origin = Origin::user;
        request.buffer = in_sqe<std::uint64_t>(record, sqe_addr_at);
        request.length = in_sqe<std::uint32_t>(record, sqe_len_at);
        request.offset = in_sqe<std::int64_t>(record, sqe_off_at);
        request.rw_flags = in_sqe<std::uint32_t>(record, sqe_op_flags_at);
        request.ioprio = in_sqe<std::uint16_t>(record, sqe_ioprio_at);
    }
    if ((record.flags & IFL_UREQ_KERNEL_RW) != 0) {
        request.origin = Origin::kernel;
        request.buffer = record.k_address;
        request.length = record.k_length;
        request.offset = record.k_offset;
    }
}

// Whether one with several CQEs does the same thing again and again. A bundle sends each byte once, and asking a socket
// for time stamps is one request.
bool repeats(const ifl_uring_request& record) {
    const bool multishot_command = (in_sqe<std::uint32_t>(record, sqe_op_flags_at) & cmd_multishot) != 0;
    return record.opcode != op_send && record.opcode != op_send_zc && record.opcode != op_sendmsg_zc &&
           ((record.opcode != op_uring_cmd && record.opcode != op_uring_cmd128) || multishot_command);
}

void fill_part(UringPart& part, const ifl_uring_request& record) {
    const bool brief = is_brief(record);
    const ifl_uring_request& more = brief ? nothing_more : record;
    part.request_id = record.request_id;
    part.sqe_known = (record.flags & IFL_UREQ_SQE_UNREAD) == 0;
    if (part.sqe_known) {
        std::copy(std::begin(record.sqe), std::end(record.sqe), part.sqe.begin());
    }
    part.sqe_flags = record.sqe_flags;
    if ((record.flags & IFL_UREQ_NEW_USER_DATA) != 0 && part.sqe_known) {
        part.first_user_data = in_sqe<std::uint64_t>(record, sqe_user_data_at);
    }
    part.fixed_file = (record.flags & IFL_UREQ_FIXED_FILE) != 0;
    part.kernel_rw = (record.flags & IFL_UREQ_KERNEL_RW) != 0;
    part.defer_ns = time_or_none(more.defer_ns);
    part.punt_ns = time_or_none(more.punt_ns);
    part.worker_ns = time_or_none(more.worker_ns);
    part.arm_ns = time_or_none(more.arm_ns);
    part.task_work_ns = time_or_none(record.task_work_ns);
    part.place = record.place < IFL_PLACE_COUNT ? static_cast<ifl_place>(record.place) : IFL_PLACE_NONE;
    part.punts = more.punts;
    part.arms = more.arms;
    part.task_works = record.task_works;
    part.batch = record.batch;
    part.sq_thread_tid = (record.flags & IFL_UREQ_SQPOLL) != 0 ? more.sq_thread : 0;
    part.worker_tid = more.worker_tid;
    part.by_worker = (record.flags & IFL_UREQ_BY_WORKER) != 0;
    part.driven_by_bpf = (record.flags & IFL_UREQ_DRIVEN) != 0;
    const bool of_submitter = brief && record.state == IFL_UREQ_ENDED && !part.driven_by_bpf;
    set_comm(part.completer_comm, of_submitter ? record.comm : more.completer_comm);
    part.link_head = more.link_head;
    part.failed_by = more.failed_by;
    part.prep_failed = (record.flags & IFL_UREQ_PREP_FAILED) != 0;
    part.prep_error = part.prep_failed && is_error(more.prep_error) ? -more.prep_error : 0;
    part.multishot = part.multishot || ((record.cqes != 0 || record.state == IFL_UREQ_ANNOUNCED) && repeats(record));
}

}  // namespace

void set_completer(Tracked& tracked, std::uint32_t pid, std::uint32_t tid) {
    const bool only_ran_the_program = tracked.part->driven_by_bpf && tid == tracked.request.tid;
    tracked.request.completer_pid = only_ran_the_program ? 0 : pid;
    tracked.request.completer_tid = only_ran_the_program ? 0 : tid;
}

void fill_from(Tracked& tracked, const ifl_uring_request& record) {
    Request& request = tracked.request;
    tracked.flags = record.flags;
    tracked.cq_tail = record.cq_tail;
    fill_part(*tracked.part, record);
    request.family = Family::uring;
    request.tier = static_cast<Tier>(record.header.tier);
    request.kernel_address = record.req;
    request.context_id = record.context_id;
    request.call_id = is_brief(record) ? 0 : record.call_id;
    request.opcode = record.opcode;
    request.fd = record.fd;
    fill_arguments(request, record);
    request.user_data = record.user_data;
    request.user_data_known = true;
    request.pid = record.pid;
    request.tid = (record.flags & IFL_UREQ_SQPOLL) != 0 ? 0 : record.tid;
    request.uid = record.uid;
    request.cgroup_id = record.cgroup_id;
    set_comm(request.comm, record.comm);
    set_completer(tracked, record.completer_pid, record.completer_tid);
    request.submit_ns = time_or_none(record.submit_ns);
    request.existed = (record.flags & IFL_UREQ_EXISTED) != 0;
    request.unpaired = (record.flags & IFL_UREQ_UNPAIRED) != 0;
    request.context_dead = (record.flags & IFL_UREQ_RING_DYING) != 0;
    request.appended = (record.flags & IFL_UREQ_APPENDED) != 0;
}

void end_from(Tracked& tracked, const ifl_uring_request& record) {
    Request& request = tracked.request;
    UringPart& part = *tracked.part;
    request.complete_ns = record.complete_ns != 0 ? record.complete_ns : record.header.time_ns;
    part.cqe_count = std::max<std::uint64_t>(part.cqe_count, record.cqes);
    if ((record.flags & IFL_UREQ_END_UNSEEN) != 0) {
        request.result_known = false;
        request.completion_exact = false;
        // A chain whose head asked for no CQE and fails is cancelled without any (io_fail_links).
        part.cqe_skipped = (record.sqe_flags & sqe_cqe_skip_success) != 0 || (record.flags & IFL_UREQ_LINK_FAILED) != 0;
        request.completion_seen = part.cqe_skipped;
        return;
    }
    request.result = record.result;
    part.cqe_flags = record.cqe_flags;
    if ((record.flags & IFL_UREQ_BIG_CQE) != 0) {
        const ifl_uring_request& more = is_brief(record) ? nothing_more : record;
        part.big = {more.big_cqe[0], more.big_cqe[1]};
    }
    part.cqe_count++;
    part.cqe_bytes += record.result > 0 ? static_cast<std::uint64_t>(record.result) : 0;
}

void take_refusal(Tracked& tracked) {
    if (tracked.part->prep_error != 0 && !tracked.request.result_known) {
        tracked.request.result = -tracked.part->prep_error;
        tracked.request.result_known = true;
    }
}

}  // namespace inflight::model::uring
