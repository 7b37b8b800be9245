// SPDX-License-Identifier: Apache-2.0
#include "cli/cancelling.hpp"

#include "act/target.hpp"
#include "capture/live_source.hpp"
#include "model/uring_abi.hpp"
#include "probe/narrowing.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace inflight::cli {

namespace {

bool same_request(const model::Request& a, const model::Request& b) {
    return a.family == b.family && a.kernel_address == b.kernel_address && a.submit_ns == b.submit_ns &&
           a.context_id == b.context_id && a.user_data == b.user_data && a.address == b.address;
}

bool has_flag(const model::InFlight& each, std::uint32_t flag) {
    return each.ring && (each.ring->setup_flags & flag) != 0;
}

}  // namespace

Cancelling::Name Cancelling::name_of(const model::Request& request) {
    return {request.context_id, request.family == model::Family::aio ? request.address : request.user_data};
}

void Cancelling::on_request(const model::Request& request) {
    if (!request.complete_ns) {
        return;
    }
    for (view::CancelReport& report : reports_) {
        if (!report.ended && same_request(report.chosen.request, request)) {
            report.ended = request;
            awaited_ -= report.way.empty() && !report.tried.process_ended ? 0 : 1;
        }
    }
}

// What stands in the way before a process is looked at; empty: nothing.
std::string Cancelling::refusal(RingGuard& guard, const model::InFlight& each,
                                const std::vector<model::InFlight>& chosen,
                                const std::vector<model::InFlight>& all) const {
    if (each.cancellable.means == model::CancelMeans::none) {
        return std::string(each.cancellable.why);
    }
    if (options_.way == act::Way::ring && each.cancellable.means == model::CancelMeans::inject) {
        return each.request.family == model::Family::aio
                   ? "kernel AIO can only be cancelled by a call in its process: --way inject"
                   : "its ring has one issuer (IORING_SETUP_SINGLE_ISSUER), which alone may cancel: --way inject";
    }
    if (each.request.family == model::Family::uring) {
        const auto alone = guard.alone(each);
        return alone ? std::string() : alone.error().message();
    }
    const auto shares = [&](const model::InFlight& other) { return name_of(other.request) == name_of(each.request); };
    const auto sharing = std::ranges::count_if(all, shares);
    if (sharing > std::ranges::count_if(chosen, shares)) {
        return fmt::format(
            "{} requests in flight share its iocb {:#x}, and the kernel would take any of them: choose all of them",
            sharing, name_of(each.request).second);
    }
    return "";
}

act::Order Cancelling::order_for(Looking& looking, RingGuard& guard, const model::InFlight& each) const {
    const model::Request& request = each.request;
    const bool inject = each.cancellable.means == model::CancelMeans::inject || options_.way == act::Way::inject;
    const bool uring = request.family == model::Family::uring;
    const Narrowing narrowing = uring ? guard.alone(each).value_or(Narrowing()) : Narrowing();
    return {.pid = static_cast<pid_t>(request.pid),
            .aio = request.family == model::Family::aio,
            .way = inject ? act::Way::inject : act::Way::ring,
            .ctx_id = request.ctx_id,
            .iocb = request.address,
            .ring_fd = uring ? guard.steady_descriptor(each) : -1,
            .user_data = request.user_data,
            .opcode = narrowing.opcode,
            .request_fd = narrowing.fd,
            .holders = guard.holders(each),
            .check_ring = uring ? [&guard, &each](int own_fd) { return guard.check_ring(each, ::getpid(), own_fd); }
                                : std::function<Result<void>(int)>(),
            .only_thread = has_flag(each, model::uring::setup_single_issuer) ? static_cast<pid_t>(request.tid) : 0,
            .hold_all = options_.stop,
            .sq_thread = has_flag(each, model::uring::setup_sqpoll),
            .held_anew = [&guard] { guard.forget_walks(); },
            .still_in_flight =
                [&looking, &guard, &each, uring, narrowing] {
                    return looking.tracing().is_in_flight(each.request) &&
                           (!uring || guard.still_alone(each, narrowing));
                },
            .timeout_ns = options_.timeout_ns};
}

void Cancelling::take_over(view::CancelReport& report, const act::Order& order, const Result<act::Answer>& answer) {
    report.tried.refusal = answer ? answer->refusal : answer.error().message();
    if (answer) {
        report.threads_stopped = answer->threads_stopped;
        report.stood_still_ns = answer->stood_still_ns;
        report.timeout_restarted = answer->timeout_restarted;
    }
    if (!report.tried.refusal.empty()) {
        // Where the process has ended its requests end too, and say how.
        report.tried.process_ended = act::process_has_ended(order.pid);
        awaited_ += report.tried.process_ended ? 1 : 0;
        return;
    }
    report.way = order.way == act::Way::ring ? "ring" : "inject";
    // One that had ended by the last look is awaited too: its record is on its way.
    report.tried.ret = answer->ret;
    report.tried.start_ns = answer->tried ? answer->start_ns : capture::monotonic_ns();
    report.call_ns = answer->call_ns;
    report.thread = static_cast<std::uint32_t>(answer->thread);
    awaited_++;
}

void Cancelling::act(Looking& looking, const std::vector<model::InFlight>& chosen,
                     const std::vector<model::InFlight>& all) {
    RingGuard guard(looking, looking.tracing().held(), chosen, probe::can_narrow_cancel());
    // By process: it stands still once for all of them.
    std::map<std::uint32_t, std::vector<std::size_t>> by_process;
    for (const model::InFlight& each : chosen) {
        view::CancelReport& report = reports_.emplace_back();
        report.chosen = each;
        report.tried.refusal = refusal(guard, each, chosen, all);
        if (report.tried.refusal.empty()) {
            by_process[each.request.pid].push_back(reports_.size() - 1);
        }
    }
    for (const auto& [pid, places] : by_process) {
        std::vector<act::Order> orders;
        orders.reserve(places.size());
        for (const std::size_t place : places) {
            orders.push_back(order_for(looking, guard, reports_[place].chosen));
        }
        const auto answers = act::cancel(orders, [&looking] { looking.tracing().read_on(); });
        for (std::size_t each = 0; each < places.size(); each++) {
            take_over(reports_[places[each]], orders[each], answers[each]);
        }
    }
    acted_ns_ = capture::monotonic_ns();
}

bool Cancelling::settled() const {
    return acted_ns_ != 0 && (awaited_ == 0 || capture::monotonic_ns() - acted_ns_ >= options_.timeout_ns);
}

std::vector<view::CancelReport> Cancelling::reports() const {
    auto reports = reports_;
    for (view::CancelReport& report : reports) {
        report.tried.waited_ns = capture::monotonic_ns() - acted_ns_;
        report.result = model::judge_cancel(report.tried, report.ended);
    }
    return reports;
}

}  // namespace inflight::cli
