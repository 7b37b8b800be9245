// SPDX-License-Identifier: Apache-2.0
#include "act/one_at_a_time.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <ctime>

namespace inflight::act {

Result<OneAtATime> OneAtATime::enter(pid_t pid) {
    const auto what = fmt::format("cancel in process {}", pid);
    UniqueFd lock(::open(fmt::format("/proc/{}", pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.valid()) {
        return failure(what, errno == ENOENT ? "the process is gone" : describe_errno(errno));
    }
    constexpr int most_looks = 2000;
    for (int look = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; look++) {
        if (errno != EWOULDBLOCK) {
            return OneAtATime(UniqueFd());  // no such locks here: nobody else can have one
        }
        if (look == most_looks) {
            return failure(what, "another inflight works on it", "try again later");
        }
        const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
    return OneAtATime(std::move(lock));
}

}  // namespace inflight::act
