// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include "context.hpp"
#include "drain.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <sys/mman.h>

#include <cstdlib>

namespace inflight::aio {

namespace {

// A page that the kernel wipes in a child: seen also by a child whose fork nobody told us of. It holds the process's
// number.
std::atomic<std::atomic<std::uint32_t>*> mark{nullptr};

std::uint32_t process_number() {
    return static_cast<std::uint32_t>(sys(SYS_getpid));
}

void forget_in_child() {
    auto* page = mark.load();
    if (page != nullptr) {
        forget_all_contexts();
        page->store(process_number());
    }
}

// What a process submitted it expects to be done, as the kernel does it even after the process ends.
[[gnu::destructor]] void at_exit() {
    if (is_owner_process()) {
        drain_all_contexts();
    }
}

bool make_mark() {
    static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&making);
    if (mark.load() == nullptr) {
        if (void* page = take_pages(4096)) {
            (void)sys(SYS_madvise, page, 4096, MADV_WIPEONFORK);
            auto* word = static_cast<std::atomic<std::uint32_t>*>(page);
            word->store(process_number());
            pthread_atfork(nullptr, nullptr, forget_in_child);
            at_quick_exit(at_exit);
            mark.store(word);
        }
    }
    pthread_mutex_unlock(&making);
    return mark.load() != nullptr;
}

[[noreturn]] void leave(int status) {
    at_exit();
    for (;;) {
        (void)sys(SYS_exit_group, status);
    }
}

}  // namespace

bool is_owner_process() {
    const auto* page = mark.load(std::memory_order_acquire);
    return page == nullptr || page->load(std::memory_order_relaxed) == process_number();
}

[[gnu::hot]] bool is_this_process() {
    auto* page = mark.load(std::memory_order_acquire);
    if (page == nullptr) {
        return make_mark();
    }
    if (page->load(std::memory_order_relaxed) != 0) {
        return true;
    }
    forget_all_contexts();
    page->store(process_number());
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
