// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include "context.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <sys/mman.h>

namespace inflight::aio {

namespace {

// A page that the kernel wipes in a child: seen also by a child whose fork nobody told us of.
std::atomic<std::atomic<std::uint32_t>*> mark{nullptr};

void forget_in_child() {
    auto* page = mark.load();
    if (page != nullptr) {
        forget_all_contexts(true);
        page->store(1);
    }
}

bool make_mark() {
    static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&making);
    if (mark.load() == nullptr) {
        if (void* page = take_pages(4096)) {
            (void)sys(SYS_madvise, page, 4096, MADV_WIPEONFORK);
            auto* word = static_cast<std::atomic<std::uint32_t>*>(page);
            word->store(1);
            pthread_atfork(nullptr, nullptr, forget_in_child);
            mark.store(word);
        }
    }
    pthread_mutex_unlock(&making);
    return mark.load() != nullptr;
}

// What a process submitted it expects to be done, as the kernel does it even after the process ends.
[[gnu::destructor]] void at_exit() {
    drain_all_contexts();
}

[[noreturn]] void leave(int status) {
    drain_all_contexts();
    for (;;) {
        (void)sys(SYS_exit_group, status);
    }
}

}  // namespace

[[gnu::hot]] bool is_this_process() {
    auto* page = mark.load(std::memory_order_acquire);
    if (page == nullptr) {
        return make_mark();
    }
    if (page->load(std::memory_order_relaxed) != 0) {
        return true;
    }
    // Its descriptors may be another's by now: they stay.
    forget_all_contexts(false);
    page->store(1);
    return false;
}

}  // namespace inflight::aio

// Instead of libc's: they end a process without its destructors.
extern "C" {
[[gnu::noreturn, gnu::visibility("default")]] void _exit(int status) {
    inflight::aio::leave(status);
}
[[gnu::noreturn, gnu::visibility("default")]] void _Exit(int status) {
    inflight::aio::leave(status);
}
}
