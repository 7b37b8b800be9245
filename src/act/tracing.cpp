// SPDX-License-Identifier: Apache-2.0
#include "act/tracing.hpp"

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>

namespace inflight::act {
namespace {

constexpr std::size_t stat_bytes = 2048;

// For the handler of a signal, which gets nothing else.
const std::vector<pid_t>* reaped_by_alarm = nullptr;

// Only ends are taken: of a traced thread waitid(2) tells stops too, which others wait for.
void reap_what_has_ended(int /*signal*/) {
    const int error = errno;
    for (const pid_t tid : *reaped_by_alarm) {
        siginfo_t news{};
        const bool ended = ::waitid(P_PID, static_cast<id_t>(tid), &news, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
                           news.si_pid == tid &&
                           (news.si_code == CLD_EXITED || news.si_code == CLD_KILLED || news.si_code == CLD_DUMPED);
        if (ended) {
            ::waitpid(tid, nullptr, WNOHANG | __WALL);
        }
    }
    errno = error;
}

void let_alarms_in(int how) {
    sigset_t alarm;
    ::sigemptyset(&alarm);
    ::sigaddset(&alarm, SIGALRM);
    ::sigprocmask(how, &alarm, nullptr);
}

}  // namespace

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

long trace(int request, pid_t tid, std::uint64_t address, std::uint64_t data) {
    return ::syscall(SYS_ptrace, request, tid, address, data);
}

bool read_memory(pid_t tid, std::uint64_t address, std::span<std::byte> out) {
    const iovec local{.iov_base = out.data(), .iov_len = out.size()};
    const iovec remote{.iov_base = reinterpret_cast<void*>(address),  // NOLINT(performance-no-int-to-ptr)
                       .iov_len = out.size()};
    return ::process_vm_readv(tid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(out.size());
}

Result<void> poke(pid_t tid, std::uint64_t address, std::span<const std::byte> bytes) {
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, &bytes[at], sizeof(word));
        if (trace(PTRACE_POKEDATA, tid, address + at, word) != 0) {
            return failed(tid, "lend memory to");
        }
    }
    return {};
}

char state_of(pid_t tid) {
    // The name may hold newlines. A read fails with ESRCH where the task ends meanwhile.
    std::ifstream file(fmt::format("/proc/{}/stat", tid));
    std::array<char, stat_bytes> buffer{};
    file.read(buffer.data(), buffer.size());
    const std::string_view text(buffer.data(), static_cast<std::size_t>(file.gcount()));
    const auto name_end = text.rfind(") ");
    return name_end == std::string::npos || name_end + 2 >= text.size() ? '?' : text[name_end + 2];
}

bool has_ended(pid_t tid) {
    const char state = state_of(tid);
    return state == '?' || state == 'Z' || state == 'X';
}

ReapingAlarm::ReapingAlarm(const std::vector<pid_t>& traced) {
    reaped_by_alarm = &traced;
    struct sigaction reaping{};
    reaping.sa_handler = reap_what_has_ended;
    ::sigaction(SIGALRM, &reaping, nullptr);
    sigevent by_signal{};
    by_signal.sigev_notify = SIGEV_SIGNAL;
    by_signal.sigev_signo = SIGALRM;
    armed_ = ::timer_create(CLOCK_MONOTONIC, &by_signal, &timer_) == 0;
    if (armed_) {
        constexpr timespec millisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
        const itimerspec each{.it_interval = millisecond, .it_value = millisecond};
        ::timer_settime(timer_, 0, &each, nullptr);
        let_alarms_in(SIG_UNBLOCK);
    }
}

ReapingAlarm::~ReapingAlarm() {
    if (armed_) {
        ::timer_delete(timer_);
        let_alarms_in(SIG_BLOCK);
    }
}

Failure failed(pid_t tid, std::string_view what) {
    const int error = errno;
    const auto whole = fmt::format("{} thread {}", what, tid);
    if (error == ESRCH || has_ended(tid)) {
        return failure(whole, "it has ended meanwhile");
    }
    return failure(whole, describe_errno(error),
                   error == EPERM ? "it needs the right to ptrace that process, which nobody else may trace" : "");
}

}  // namespace inflight::act
