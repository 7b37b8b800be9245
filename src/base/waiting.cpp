// SPDX-License-Identifier: Apache-2.0
#include "base/waiting.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace inflight {

namespace {

constexpr long look_interval_ns = 10'000'000;
constexpr int look_interval_ms = 10;
constexpr std::uint64_t patience_ns = 40'000'000;
constexpr std::uint64_t longest_ns = 1'000'000'000;
constexpr std::array ending_signals{SIGINT, SIGTERM, SIGHUP};

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_regular(int fd) {
    struct stat info{};
    return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

// The reader of a pipe may be gone: that is an error of write() and no reason to be killed.
class NoSigpipe {
public:
    NoSigpipe() : before_(::signal(SIGPIPE, SIG_IGN)) {}
    ~NoSigpipe() {
        if (before_ != SIG_ERR) {
            ::signal(SIGPIPE, before_);
        }
    }
    NoSigpipe(const NoSigpipe&) = delete;
    NoSigpipe& operator=(const NoSigpipe&) = delete;

private:
    void (*before_)(int);
};

// When to stop waiting for a reader.
class Patience {
public:
    void moved() { moved_ns_ = now_ns(); }
    [[nodiscard]] bool is_over() {
        if (!end_is_pending()) {
            return false;
        }
        const std::uint64_t now = now_ns();
        if (ending_ns_ == 0) {
            ending_ns_ = moved_ns_ = now;
        }
        return now - moved_ns_ >= patience_ns || now - ending_ns_ >= longest_ns;
    }

private:
    std::uint64_t ending_ns_ = 0;
    std::uint64_t moved_ns_ = 0;
};

}  // namespace

Interrupting::Interrupting() {
    struct sigaction interrupt{};
    interrupt.sa_handler = [](int) {};  // without SA_RESTART: the call returns EINTR
    ::sigaction(SIGALRM, &interrupt, &action_before_);
    sigset_t alarm;
    ::sigemptyset(&alarm);
    ::sigaddset(&alarm, SIGALRM);
    ::pthread_sigmask(SIG_UNBLOCK, &alarm, &mask_before_);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = ::gettid();  // glibc has no other name for it
    timer_t timer{};
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
        timer_ = timer;
        const timespec interval{.tv_sec = 0, .tv_nsec = look_interval_ns};
        const itimerspec each{.it_interval = interval, .it_value = interval};
        ::timer_settime(timer, 0, &each, nullptr);
    }
}

Interrupting::~Interrupting() {
    if (timer_) {
        ::timer_delete(*timer_);
    }
    ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    ::sigaction(SIGALRM, &action_before_, nullptr);
}

bool end_is_pending() {
    sigset_t pending;
    return ::sigpending(&pending) == 0 &&
           std::ranges::any_of(ending_signals, [&pending](int each) { return ::sigismember(&pending, each) == 1; });
}

bool Hurry::is_over() {
    if (pending_since_ns_ == 0 && !end_is_pending()) {
        return false;
    }
    const std::uint64_t now = now_ns();
    if (pending_since_ns_ == 0) {
        pending_since_ns_ = now;
    }
    return now - pending_since_ns_ >= grace_ns_;
}

WriteEnd write_all(int fd, std::string_view bytes) {
    const NoSigpipe no_sigpipe;
    std::optional<Interrupting> interrupting;
    if (!is_regular(fd)) {
        interrupting.emplace();
    }
    WriteEnd end;
    Patience patience;
    while (end.bytes < bytes.size()) {
        const auto left = bytes.substr(end.bytes);
        const ssize_t written = ::write(fd, left.data(), left.size());
        if (written > 0) {
            end.bytes += static_cast<std::size_t>(written);
            patience.moved();
        } else if (written < 0 && errno == EAGAIN) {
            // Somebody else made the descriptor that we share with him non-blocking.
            pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
            ::poll(&ready, 1, look_interval_ms);
        } else if (written < 0 && errno != EINTR) {
            end.error = errno;
            return end;
        }
        if (interrupting && end.bytes < bytes.size() && patience.is_over()) {
            end.given_up = true;
            return end;
        }
    }
    return end;
}

}  // namespace inflight
