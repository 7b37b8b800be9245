// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bell.hpp"
#include "event_ring.hpp"
#include "hints.hpp"
#include "lock.hpp"
#include "pins.hpp"
#include "signals.hpp"
#include "slots.hpp"
#include "uring.hpp"

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace inflight::aio {

constexpr unsigned hints_per_context = 64;

// How far the worker is with a direct ring that was just made: it is to watch its eventfd, and to reach the ring
// itself.
enum class Adoption : std::uint8_t { none, wanted, done, failed };

// A cancel of a running request that the worker is to hand to the kernel. It stands on the stack of the thread that
// waits for `result`.
struct CancelOrder {
    std::uint64_t user_data;
    long result;
    bool submitted;
    std::atomic<std::uint32_t> done;
    CancelOrder* next;
};

// One AIO context. Its memory is never given back to the system, only used again, so that a stale io_context_t can be
// looked up without harm; what it points to is.
//
// Two rings, both made when they are first needed. The worker's: a thread that lives as long as the context submits
// there what has to wait, because io_uring ties a request to the task that submitted it. The direct one: for a thread
// that waits in io_getevents itself, reads and writes that go to a block device are submitted by it and completed in
// it, so that there is no hop to another thread.
//
// What a read of a disk touches between its completion and the next one's submission stands together: after the wait
// each cache line is a cold one.
struct alignas(64) Context {
    // Who uses it, and which io_context_t it is at present (0: none). Read without the lock.
    std::atomic<std::uint64_t> handle;
    std::atomic<std::uint32_t> users;
    std::atomic<bool> closing;

    // The worker is asleep, has something to look at, and sleeps only for a moment, because it was busy just now.
    std::atomic<bool> asleep;
    std::atomic<bool> has_work;
    bool looks_soon;

    Lock lock;

    // Those who wait for events: for this word to change.
    std::atomic<std::uint32_t> sequence;
    std::atomic<std::uint32_t> waiters;
    std::atomic<std::uint32_t> unfilled;  // requests whose files the worker has yet to give to the ring
    std::uint32_t in_flight;              // accepted, and no event yet
    // The page of the iocb that was submitted or reaped last. Programs that keep a pool use that one next.
    std::atomic<std::uint64_t> block_page;
    std::atomic<std::uint64_t> last_waiter;  // the thread that waited last in io_getevents; 0: none

    // The direct ring.
    std::atomic<std::uint32_t> direct_in_flight;
    std::uint32_t direct_ended;    // how many ended
    std::uint32_t direct_doubted;  // a place whose file may be another by now, while it is submitted
    std::uint32_t direct_wanted;   // a thread waits for this many of them
    bool direct_watched;           // a thread waits for its completions: nobody else takes them
    bool direct_ticks;             // the worker looks at it by the clock; its eventfd is switched off meanwhile
    bool direct_listens;           // its eventfd is switched on
    Adoption adoption;
    std::uint32_t inside_in_flight;  // requests that the kernel's AIO would have done within io_submit
    EventRing events;
    SlotTable slots;
    Uring direct;
    FileHint hints[hints_per_context];

    std::uint32_t direct_seen;         // how many had ended when the worker looked last
    std::uint32_t direct_vain;         // looks in a row that found nothing, because their thread had taken all
    int direct_signal;                 // the direct ring's eventfd, until the worker holds it
    std::atomic<std::uint32_t> kicks;  // completions that the worker owes the thread that waits for the direct ring

    // Those who wait with a signal mask.
    Uring masked;
    bool masked_taken;  // one of them waits in this ring; the others look by the clock

    Signals signals;

    // The worker.
    Uring ring;
    Bell bell;
    pthread_t worker;
    std::uint64_t worker_thread;  // as this_thread() says
    bool has_worker;
    std::atomic<bool> stop;
    std::atomic<std::uint32_t> ready;  // 0 until the worker has begun; then ready_to_work, or the errno
    std::uint32_t queue_first;
    std::uint32_t queue_last;
    std::uint64_t signals_owed;  // the value that an eventfd is raised by: memory that outlives the write
    Pins pins;
    CancelOrder* orders;  // of threads that cannot ask the kernel themselves
    bool abandons;        // the same for a context that is taken down
    Context* next_free;   // while it is unused
};

class Guard {
public:
    explicit Guard(Context& context) : context_(context) { context_.lock.lock(); }
    ~Guard() { context_.lock.unlock(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

private:
    Context& context_;
};

// A context in use: it is not taken down meanwhile. Empty when `handle` is no context of this process.
class ContextRef {
public:
    explicit ContextRef(std::uint64_t handle);
    ~ContextRef();
    ContextRef(const ContextRef&) = delete;
    ContextRef& operator=(const ContextRef&) = delete;

    [[nodiscard]] explicit operator bool() const { return context_ != nullptr; }
    [[nodiscard]] Context& operator*() const { return *context_; }
    [[nodiscard]] Context* operator->() const { return context_; }

private:
    Context* context_ = nullptr;
};

// 0 and the handle, or -errno.
[[nodiscard]] long create_context(unsigned max_events, std::uint64_t* handle);
// Cancels what can be cancelled, waits for the rest. 0 or -EINVAL.
[[nodiscard]] long destroy_context(std::uint64_t handle);
// In a child of fork(), where no other thread is: none of the parent's contexts is one of the child's.
void forget_all_contexts();

// The rest needs the lock.

// Puts an event in the ring. The waiters are woken by wake_waiters(), after the lock is given back.
void publish(Context& context, std::uint64_t data, std::uint64_t iocb, std::int64_t result);
// Memory for requests that do not end within io_submit, which many contexts never need.
[[nodiscard]] bool create_slots(Context& context);
// Lets the waiters look again, though there is no event.
void publish_nothing(Context& context);
// The same, and also who waits for the direct ring.
void call_off(Context& context);
// Without the lock.
void wake_waiters(Context& context);

}  // namespace inflight::aio
