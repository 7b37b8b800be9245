// SPDX-License-Identifier: Apache-2.0
#include "reap.hpp"

#include "clock.hpp"
#include "direct.hpp"
#include "memory.hpp"
#include "sys.hpp"
#include "worker.hpp"

#include <poll.h>
#include <sys/eventfd.h>

namespace inflight::aio {

namespace {

class Reaping {
public:
    Reaping(Context& context, long least, long most, io_event* to, const timespec* limit, const std::uint64_t* mask)
        : context_(context), least_(least), most_(most), to_(to), mask_(mask) {
        wait_ns_ = limit == nullptr ? for_ever_ns : duration_ns(*limit);
    }

    long run() {
        context_.lock.lock();
        if (least_ > 0 && wait_ns_ != 0) {
            context_.last_waiter.store(this_thread(), std::memory_order_relaxed);
        }
        long result = 0;
        for (;;) {
            result = take();
            if (result < 0 || taken_ >= least_ || taken_ == most_) {
                break;
            }
            if (context_.closing.load()) {
                result = -EINVAL;
                break;
            }
            if (interrupted_) {
                result = -EINTR;
                break;
            }
            if (wait_ns_ == 0 || expired_) {
                break;
            }
            if (deadline_ns_ == 0) {
                deadline_ns_ = now_ns() + wait_ns_;
            }
            wait();
        }
        // Others may wait for what is left: of several with a mask one takes the sign that was for all.
        const bool more = !context_.events.is_empty();
        context_.lock.unlock();
        if (more) {
            wake_waiters(context_);
        }
        if (mask_ != nullptr && !interrupted_ && handles_signals() && result == 0) {
            result = -EINTR;
        }
        return taken_ != 0 ? taken_ : result;
    }

private:
    // -EFAULT when there are events and nowhere to put them.
    long take() {
        harvest_direct(context_);
        const long there = context_.events.is_empty() ? 0 : context_.events.unreaped();
        const long count = there < most_ - taken_ ? there : most_ - taken_;
        if (count <= 0) {
            return 0;
        }
        if (taken_ + count > known_room_ &&
            !writable_for_output(to_ + taken_, static_cast<std::size_t>(count) * sizeof(io_event))) {
            return -EFAULT;
        }
        note_taken(context_.events.reap(to_ + taken_, static_cast<unsigned>(count)));
        return 0;
    }

    void note(long result) {
        interrupted_ = result == -EINTR;
        expired_ = result == -ETIMEDOUT || result == -ETIME;
    }

    // The kernel has the mask in force for the whole call: what it lets through is handled, events or not.
    [[nodiscard]] bool handles_signals() const {
        const timespec now{};
        return sys(SYS_ppoll, nullptr, 0, &now, mask_, sizeof *mask_) == -EINTR;
    }

    // Gives the lock back meanwhile.
    void wait() {
        if (mask_ != nullptr) {
            wait_masked();
        } else if (context_.direct_in_flight != 0 && !context_.direct_watched) {
            wait_direct();
        } else {
            wait_told();
        }
    }

    // What a device refused waits for the worker.
    void unlock_to_wait() {
        context_.lock.unlock();
        wake_worker(context_);
    }

    [[gnu::noinline]] void wait_told() {
        context_.waiters.fetch_add(1);
        const std::uint32_t sequence = context_.sequence.load();
        unlock_to_wait();
        const timespec deadline = time_of(deadline_ns_);
        note(futex_wait(context_.sequence, sequence, &deadline));
        context_.lock.lock();
        context_.waiters.fetch_sub(1);
    }

    // The thread that submitted to the device takes its completions straight from the ring. While it waits the worker
    // need not be woken by them.
    void wait_direct() {
        silence_direct(context_);
        harvest_direct(context_);
        if (context_.events.is_empty() && context_.direct_in_flight != 0) {
            const std::uint64_t now = now_ns();
            const std::uint64_t rest = deadline_ns_ > now ? deadline_ns_ - now : 0;
            const __kernel_timespec limit{static_cast<long long>(rest / second_ns),
                                          static_cast<long long>(rest % second_ns)};
            const auto missing = static_cast<unsigned>(least_ - taken_);
            const unsigned in_flight = context_.direct_in_flight;
            const unsigned wanted = missing < in_flight ? missing : in_flight;
            context_.direct_watched = true;
            context_.direct_wanted = wanted;
            unlock_to_wait();
            // While the disk works this costs nothing, and afterwards it would.
            look_at_room(in_flight);
            const long result = context_.direct.wait(wanted, rest >= for_ever_ns / 2 ? nullptr : &limit);
            // The program may have closed the ring: not to be waited for in a circle.
            note(result < 0 && result != -ETIME ? -EINTR : result);
            context_.lock.lock();
            context_.direct_watched = false;
            take_straight();
        }
        // What is submitted next turns it on again.
        if (context_.direct_in_flight != 0) {
            listen_to_direct(context_);
        }
        if (context_.waiters.load() != 0 || context_.masked_waiters.load() != 0) {
            // One of them watches from now on, or has its event.
            publish_nothing(context_);
            wake_waiters(context_);
        }
    }

    // For so many more events, if that many come.
    void look_at_room(unsigned in_flight) {
        long room = most_ - taken_ < few ? most_ - taken_ : few;
        room = room < static_cast<long>(in_flight) ? room : static_cast<long>(in_flight);
        if (writable(to_ + taken_, static_cast<std::size_t>(room) * sizeof(io_event))) {
            known_room_ = taken_ + room;
        }
    }

    void take_straight() {
        Taker taker{to_ + taken_, known_room_ - taken_};
        harvest_direct_watched(context_, taker);
        note_taken(taker.taken);
    }

    void note_taken(long count) {
        taken_ += count;
        // The program may have taken them from the ring itself meanwhile.
        if (taken_ != 0) {
            context_.block_page.store(to_[taken_ - 1].obj / page_bytes, std::memory_order_relaxed);
        }
    }

    [[gnu::noinline]] void wait_masked() {
        if (context_.masked_wakeup < 0) {
            const long made = sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
            if (made < 0) {
                expired_ = true;
                return;
            }
            context_.masked_wakeup = static_cast<int>(made);
        }
        context_.masked_waiters.fetch_add(1);
        unlock_to_wait();
        const std::uint64_t now = now_ns();
        timespec limit = time_of(deadline_ns_ > now ? deadline_ns_ - now : 0);
        pollfd about{context_.masked_wakeup, POLLIN, 0};
        const long result = sys(SYS_ppoll, &about, 1, &limit, mask_, sizeof *mask_);
        std::uint64_t value = 0;
        (void)sys(SYS_read, context_.masked_wakeup, &value, sizeof value);
        note(result == 0 ? -ETIMEDOUT : result);
        context_.lock.lock();
        context_.masked_waiters.fetch_sub(1);
    }

    Context& context_;
    long least_;
    long most_;
    io_event* to_;
    const std::uint64_t* mask_;
    std::uint64_t wait_ns_ = 0;
    std::uint64_t deadline_ns_ = 0;
    long taken_ = 0;
    static constexpr long few = 64;
    long known_room_ = 0;  // for so many events there is memory at `to_`
    bool interrupted_ = false;
    bool expired_ = false;
};

}  // namespace

[[gnu::hot]] long reap_events(Context& context, long least, long most, io_event* to, const timespec* limit,
                              const std::uint64_t* mask) {
    if (least < 0 || most < least) {
        return -EINVAL;
    }
    const long result = Reaping{context, least, most, to, limit, mask}.run();
    // Those at a device that had to be handed over.
    wake_worker(context);
    return result;
}

}  // namespace inflight::aio
