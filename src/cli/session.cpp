// SPDX-License-Identifier: Apache-2.0
#include "cli/session.hpp"

#include "capture/live_source.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

namespace inflight::cli {

namespace {

// The rings hold far more than comes in that time; less would only cost.
constexpr int drain_interval_ms = 2;
constexpr int idle_interval_ms = 10;
constexpr std::uint64_t flush_interval_ns = 100'000'000;

std::string describe_end(int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        return fmt::format("the command was killed by SIG{}", ::sigabbrev_np(WTERMSIG(wait_status)));
    }
    return fmt::format("the command exited with status {}", WEXITSTATUS(wait_status));
}

// Beside programs that use all CPUs the reader must get the time that it needs, or records are lost; it needs none
// when they do nothing. The command was forked before, and keeps its own. Who chose another priority keeps that.
class Priority {
public:
    Priority() {
        errno = 0;
        ours_ = ::getpriority(PRIO_PROCESS, 0) == 0 && errno == 0;
        set(reader_nice);
    }

    // A reader that cannot keep up, however much time it gets, must not take all of it from everybody else: what is
    // lost is counted.
    void note(bool behind, std::uint64_t now_ns) {
        if (!behind) {
            behind_since_ns_ = 0;
            set(reader_nice);
        } else if (behind_since_ns_ == 0) {
            behind_since_ns_ = now_ns;
        } else if (now_ns - behind_since_ns_ >= patience_ns) {
            set(0);
        }
    }

private:
    static constexpr int reader_nice = -20;
    static constexpr std::uint64_t patience_ns = 1'000'000'000;

    void set(int nice) {
        if (ours_ && nice != nice_) {
            nice_ = nice;
            ::setpriority(PRIO_PROCESS, 0, nice);
        }
    }

    bool ours_ = false;
    int nice_ = 0;
    std::uint64_t behind_since_ns_ = 0;
};

}  // namespace

Signals Signals::block(int more) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGTERM);
    // Under nohup it is ignored, and stays so: blocked, it would be kept for us.
    struct sigaction hangup{};
    if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
        ::sigaddset(&set, SIGHUP);
    }
    if (more != 0) {
        ::sigaddset(&set, more);
    }
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    Signals signals;
    signals.fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    return signals;
}

std::optional<Signals::Received> Signals::take() const {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof(info)) != sizeof(info)) {
        return std::nullopt;
    }
    return Received{.number = static_cast<int>(info.ssi_signo), .from_terminal = info.ssi_code == SI_KERNEL};
}

void Signals::let_stand(int number) const {
    ::kill(::getpid(), number);
}

void Signals::let_through() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int each : {SIGINT, SIGTERM, SIGHUP}) {
        ::sigaddset(&set, each);
    }
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

Signals::LetThrough::LetThrough() {
    ::sigprocmask(SIG_BLOCK, nullptr, &before_);
    let_through();
}

Signals::LetThrough::~LetThrough() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<SessionEnd> Session::look_around(std::uint64_t start_ns) {
    if (parts_.child != nullptr) {
        if (const auto status = parts_.child->ended()) {
            return SessionEnd{.reason = describe_end(*status), .child_status = status};
        }
    }
    const auto signal = parts_.signals.take();
    if (signal && signal->number == SIGUSR1) {
        parts_.on_user_signal();
    } else if (signal) {
        if (parts_.child == nullptr || signals_seen_ > 0) {
            parts_.signals.let_stand(signal->number);
            return SessionEnd{.reason = fmt::format("SIG{}", ::sigabbrev_np(signal->number)), .child_status = {}};
        }
        signals_seen_++;
        if (!signal->from_terminal) {
            ::kill(parts_.child->pid(), signal->number);
        }
    }
    if (parts_.duration_ns != 0 && capture::monotonic_ns() - start_ns >= parts_.duration_ns) {
        return SessionEnd{.reason = "the duration is over", .child_status = {}};
    }
    if (parts_.done && parts_.done()) {
        return SessionEnd{.reason = "all was seen", .child_status = {}};
    }
    if (parts_.output.error() || parts_.consumer.failed()) {
        // The write has not taken the signal that ended it: let nothing else take long either.
        if (parts_.output.given_up()) {
            parts_.signals.let_stand(SIGTERM);
        }
        return SessionEnd{.reason = "the output failed", .child_status = {}};
    }
    return std::nullopt;
}

void Session::wait(std::uint64_t start_ns, bool busy) const {
    std::uint64_t wait_ns = std::uint64_t{1'000'000} * (busy ? drain_interval_ms : idle_interval_ms);
    if (parts_.duration_ns != 0) {
        const std::uint64_t spent_ns = capture::monotonic_ns() - start_ns;
        wait_ns = std::min(wait_ns, parts_.duration_ns - std::min(spent_ns, parts_.duration_ns));
    }
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(wait_ns)};
    std::array<pollfd, 2> fds{
        pollfd{.fd = parts_.signals.fd(), .events = POLLIN, .revents = 0},
        pollfd{.fd = parts_.child != nullptr ? parts_.child->pidfd() : -1, .events = POLLIN, .revents = 0}};
    ::ppoll(fds.data(), fds.size(), &timeout, nullptr);
}

Result<SessionEnd> Session::run() {
    Priority priority;
    const std::uint64_t start_ns = capture::monotonic_ns();
    std::optional<SessionEnd> end;
    std::uint64_t flushed_ns = 0;
    while (!end) {
        end = look_around(start_ns);
        if (end) {
            break;
        }
        const auto records = parts_.source.pump(parts_.consumer);
        if (!records) {
            return std::unexpected(records.error());
        }
        // On a machine that is never idle a finding must not wait until the buffer of the output is full.
        const std::uint64_t now_ns = capture::monotonic_ns();
        if (*records == 0 || now_ns - flushed_ns >= flush_interval_ns) {
            parts_.output.flush();
            flushed_ns = now_ns;
        }
        priority.note(parts_.source.behind(), now_ns);
        // While there is a backlog, only signals and the command's end are looked at between two pieces of it.
        if (!parts_.source.behind()) {
            wait(start_ns, *records != 0);
        }
    }
    const auto ending = end->child_status ? capture::Ending::with_the_program : capture::Ending::before_the_programs;
    if (auto finished = parts_.source.finish(parts_.consumer, ending); !finished) {
        return std::unexpected(finished.error());
    }
    return *end;
}

view::TraceInfo trace_info(const probe::Report& report, const std::vector<std::string>& command) {
    view::TraceInfo info;
    info.version = INFLIGHT_VERSION;
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    info.host_name = host.data();
    info.kernel_release = report.kernel.release;
    info.start_ns = capture::monotonic_ns();
    timespec wall{};
    ::clock_gettime(CLOCK_REALTIME, &wall);
    info.wall_offset_ns = static_cast<std::int64_t>(wall.tv_sec) * 1'000'000'000 + wall.tv_nsec -
                          static_cast<std::int64_t>(info.start_ns);
    info.hooks = report.plan.tiers();
    for (const auto& hook : report.plan.hooks) {
        if (!hook.lost.empty() && std::ranges::find(info.limits, hook.lost) == info.limits.end()) {
            info.limits.push_back(hook.lost);
        }
    }
    for (const auto& each : report.lost) {
        info.limits.push_back(each.sentence());
    }
    info.lost = report.lost;
    info.command = command;
    return info;
}

}  // namespace inflight::cli
