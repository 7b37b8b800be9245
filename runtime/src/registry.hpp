// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

namespace inflight::aio {

// Which io_context_t is which context. Looking up takes no lock.
[[nodiscard]] Context* find_registered(std::uint64_t handle);

// For all that follows, except clear_registry().
class RegistryLock {
public:
    RegistryLock();
    ~RegistryLock();
    RegistryLock(const RegistryLock&) = delete;
    RegistryLock& operator=(const RegistryLock&) = delete;
};

[[nodiscard]] bool register_context(std::uint64_t handle, Context* context);
void unregister_context(std::uint64_t handle);
[[nodiscard]] unsigned registered_count();
// Memory of a context; nullptr when there is none.
[[nodiscard]] Context* unused_context();
void give_context(Context* context);

// In a child of fork(), when no other thread is.
void clear_registry();
[[nodiscard]] Context* registered_at(unsigned index);
constexpr unsigned registry_size = 1U << 14;

template <typename Work>
void for_each_registered(Work work) {
    for (unsigned i = 0; i < registry_size; ++i) {
        if (Context* context = registered_at(i)) {
            work(*context);
        }
    }
}

}  // namespace inflight::aio
