// SPDX-License-Identifier: Apache-2.0
#include "registry.hpp"

#include "memory.hpp"

namespace inflight::aio {

namespace {

struct Entry {
    std::atomic<std::uint64_t> handle;  // 0: never used
    std::atomic<Context*> context;      // nullptr: used no more
};

Entry entries[registry_size];
pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
unsigned count = 0;

Context* free_contexts[registry_size];
unsigned free_count = 0;

unsigned first_place(std::uint64_t handle) {
    return static_cast<unsigned>(((handle >> 12) * 0x9e3779b97f4a7c15U) >> 40) % registry_size;
}

Entry* find_entry(std::uint64_t handle) {
    for (unsigned i = 0; i < registry_size; ++i) {
        Entry& entry = entries[(first_place(handle) + i) % registry_size];
        const std::uint64_t found = entry.handle.load(std::memory_order_acquire);
        if (found == handle && entry.context.load(std::memory_order_acquire) != nullptr) {
            return &entry;
        }
        if (found == 0) {
            return nullptr;
        }
    }
    return nullptr;
}

}  // namespace

[[gnu::hot]] Context* find_registered(std::uint64_t handle) {
    const Entry* entry = find_entry(handle);
    return entry == nullptr ? nullptr : entry->context.load(std::memory_order_acquire);
}

RegistryLock::RegistryLock() {
    pthread_mutex_lock(&registry_mutex);
}
RegistryLock::~RegistryLock() {
    pthread_mutex_unlock(&registry_mutex);
}

bool register_context(std::uint64_t handle, Context* context) {
    for (unsigned i = 0; i < registry_size; ++i) {
        Entry& entry = entries[(first_place(handle) + i) % registry_size];
        if (entry.context.load() == nullptr) {
            // A reader that finds the new handle must find the context with it, and checks it against the handle.
            entry.handle.store(handle, std::memory_order_release);
            entry.context.store(context, std::memory_order_release);
            ++count;
            return true;
        }
    }
    return false;
}

void unregister_context(std::uint64_t handle) {
    if (Entry* entry = find_entry(handle)) {
        entry->context.store(nullptr, std::memory_order_release);
        --count;
    }
}

unsigned registered_count() {
    return count;
}

Context* unused_context() {
    if (free_count != 0) {
        return free_contexts[--free_count];
    }
    return static_cast<Context*>(take_pages(sizeof(Context)));
}

void give_context(Context* context) {
    if (free_count < registry_size) {
        free_contexts[free_count++] = context;
    }
}

void clear_registry() {
    pthread_mutex_init(&registry_mutex, nullptr);
    for (auto& entry : entries) {
        entry.context.store(nullptr);
        entry.handle.store(0);
    }
    count = 0;
    free_count = 0;
}

Context* registered_at(unsigned index) {
    return entries[index].context.load(std::memory_order_acquire);
}

}  // namespace inflight::aio
