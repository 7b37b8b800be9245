// SPDX-License-Identifier: Apache-2.0
#include "bell.hpp"

#include "futex.hpp"
#include "sys.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <csignal>

namespace inflight::aio {

namespace {

// Not yet in the headers that we are compiled with.
constexpr unsigned close_range_unshare = 1U << 1;
constexpr long call_close_range = 436;

enum ThreadState : std::uint32_t { starting, running };

// Stays until the kernel says otherwise.
void prepare_poll(io_uring_sqe& sqe, std::int32_t file, std::uint64_t user_data) {
    sqe.opcode = IORING_OP_POLL_ADD;
    sqe.fd = file;
    sqe.poll32_events = POLLIN;
    sqe.len = IORING_POLL_ADD_MULTI;
    sqe.user_data = user_data;
}

}  // namespace

long start_quiet_thread(pthread_t& thread, void* (*work)(void*), void* argument, const char* name) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    const int result = pthread_create(&thread, &attributes, work, argument);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (result == 0) {
        pthread_setname_np(thread, name);
    }
    return -result;
}

void Bell::reset() {
    word_ = 0;
    state_ = starting;
    stop_ = false;
    listens_ = false;
    has_thread_ = false;
    result_ = 0;
    place_ = 0;
    user_data_ = 0;
    eventfd_ = -1;
    ring_ = nullptr;
}

long Bell::create(Uring& ring, std::uint32_t place, std::uint64_t user_data) {
    reset();
    place_ = place;
    user_data_ = user_data;
    ring_ = &ring;
    if (waits_for_futex()) {
        return 0;
    }
    const long result = start_quiet_thread(thread_, ring_the_eventfd, this, "inflight-bell");
    if (result < 0) {
        return result;
    }
    has_thread_ = true;
    listens_ = true;
    while (state_.load() == starting) {
        (void)futex_wait(state_, starting, nullptr);
    }
    return result_;
}

void Bell::destroy() {
    if (has_thread_) {
        stop_ = true;
        strike();
        pthread_join(thread_, nullptr);
    }
    reset();
}

void Bell::strike() {
    word_.fetch_add(1);
    futex_wake(word_);
}

void Bell::listen(Uring& ring, std::uint32_t strokes, std::uint64_t user_data) {
    io_uring_sqe* sqe = listens_ ? nullptr : ring.next_sqe();
    if (sqe == nullptr) {
        return;
    }
    if (has_thread_) {
        prepare_poll(*sqe, static_cast<std::int32_t>(place_), user_data);
        sqe->flags = IOSQE_FIXED_FILE;
    } else {
        prepare_word_wait(*sqe, word_, strokes, user_data);
    }
    listens_ = true;
}

void Bell::heard(std::uint32_t completion_flags) {
    listens_ = (completion_flags & IORING_CQE_F_MORE) != 0;
}

// An eventfd in this thread's own table of descriptors, held by the ring. It is first listened to by its descriptor: a
// request that lasts and works on a place of the ring's table keeps the files there that are let go after it, up to
// Linux 6.12.
long Bell::prepare_eventfd() {
    if (!ring_->attach()) {
        return -EBUSY;
    }
    const long alone = sys(call_close_range, 0, ~0U, close_range_unshare);
    if (alone < 0) {
        return alone;
    }
    const long made = sys(SYS_eventfd2, 0, EFD_NONBLOCK);
    if (made < 0) {
        return made;
    }
    eventfd_ = static_cast<int>(made);
    io_uring_sqe* sqe = ring_->next_sqe();
    sqe->opcode = IORING_OP_FILES_UPDATE;
    sqe->addr = address_of(&eventfd_);
    sqe->len = 1;
    sqe->off = place_;
    sqe->user_data = ignored_data;
    const long submitted = ring_->submit();
    io_uring_cqe cqe{};
    if (submitted < 0) {
        return submitted;
    }
    if (ring_->take(&cqe, 1) != 1 || cqe.res != 1) {
        return -EINVAL;
    }
    prepare_poll(*ring_->next_sqe(), eventfd_, user_data_);
    const long listening = ring_->submit();
    return listening < 0 ? listening : 0;
}

void* Bell::ring_the_eventfd(void* argument) {
    auto& bell = *static_cast<Bell*>(argument);
    std::uint32_t seen = bell.word_.load();
    bell.result_ = bell.prepare_eventfd();
    bell.state_.store(running);
    futex_wake(bell.state_);
    while (bell.result_ == 0 && !bell.stop_.load()) {
        (void)futex_wait(bell.word_, seen, nullptr);
        if (const std::uint32_t now = bell.word_.load(); now != seen) {
            seen = now;
            const std::uint64_t one = 1;
            (void)sys(SYS_write, bell.eventfd_, &one, sizeof one);
        }
    }
    return nullptr;
}

}  // namespace inflight::aio
