// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <type_traits>

namespace inflight::aio {

template <typename T>
[[nodiscard]] inline long as_argument(T value) {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<long>(value);
    } else if constexpr (std::is_null_pointer_v<T>) {
        return 0;
    } else {
        return static_cast<long>(value);
    }
}

// A system call that returns -errno and leaves errno alone: libaio's functions never change it.
template <typename... Args>
[[nodiscard]] inline long sys(long number, Args... args) {
#if defined(__x86_64__)
    const long values[6] = {as_argument(args)...};
    long result = number;
    register long r10 asm("r10") = values[3];
    register long r8 asm("r8") = values[4];
    register long r9 asm("r9") = values[5];
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(values[0]), "S"(values[1]), "d"(values[2]), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#else
    const int before = errno;
    const long result = syscall(number, as_argument(args)...);
    const long answer = result == -1 ? -errno : result;
    errno = before;
    return answer;
#endif
}

inline std::uint64_t address_of(const void* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
}

// Addresses come as numbers, from the program and from the kernel.
template <typename T>
[[nodiscard]] inline T* pointer_to(std::uint64_t address) {
    return reinterpret_cast<T*>(address);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace inflight::aio
