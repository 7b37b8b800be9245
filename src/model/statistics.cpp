// SPDX-License-Identifier: Apache-2.0
#include "model/statistics.hpp"

#include "catalog/uring.hpp"

#include <algorithm>
#include <array>

namespace inflight::model {

namespace {

// IOCB_CMD_PREAD, PWRITE, PREADV, PWRITEV: their result is a number of bytes.
constexpr std::array<std::uint16_t, 4> transfers{0, 1, 7, 8};

bool moves_bytes(const Request& request) {
    if (!request.opcode) {
        return false;
    }
    if (request.family == Family::uring) {
        const auto* op = catalog::uring_op(*request.opcode);
        return op != nullptr && op->transfers_bytes;
    }
    return std::ranges::find(transfers, *request.opcode) != transfers.end();
}

}  // namespace

std::uint64_t bytes_moved(const Request& request) {
    if (!moves_bytes(request)) {
        return 0;
    }
    if (request.uring != nullptr && request.uring->cqe_count != 0) {
        return request.uring->cqe_bytes;
    }
    return request.complete_ns && request.result > 0 ? static_cast<std::uint64_t>(request.result) : 0;
}

OperationStats& Statistics::operation_of(const Request& request) {
    // Most are like the one before.
    if (last_ != nullptr && last_->pid == request.pid && last_->family == request.family &&
        last_->opcode == request.opcode && last_->comm == request.comm) {
        return *last_;
    }
    last_ = &operations_[{request.pid, request.comm, request.family, request.opcode ? int{*request.opcode} : -1}];
    last_->pid = request.pid;
    last_->comm = request.comm;
    last_->family = request.family;
    last_->opcode = request.opcode;
    return *last_;
}

void Statistics::on_request(const Request& request) {
    const auto outcome = static_cast<std::size_t>(request.outcome);
    totals_.requests++;
    totals_.outcomes.at(outcome)++;
    OperationStats& stats = operation_of(request);
    stats.requests++;
    stats.outcomes.at(outcome)++;
    stats.bytes += bytes_moved(request);
    if (const auto latency = request.latency_ns()) {
        stats.latency.add(*latency);
    }
    next_.on_request(request);
}

void Statistics::on_cancel(const Cancel& cancel) {
    totals_.cancels++;
    totals_.verdicts.at(static_cast<std::size_t>(cancel.verdict))++;
    next_.on_cancel(cancel);
}

void Statistics::on_event(const Event& event) {
    if (!event.in_progress) {
        totals_.events++;
    }
    next_.on_event(event);
}

void Statistics::on_context(const Context& context) {
    contexts_[context.context_id] = context;
    if (context.change != ContextChange::observed) {
        next_.on_context(context);
    }
}

void Statistics::on_finding(const Finding& finding) {
    totals_.findings++;
    next_.on_finding(finding);
}

void Statistics::on_completion(const Completion& completion) {
    totals_.completions++;
    next_.on_completion(completion);
}

Summary Statistics::summary(std::uint64_t start_ns, std::uint64_t end_ns) const {
    Summary summary = totals_;
    summary.start_ns = start_ns;
    summary.end_ns = end_ns;
    for (const auto& [key, stats] : operations_) {
        summary.operations.push_back(stats);
    }
    // There may be very many, and each is large: only their addresses are moved to and fro.
    std::vector<const Context*> by_requests;
    by_requests.reserve(contexts_.size());
    for (const auto& [id, context] : contexts_) {
        by_requests.push_back(&context);
    }
    std::ranges::stable_sort(by_requests, std::ranges::greater{}, &Context::submitted);
    summary.contexts.reserve(by_requests.size());
    for (const Context* const context : by_requests) {
        summary.contexts.push_back(*context);
    }
    std::ranges::stable_sort(summary.operations, std::ranges::greater{}, &OperationStats::requests);
    return summary;
}

}  // namespace inflight::model
