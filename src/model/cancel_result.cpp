// SPDX-License-Identifier: Apache-2.0
#include "model/cancel_result.hpp"

#include "base/arithmetic.hpp"
#include "base/result.hpp"
#include "base/units.hpp"
#include "model/uring_tracked.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>

namespace inflight::model {
namespace {

constexpr std::int64_t restart_sys = 512;  // ERESTARTSYS: what some kernels let a splice in io-wq end with

std::string result_text(const Request& request) {
    if (!request.result_known) {
        return "and its result was not seen";
    }
    return request.error() != 0 ? "with " + describe_errno(request.error()) : fmt::format("with {}", request.result);
}

// What an interrupted worker leaves behind.
bool ended_when_told(const CancelTry& tried, const Request& ended) {
    if (tried.ret == -ENOENT) {
        return false;
    }
    const bool short_of_all = uring::partial(ended) && uring::waits_for_all(ended) && tried.ret < 0;
    return ended.result == -EINTR || ended.result == -restart_sys || short_of_all;
}

// The kernel found it, and lets it keep what had been transferred.
bool cancelled_in_part(const CancelTry& tried, const Request& ended) {
    return ended.family == Family::uring && tried.ret >= 0 && uring::partial(ended);
}

// The call did not take it, and the kernel did when its task was gone.
bool ended_with_its_process(const CancelTry& tried, const Request& ended) {
    const bool task_gone = ended.uring && ended.uring->cause == EndCause::task_exit;
    return tried.ret < 0 && (task_gone || (ended.family == Family::aio && ended.outcome == Outcome::abandoned));
}

CancelResult judge_ended(const CancelTry& tried, const Request& ended) {
    if (ended.complete_ns && *ended.complete_ns < tried.start_ns) {
        return {.end = CancelEnd::completed_first,
                .reason = fmt::format("it had ended {} before the call, {}",
                                      format_duration(tried.start_ns - *ended.complete_ns), result_text(ended))};
    }
    if (cancelled_in_part(tried, ended)) {
        return {.end = CancelEnd::cancelled,
                .reason = fmt::format("the program gets its completion with the {} that had been transferred",
                                      uring::partial_text(ended))};
    }
    if (ended_with_its_process(tried, ended)) {
        return {.end = CancelEnd::completed_first,
                .reason = "its process ended while the call was made, and it ended " + result_text(ended)};
    }
    if (ended_when_told(tried, ended)) {
        return {.end = CancelEnd::interrupted,
                .reason = "an io-wq worker was interrupted at it: it ended " + result_text(ended)};
    }
    if (ended.outcome == Outcome::cancelled) {
        return {.end = CancelEnd::cancelled,
                .reason = ended.family == Family::aio ? "the program gets its event with res 0: the poll did not fire"
                                                      : "the program gets its completion " + result_text(ended)};
    }
    return {.end = CancelEnd::completed_first,
            .reason = "it ended by itself while the call was made, " + result_text(ended)};
}

}  // namespace

std::string_view name(CancelEnd end) {
    constexpr std::array<std::string_view, 7> names{"cancelled",       "completed-first", "interrupted", "running",
                                                    "not-cancellable", "unseen",          "refused"};
    return names.at(static_cast<std::size_t>(end));
}

CancelResult judge_cancel(const CancelTry& tried, const std::optional<Request>& ended) {
    if (tried.process_ended && ended) {
        return {.end = CancelEnd::completed_first,
                .reason = "its process ended before the call was made, and it ended " + result_text(*ended)};
    }
    if (!tried.refusal.empty()) {
        return {.end = CancelEnd::refused, .reason = tried.refusal};
    }
    if (ended) {
        return judge_ended(tried, *ended);
    }
    const std::string waited = format_duration(tried.waited_ns);
    switch (tried.ret) {
        case -ENOENT:
        case -EINVAL:
            return {.end = CancelEnd::not_cancellable,
                    .reason = fmt::format("the kernel found nothing that it could take back ({}), and {} later it is "
                                          "still in flight",
                                          describe_errno(error_of_result(tried.ret)), waited)};
        case -EALREADY:
        case -ETIME:
            return {.end = CancelEnd::running,
                    .reason = fmt::format("it was told to end, and has not within {}", waited)};
        case -EINPROGRESS:
            break;
        default:
            if (tried.ret < 0) {
                return {.end = CancelEnd::refused,
                        .reason = "the kernel answered " + describe_errno(error_of_result(tried.ret))};
            }
    }
    return {.end = CancelEnd::unseen,
            .reason = fmt::format("the kernel took it back, but its end was not seen within {}", waited)};
}

}  // namespace inflight::model
