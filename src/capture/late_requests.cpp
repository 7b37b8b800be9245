// SPDX-License-Identifier: Apache-2.0
#include "capture/late_requests.hpp"

#include "contract/uring.h"

#include <cstring>

namespace inflight::capture {

namespace {

// What is known only since it ended.
constexpr ifl_u32 end_flags =
    IFL_REQ_CONTEXT_DEAD | IFL_REQ_POLL_CANCELLED | IFL_REQ_SYNC | IFL_REQ_EXACT_END | IFL_REQ_END_UNSEEN;
constexpr ifl_u32 uring_end_flags =
    IFL_UREQ_END_UNSEEN | IFL_UREQ_RING_DYING | IFL_UREQ_TASK_EXITING | IFL_UREQ_BIG_CQE | IFL_UREQ_BY_WORKER;

// What the records of both families call alike.
template <typename Record>
void clear_end(Record& request, ifl_u32 flags) {
    request.complete_ns = 0;
    request.result = 0;
    request.completer_pid = 0;
    request.completer_tid = 0;
    request.flags &= ~flags;
}

// One that no hook and no iterator had seen before may have begun after the end.
bool take_end_back(ifl_request& request, std::uint64_t end_ns) {
    const bool seen_begin = request.submit_ns != 0 || (request.flags & IFL_REQ_IOCB_UNREAD) == 0;
    if (request.state != IFL_REQUEST_COMPLETED || request.submit_ns > end_ns || !seen_begin) {
        return false;
    }
    request.state = IFL_REQUEST_IN_FLIGHT;
    request.result2 = 0;
    clear_end(request, end_flags);
    return true;
}

// The record may be a brief one.
bool take_end_back(ifl_uring_request& request, std::uint64_t end_ns) {
    if (request.state != IFL_UREQ_ENDED || request.submit_ns > end_ns || request.submit_ns == 0) {
        return false;
    }
    request.state = IFL_UREQ_IN_FLIGHT;
    request.cqe_flags = 0;
    request.cq_tail = 0;
    clear_end(request, uring_end_flags);
    if (request.header.size_bytes == sizeof(request)) {
        std::memset(request.completer_comm, 0, sizeof(request.completer_comm));
    }
    return true;
}

}  // namespace

void LateRequests::note(const ifl_header& record, std::uint64_t end_ns) {
    if (record.kind != IFL_REQUEST && record.kind != IFL_URING_REQUEST) {
        return;
    }
    std::vector<std::uint64_t> words((record.size_bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    std::memcpy(words.data(), &record, record.size_bytes);
    auto& header = *reinterpret_cast<ifl_header*>(words.data());
    header.time_ns = end_ns;
    const bool was_in_flight = header.kind == IFL_REQUEST
                                   ? take_end_back(reinterpret_cast<ifl_request&>(header), end_ns)
                                   : take_end_back(reinterpret_cast<ifl_uring_request&>(header), end_ns);
    if (was_in_flight) {
        requests_.push_back(std::move(words));
    }
}

void LateRequests::for_each(const std::function<void(const ifl_header&)>& visit) const {
    for (const auto& words : requests_) {
        visit(*reinterpret_cast<const ifl_header*>(words.data()));
    }
}

}  // namespace inflight::capture
