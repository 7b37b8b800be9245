// SPDX-License-Identifier: Apache-2.0
#include "cli/captures_merge.hpp"

#include "model/where_filter.hpp"

#include <algorithm>

namespace inflight::cli {

namespace {

constexpr unsigned file_shift = 48;  // contexts are counted from 1

template <typename... Calls>
struct Overloaded : Calls... {
    using Calls::operator()...;
};

}  // namespace

void Shifted::move(std::uint64_t& time_ns) const {
    if (time_ns != 0) {
        time_ns += static_cast<std::uint64_t>(shift_ns_);
    }
}

void Shifted::move(std::optional<std::uint64_t>& time_ns) const {
    if (time_ns) {
        move(*time_ns);
    }
}

void Shifted::move(model::Cqe& cqe) const {
    move(cqe.time_ns);
    move(cqe.reap_ns);
}

void Shifted::number(std::uint64_t& context_id) const {
    if (context_id != 0) {
        context_id += std::uint64_t{file_} << file_shift;
    }
}

void Shifted::move(model::Request& request) const {
    number(request.context_id);
    move(request.submit_ns);
    move(request.complete_ns);
    move(request.reap_ns);
    if (request.uring == nullptr || shift_ns_ == 0) {
        return;
    }
    auto part = std::make_shared<model::UringPart>(*request.uring);
    for (auto* const time_ns :
         {&part->defer_ns, &part->punt_ns, &part->worker_ns, &part->arm_ns, &part->task_work_ns, &part->notified_ns}) {
        move(*time_ns);
    }
    for (auto& cqe : part->cqes) {
        move(cqe);
    }
    request.uring = std::move(part);
}

void Shifted::on_request(const model::Request& request) {
    if (!changes()) {
        next_.on_request(request);
        return;
    }
    model::Request moved = request;
    move(moved);
    next_.on_request(moved);
}

void Shifted::on_cancel(const model::Cancel& cancel) {
    model::Cancel moved = cancel;
    number(moved.context_id);
    move(moved.start_ns);
    move(moved.end_ns);
    if (moved.target) {
        move(*moved.target);
    }
    for (auto& target : moved.more_targets) {
        move(target);
    }
    next_.on_cancel(moved);
}

void Shifted::on_event(const model::Event& event) {
    model::Event moved = event;
    number(moved.call.context_id);
    move(moved.call.start_ns);
    std::uint64_t time_ns = moved.call.header.time_ns;
    move(time_ns);
    moved.call.header.time_ns = time_ns;
    next_.on_event(moved);
}

void Shifted::on_context(const model::Context& context) {
    model::Context moved = context;
    number(moved.context_id);
    move(moved.time_ns);
    move(moved.created_ns);
    move(moved.destroyed_ns);
    next_.on_context(moved);
}

void Shifted::on_finding(const model::Finding& finding) {
    model::Finding moved = finding;
    move(moved.time_ns);
    for (auto& story : moved.stories) {
        move(story);
    }
    next_.on_finding(moved);
}

void Shifted::on_completion(const model::Completion& completion) {
    model::Completion moved = completion;
    number(moved.context_id);
    move(moved.cqe);
    if (moved.request != nullptr) {
        auto request = std::make_shared<model::Request>(*moved.request);
        move(*request);
        moved.request = std::move(request);
    }
    next_.on_completion(moved);
}

void Merge::on_request(const model::Request& request) {
    keep(model::time_of(request), request);
}

void Merge::hand_out(model::Sink& sink) {
    std::ranges::stable_sort(kept_, {}, [](const auto& each) { return each.first; });
    for (auto& [time_ns, value] : kept_) {
        std::visit(Overloaded{[&](const model::Request& each) { sink.on_request(each); },
                              [&](const model::Cancel& each) { sink.on_cancel(each); },
                              [&](const model::Event& each) { sink.on_event(each); },
                              [&](const model::Context& each) { sink.on_context(each); },
                              [&](const model::Finding& each) { sink.on_finding(each); },
                              [&](const model::Completion& each) { sink.on_completion(each); }},
                   *value);
        value.reset();
    }
    kept_.clear();
}

}  // namespace inflight::cli
