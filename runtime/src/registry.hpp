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

struct Registered {
    std::uint64_t handle;
    Context* context;  // nullptr: there is none at that place
};
[[nodiscard]] Registered registered_at(unsigned index);
[[nodiscard]] unsigned registry_size();

template <typename Work>
void for_each_registered(Work work) {
    for (unsigned i = 0; i < registry_size(); ++i) {
        if (const Registered found = registered_at(i); found.context != nullptr) {
            work(found.handle, *found.context);
        }
    }
}

}  // namespace inflight::aio
