// SPDX-License-Identifier: Apache-2.0
#include "registry.hpp"

#include "memory.hpp"

#include <iterator>

namespace inflight::aio {

namespace {

struct Entry {
    std::atomic<std::uint64_t> handle;  // 0: never used
    std::atomic<Context*> context;      // nullptr: used no more
};

// It grows, and the smaller ones before it stay: who has begun to look one up there finds what was there. What has
// been taken down since is seen by its context's handle.
struct Table {
    unsigned size;  // a power of two
    Entry* entries;
};

constexpr unsigned first_size = 256;
Entry first_entries[first_size];
Table tables[24] = {{first_size, first_entries}};
std::atomic<const Table*> table{&tables[0]};

pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
unsigned count = 0;
Context* first_free = nullptr;

unsigned first_place(std::uint64_t handle) {
    return static_cast<unsigned>(((handle >> 12) * 0x9e3779b97f4a7c15U) >> 40);
}

Entry* find_entry(std::uint64_t handle) {
    const Table& now = *table.load(std::memory_order_acquire);
    for (unsigned i = 0; i < now.size; ++i) {
        Entry& entry = now.entries[(first_place(handle) + i) & (now.size - 1)];
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

bool insert(const Table& into, std::uint64_t handle, Context* context) {
    for (unsigned i = 0; i < into.size; ++i) {
        Entry& entry = into.entries[(first_place(handle) + i) & (into.size - 1)];
        if (entry.context.load() == nullptr) {
            // A reader that finds the new handle must find the context with it, and checks it against the handle.
            entry.handle.store(handle, std::memory_order_release);
            entry.context.store(context, std::memory_order_release);
            return true;
        }
    }
    return false;
}

// Twice as large, and without what is used no more.
bool grow() {
    const Table* now = table.load();
    auto* next = &tables[now - tables + 1];
    if (next == std::end(tables)) {
        return false;
    }
    next->size = 2 * now->size;
    next->entries = static_cast<Entry*>(take_pages(next->size * sizeof(Entry)));
    if (next->entries == nullptr) {
        return false;
    }
    for (unsigned i = 0; i < now->size; ++i) {
        const Entry& entry = now->entries[i];
        if (Context* context = entry.context.load()) {
            (void)insert(*next, entry.handle.load(), context);
        }
    }
    table.store(next, std::memory_order_release);
    return true;
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
    const Table* now = table.load();
    // At least half of it stays free, as far as there is memory.
    if (2 * (count + 1) > now->size && grow()) {
        now = table.load();
    }
    if (!insert(*now, handle, context)) {
        return false;
    }
    ++count;
    return true;
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
    if (Context* context = first_free) {
        first_free = context->next_free;
        return context;
    }
    return static_cast<Context*>(take_pages(sizeof(Context)));
}

void give_context(Context* context) {
    context->next_free = first_free;
    first_free = context;
}

void clear_registry() {
    pthread_mutex_init(&registry_mutex, nullptr);
    const Table& now = *table.load();
    for (unsigned i = 0; i < now.size; ++i) {
        now.entries[i].context.store(nullptr);
        now.entries[i].handle.store(0);
    }
    count = 0;
    first_free = nullptr;
}

Registered registered_at(unsigned index) {
    const Table& now = *table.load(std::memory_order_acquire);
    if (index >= now.size) {
        return {0, nullptr};
    }
    const Entry& entry = now.entries[index];
    return {entry.handle.load(std::memory_order_acquire), entry.context.load(std::memory_order_acquire)};
}

unsigned registry_size() {
    return table.load(std::memory_order_acquire)->size;
}

}  // namespace inflight::aio
