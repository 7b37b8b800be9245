/* SPDX-License-Identifier: Apache-2.0 */
/* The only issuer of a ring computes with its stack pointer a red zone above memory that other threads use, as a
 * coroutine with a full stack does. */
#include "target.h"

#include <stdlib.h>
#include <string.h>

enum { red_zone = 128, beside_bytes = 512, arena_bytes = 65536, stack_at = 32768 };

static char* arena;

/* Writes and looks, all the time. */
static void* use_beside(void* argument) {
    volatile uint64_t* words = (volatile uint64_t*)(arena + stack_at - beside_bytes);
    const unsigned count = beside_bytes / sizeof(*words);
    uint64_t value = (uint64_t)argument;
    while (!is_finished()) {
        value++;
        for (unsigned i = 0; i < count; i++) {
            words[i] = value;
        }
        for (unsigned i = 0; i < count; i++) {
            const uint64_t got = words[i];
            if (got != value) {
                deviation("memory below the stack: expected %llx got %llx", (unsigned long long)value,
                          (unsigned long long)got);
            }
        }
        count_round();
    }
    return NULL;
}

static void* issue(void* argument) {
    struct poller poller;
    (void)argument;
    begin_poller(&poller, IORING_SETUP_SINGLE_ISSUER, 8);
    /* A handler would use the memory below, and rightly so. */
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    char* const stack = arena + stack_at + red_zone;
    while (!is_finished()) {
        uint64_t times = 2000000;
        asm volatile(
            "mov %%rsp, %%r12\n"
            "mov %[stack], %%rsp\n"
            "1: dec %[times]\n"
            "jnz 1b\n"
            "mov %%r12, %%rsp\n"
            : [times] "+r"(times)
            : [stack] "r"(stack)
            : "r12", "cc", "memory");
        rearm_poller(&poller);
        count_round();
    }
    return NULL;
}

int main(int argc, char** argv) {
    begin_target(argc, argv);
    arena = aligned_alloc(4096, arena_bytes);
    if (arena == NULL) {
        return 2;
    }
    memset(arena, 0, arena_bytes);
    start_thread(issue, NULL);
    start_thread(use_beside, (void*)1);
    sleep_ms(50);
    serve_until_finished(NULL);
}
