/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that are nearly always inside a restartable sequence. One that was switched away there must go on at the
 * abort handler; and while it is inside, the kernel must know of it. */
#include "target.h"

#include <linux/rseq.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/rseq.h>

extern const char section_start[];
extern const char section_end[];
extern const char section_abort[];

struct outcome {
    bool aborted;
    uint64_t known;   /* what the kernel held for it at the end, 0: it had forgotten */
    uint64_t longest; /* cycles between two looks inside */
};

static struct rseq_cs section __attribute__((aligned(32)));

static struct rseq* own_area(void) {
    return (struct rseq*)((char*)__builtin_thread_pointer() + __rseq_offset);
}

__attribute__((noinline)) static struct outcome run_section(uint64_t times) {
    struct rseq* area = own_area();
    struct outcome outcome = {false, 0, 0};
    uint32_t aborted = 0;
    uint64_t known = 0;
    uint64_t longest = 0;
    asm volatile(
        "mov %[section], %[entry]\n"
        ".globl section_start\n"
        "section_start:\n"
        "rdtsc\n"
        "shl $32, %%rdx\n"
        "or %%rdx, %%rax\n"
        "mov %%rax, %%r8\n"
        "1:\n"
        "rdtsc\n"
        "shl $32, %%rdx\n"
        "or %%rdx, %%rax\n"
        "mov %%rax, %%r9\n"
        "sub %%r8, %%r9\n"
        "mov %%rax, %%r8\n"
        "cmp %[longest], %%r9\n"
        "cmova %%r9, %[longest]\n"
        "dec %[times]\n"
        "jnz 1b\n"
        "mov %[entry], %[known]\n"
        ".globl section_end\n"
        "section_end:\n"
        "jmp 3f\n"
        ".byte 0x0f, 0xb9, 0x3d\n"
        ".long 0x53053053\n"
        ".globl section_abort\n"
        "section_abort:\n"
        "mov $1, %[aborted]\n"
        "3:\n"
        : [entry] "+m"(area->rseq_cs), [times] "+r"(times), [known] "+r"(known), [longest] "+r"(longest),
          [aborted] "+r"(aborted)
        : [section] "r"(&section)
        : "rax", "rdx", "r8", "r9", "memory", "cc");
    outcome.aborted = aborted != 0;
    outcome.known = known;
    outcome.longest = longest;
    return outcome;
}

static long switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw + usage.ru_nivcsw;
}

static void* run(void* argument) {
    struct poller poller;
    const uint64_t times = (uint64_t)argument;
    /* No interrupt of this processor alone takes so long; a switch for a cancel does. */
    const uint64_t long_cycles = 300000;
    begin_poller(&poller, IORING_SETUP_SINGLE_ISSUER, 8);
    while (!is_finished()) {
        const long before = switches();
        const struct outcome outcome = run_section(times);
        const long switched = switches() - before;
        if (!outcome.aborted && outcome.known != (uint64_t)&section) {
            deviation("section: the kernel expected to know of it, holds %llx", (unsigned long long)outcome.known);
        } else if (!outcome.aborted && switched > 0 && outcome.longest > long_cycles) {
            deviation("section: expected to be aborted, was switched away for %llu cycles and went on",
                      (unsigned long long)outcome.longest);
        }
        rearm_poller(&poller);
        count_round();
    }
    return NULL;
}

int main(int argc, char** argv) {
    begin_target(argc, argv);
    section.start_ip = (uint64_t)section_start;
    section.post_commit_offset = (uint64_t)(section_end - section_start);
    section.abort_ip = (uint64_t)section_abort;
    if (__rseq_size == 0) {
        return 77;
    }
    start_keepers();
    start_thread(run, (void*)20000);
    start_thread(run, (void*)200000);
    sleep_ms(50);
    serve_until_finished(NULL);
}
