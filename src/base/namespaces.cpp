// SPDX-License-Identifier: Apache-2.0
#include "base/namespaces.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

namespace inflight {

namespace {

// PROC_PID_INIT_INO, PROC_CGROUP_INIT_INO and PROC_USER_INIT_INO of include/linux/proc_ns.h
constexpr ino_t first_pid_namespace = 0xEFFFFFFCU;
constexpr ino_t first_cgroup_namespace = 0xEFFFFFFBU;
constexpr ino_t first_user_namespace = 0xEFFFFFFDU;

// /proc/self is there whoever has mounted /proc, but not where that cannot see us.
ino_t own_namespace(const char* name) {
    struct stat own{};
    return ::stat(fmt::format("/proc/thread-self/ns/{}", name).c_str(), &own) == 0 ? own.st_ino : 0;
}

}  // namespace

std::uint32_t own_pid_namespace() {
    const ino_t own = own_namespace("pid");
    return own == first_pid_namespace ? 0 : static_cast<std::uint32_t>(own);
}

bool in_cgroup_namespace() {
    const ino_t own = own_namespace("cgroup");
    return own != 0 && own != first_cgroup_namespace;
}

bool in_user_namespace() {
    const ino_t own = own_namespace("user");
    return own != 0 && own != first_user_namespace;
}

bool proc_is_own() {
    std::array<char, 16> target{};
    const auto length = ::readlink("/proc/self", target.data(), target.size() - 1);
    return length > 0 && std::string_view(target.data()) == std::to_string(::getpid());
}

}  // namespace inflight
