// SPDX-License-Identifier: Apache-2.0
#include "model/where_filter.hpp"

#include <algorithm>

namespace inflight::model {

namespace {

// What is known of the target of a cancel that found none.
Request stand_in(const Cancel& cancel) {
    Request request;
    request.family = cancel.family;
    request.pid = cancel.pid;
    request.tid = cancel.tid;
    request.uid = cancel.uid;
    request.comm = cancel.comm;
    request.cgroup_id = cancel.cgroup_id;
    request.ctx_id = cancel.ctx_id;
    request.context_id = cancel.context_id;
    request.address = cancel.address;
    request.user_data = cancel.key.user_data.value_or(0);
    request.user_data_known = cancel.key.user_data.has_value();
    return request;
}

}  // namespace

std::uint64_t time_of(const Request& request) {
    return request.complete_ns ? *request.complete_ns : request.submit_ns.value_or(0);
}

bool WhereFilter::meets(const Cancel& cancel) const {
    if (!where_) {
        return true;
    }
    const auto asked = [&](const Request& target) {
        return where_->matches({.request = target, .verdict = cancel.verdict});
    };
    return (cancel.target ? asked(*cancel.target) : asked(stand_in(cancel))) ||
           std::ranges::any_of(cancel.more_targets, asked);
}

void WhereFilter::on_request(const Request& request) {
    if (span_.contains(time_of(request)) && meets(request)) {
        next_.on_request(request);
    }
}

void WhereFilter::on_cancel(const Cancel& cancel) {
    if (span_.contains(cancel.end_ns) && meets(cancel)) {
        next_.on_cancel(cancel);
    }
}

void WhereFilter::on_event(const Event& event) {
    if (span_.contains(event.call.header.time_ns)) {
        next_.on_event(event);
    }
}

void WhereFilter::on_context(const Context& context) {
    // A look in between and the state at the end are for who counts.
    const bool counted = context.change == ContextChange::observed || context.change == ContextChange::at_end;
    if (counted || span_.contains(context.time_ns)) {
        next_.on_context(context);
    }
}

void WhereFilter::on_finding(const Finding& finding) {
    const bool wanted = finding.stories.empty() ||
                        std::ranges::any_of(finding.stories, [this](const Request& story) { return meets(story); });
    if (span_.contains(finding.time_ns) && wanted) {
        next_.on_finding(finding);
    }
}

void WhereFilter::on_completion(const Completion& completion) {
    const bool wanted = !where_ || (completion.request != nullptr && meets(*completion.request));
    if (span_.contains(completion.cqe.time_ns) && wanted) {
        next_.on_completion(completion);
    }
}

}  // namespace inflight::model
