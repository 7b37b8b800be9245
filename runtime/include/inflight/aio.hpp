// SPDX-License-Identifier: Apache-2.0
// libaio and <inflight/aio.h> for C++: a context that is destroyed with its object, errors as values.
#pragma once

#include <inflight/aio.h>

#include <chrono>
#include <expected>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace inflight {

// One AIO context. Its functions may be called by any thread; moving and destroying it while another thread uses it may
// not. Requests keep the address of their iocb, which must stay where it is until its event was reaped or its cancel
// returned 0.
class AioContext {
public:
    template <typename T>
    using Result = std::expected<T, std::error_code>;

    // For `depth` requests in flight at least. Errors: EAGAIN, EINVAL, ENOMEM.
    [[nodiscard]] static Result<AioContext> create(int depth) {
        io_context_t context = nullptr;
        if (const int result = io_setup(depth, &context); result < 0) {
            return failed(result);
        }
        return AioContext{context};
    }

    AioContext(AioContext&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
    AioContext& operator=(AioContext&& other) noexcept {
        std::swap(context_, other.context_);
        return *this;
    }
    AioContext(const AioContext&) = delete;
    AioContext& operator=(const AioContext&) = delete;
    // Cancels what can be cancelled and waits for the rest.
    ~AioContext() {
        if (context_ != nullptr) {
            io_destroy(context_);
        }
    }

    // For libaio's own functions. It stays this object's.
    [[nodiscard]] io_context_t get() const { return context_; }

    // How many of them were accepted; the first refusal ends it, and is the error when nothing was.
    [[nodiscard]] Result<int> submit(std::span<iocb*> requests) {
        return number(io_submit(context_, static_cast<long>(requests.size()), requests.data()));
    }

    // Waits until `least` events are there, at most for `limit` (for ever without one), and writes them to the front of
    // `events`. How many.
    [[nodiscard]] Result<int> reap(std::span<io_event> events, int least = 1,
                                   std::optional<std::chrono::nanoseconds> limit = std::nullopt) {
        timespec time = to_timespec(limit.value_or(std::chrono::nanoseconds{0}));
        return number(
            io_getevents(context_, least, static_cast<long>(events.size()), events.data(), limit ? &time : nullptr));
    }

    // Its event. Errors as io_cancel's: EINVAL not in flight, EAGAIN it runs on.
    [[nodiscard]] Result<io_event> cancel(iocb& request) {
        io_event event{};
        if (const int result = io_cancel(context_, &request, &event); result < 0) {
            return failed(result);
        }
        return event;
    }

    // Its event; nothing when it came to its own end within `limit`. EAGAIN: it still runs.
    [[nodiscard]] Result<std::optional<io_event>> cancel_within(iocb& request, std::chrono::nanoseconds limit) {
        io_event event{};
        const timespec time = to_timespec(limit);
        const int result = inflight_aio_cancel_within(context_, &request, &event, &time);
        if (result < 0) {
            return failed(result);
        }
        return result == 0 ? std::optional{event} : std::nullopt;
    }

    // How many were cancelled; their events are dropped.
    [[nodiscard]] Result<int> cancel_descriptor(int descriptor) {
        return number(inflight_aio_cancel_fd(context_, descriptor, nullptr, 0));
    }
    [[nodiscard]] Result<int> cancel_all() { return number(inflight_aio_cancel_all(context_, nullptr, 0)); }

private:
    explicit AioContext(io_context_t context) : context_(context) {}

    static std::unexpected<std::error_code> failed(int result) {
        return std::unexpected{std::error_code{-result, std::generic_category()}};
    }
    static Result<int> number(int result) {
        if (result < 0) {
            return failed(result);
        }
        return result;
    }
    static timespec to_timespec(std::chrono::nanoseconds time) {
        return {static_cast<time_t>(time.count() / 1'000'000'000), static_cast<long>(time.count() % 1'000'000'000)};
    }

    io_context_t context_;
};

}  // namespace inflight
