// SPDX-License-Identifier: Apache-2.0
#include "reap.hpp"

#include "clock.hpp"
#include "direct.hpp"
#include "futex.hpp"
#include "memory.hpp"
#include "sys.hpp"
#include "worker.hpp"

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
            if (result < 0 || taken_ == most_ || (taken_ >= least_ && !has_a_moment())) {
                break;
            }
            if (context_.closing.load()) {
                result = -EINVAL;
                break;
            }
            if (interrupted_) {
                result = least_ == 0 ? 0 : -EINTR;
                break;
            }
            if (wait_ns_ == 0 || expired_) {
                break;
            }
            if (deadline_ns_ == 0) {
                const std::uint64_t longest = least_ == 0 && wait_ns_ > moment_ns ? moment_ns : wait_ns_;
                deadline_ns_ = now_ns() + longest;
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
    // Who wants no event at least, and yet gives time for some, finds what the kernel would have done within io_submit.
    [[nodiscard]] bool has_a_moment() const {
        return taken_ == 0 && wait_ns_ != 0 && !expired_ && context_.inside_in_flight != 0;
    }

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
        } else if (least_ != 0 && context_.direct_in_flight != 0 && !context_.direct_watched &&
                   reaches_direct(context_)) {
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
        if (context_.waiters.load() != 0) {
            // One of them watches from now on, or has its event.
            publish_nothing(context_);
            wake_waiters(context_);
        }
    }

    // Makes room for this many more events, if they come.
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
        if (waits_for_futex() && !context_.masked_taken && prepare_masked_ring()) {
            wait_in_masked_ring();
        } else {
            wait_by_the_clock();
        }
    }

    [[nodiscard]] bool prepare_masked_ring() {
        constexpr unsigned entries = 4;
        return (context_.masked.is_open() || context_.masked.create(entries, 2 * entries, 0) == 0) &&
               context_.masked.attach();
    }

    // The kernel waits with a mask for nothing that has no descriptor, except in a ring; and a ring waits for a word.
    void wait_in_masked_ring() {
        Uring& ring = context_.masked;
        context_.masked_taken = true;
        context_.waiters.fetch_add(1);
        prepare_word_wait(*ring.next_sqe(), context_.sequence, context_.sequence.load(), word_data);
        unlock_to_wait();
        (void)ring.submit();
        const std::uint64_t now = now_ns();
        const std::uint64_t rest = deadline_ns_ > now ? deadline_ns_ - now : 0;
        const __kernel_timespec limit{static_cast<long long>(rest / second_ns),
                                      static_cast<long long>(rest % second_ns)};
        note(ring.wait(1, &limit, mask_));
        end_word_wait(ring);
        context_.lock.lock();
        context_.waiters.fetch_sub(1);
        context_.masked_taken = false;
    }

    // The ring is empty afterwards.
    static void end_word_wait(Uring& ring) {
        io_uring_cqe cqes[4];
        bool over = false;
        const auto look = [&] {
            const unsigned count = ring.take(cqes, 4);
            for (unsigned i = 0; i < count; ++i) {
                over = over || cqes[i].user_data == word_data;
            }
        };
        look();
        if (!over) {
            io_uring_sqe* sqe = ring.next_sqe();
            sqe->opcode = IORING_OP_ASYNC_CANCEL;
            sqe->addr = word_data;
            sqe->user_data = ignored_data;
            sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
            (void)ring.submit();
        }
        // The kernel ends it in a moment; should it not, the next wait in this ring ends at once and looks again.
        for (int i = 0; i < 10 && !over; ++i) {
            const __kernel_timespec moment{0, 10'000'000};
            (void)ring.wait(1, &moment);
            look();
        }
    }

    // Before 6.7, and beside another who waits so.
    void wait_by_the_clock() {
        constexpr std::uint64_t look_every_ns = 1'000'000;
        unlock_to_wait();
        const std::uint64_t now = now_ns();
        const std::uint64_t rest = deadline_ns_ > now ? deadline_ns_ - now : 0;
        const timespec limit = time_of(rest < look_every_ns ? rest : look_every_ns);
        const long result = sys(SYS_ppoll, nullptr, 0, &limit, mask_, sizeof *mask_);
        note(result == 0 && rest <= look_every_ns ? -ETIMEDOUT : result);
        context_.lock.lock();
    }

    static constexpr std::uint64_t word_data = ~std::uint64_t{0};
    Context& context_;
    long least_;
    long most_;
    io_event* to_;
    const std::uint64_t* mask_;
    std::uint64_t wait_ns_ = 0;
    std::uint64_t deadline_ns_ = 0;
    long taken_ = 0;
    static constexpr std::uint64_t moment_ns = 1'000'000'000;
    static constexpr long few = 64;
    long known_room_ = 0;  // `to_` has room for this many events
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
