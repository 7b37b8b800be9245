/* SPDX-License-Identifier: Apache-2.0 */
#include "held.h"

#include "target.h"

#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Thread_local struct held held;

_Static_assert(offsetof(struct held, out) == 128, "known to the assembly");
_Static_assert(offsetof(struct held, red_zone_in) == 256, "known to the assembly");
_Static_assert(offsetof(struct held, red_zone_out) == 384, "known to the assembly");
_Static_assert(offsetof(struct held, flags_in) == 512, "known to the assembly");
_Static_assert(offsetof(struct held, image_out) == 552, "known to the assembly");

/* No instruction between the flags' loading and their storing changes them: mov, lea, jrcxz. */
#define LOAD_ALL                                                                 \
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"         \
    "mov %fs:held@tpoff+544, %rdi\n"                                             \
    "mov %fs:held@tpoff+536, %eax\n"                                             \
    "mov %fs:held@tpoff+540, %edx\n"                                             \
    "xrstor64 (%rdi)\n"                                                          \
    "pushq %fs:held@tpoff+512; popfq\n"                                          \
    "mov %rsp, %fs:held@tpoff+528\n"                                             \
    ".set place, 0\n"                                                            \
    ".rept 16\n"                                                                 \
    "mov %fs:held@tpoff+256+8*place, %rax; mov %rax, -8-8*place(%rsp)\n"         \
    ".set place, place+1\n"                                                      \
    ".endr\n"                                                                    \
    ".set place, 0\n"                                                            \
    ".irp name, rax,rbx,rcx,rdx,rsi,rdi,rbp,rsp,r8,r9,r10,r11,r12,r13,r14,r15\n" \
    ".ifnc \\name, rsp\n"                                                        \
    "mov %fs:held@tpoff+8*place, %\\name\n"                                      \
    ".endif\n"                                                                   \
    ".set place, place+1\n"                                                      \
    ".endr\n"

#define STORE_ALL                                                                \
    ".set place, 0\n"                                                            \
    ".irp name, rax,rbx,rcx,rdx,rsi,rdi,rbp,rsp,r8,r9,r10,r11,r12,r13,r14,r15\n" \
    "mov %\\name, %fs:held@tpoff+128+8*place\n"                                  \
    ".set place, place+1\n"                                                      \
    ".endr\n"                                                                    \
    ".set place, 0\n"                                                            \
    ".rept 16\n"                                                                 \
    "mov -8-8*place(%rsp), %rax; mov %rax, %fs:held@tpoff+384+8*place\n"         \
    ".set place, place+1\n"                                                      \
    ".endr\n"                                                                    \
    "mov %fs:held@tpoff+528, %rsp\n"                                             \
    "pushfq; popq %fs:held@tpoff+520\n"                                          \
    "cld\n"                                                                      \
    "mov %fs:held@tpoff+552, %rdi\n"                                             \
    "mov %fs:held@tpoff+536, %eax\n"                                             \
    "mov %fs:held@tpoff+540, %edx\n"                                             \
    "xsave64 (%rdi)\n"                                                           \
    "fninit\n"                                                                   \
    "pushq $0x1f80; ldmxcsr (%rsp); add $8, %rsp\n"                              \
    "vzeroupper\n"                                                               \
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"               \
    "ret\n"

asm(".text\n"
    ".globl hold_while_counting\n"
    ".type hold_while_counting, @function\n"
    "hold_while_counting:\n" LOAD_ALL
    "1: lea 1(%rdx), %rdx\n"
    "lea -1(%rcx), %rcx\n"
    "jrcxz 2f\n"
    "jmp 1b\n"
    "2:\n" STORE_ALL ".size hold_while_counting, .-hold_while_counting\n");

asm(".text\n"
    ".globl hold_in_call\n"
    ".globl held_call_return\n"
    ".type hold_in_call, @function\n"
    "hold_in_call:\n" LOAD_ALL
    "syscall\n"
    "held_call_return:\n" STORE_ALL ".size hold_in_call, .-hold_in_call\n");

static const char* const names[held_count] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                              "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* Register state of XSAVE: AVX, opmask, ZMM_Hi256, Hi16_ZMM. x87 and SSE lie in the legacy area. */
static const unsigned extended[] = {2, 5, 6, 7};
enum { legacy_mask = 3, image_bytes = 8192, arithmetic_flags = 0x8d5 };

static uint64_t enabled_components(void) {
    unsigned low = 0;
    unsigned high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t)high << 32;
}

struct part {
    unsigned offset;
    unsigned bytes;
};

static struct part part_of(unsigned component) {
    unsigned size = 0;
    unsigned offset = 0;
    unsigned ignored_c = 0;
    unsigned ignored_d = 0;
    __cpuid_count(0xd, component, size, offset, ignored_c, ignored_d);
    const struct part part = {offset, size};
    return part;
}

void prepare_held(void) {
    held.mask = legacy_mask;
    for (unsigned i = 0; i < sizeof(extended) / sizeof(*extended); i++) {
        const struct part part = part_of(extended[i]);
        if ((enabled_components() >> extended[i] & 1) != 0 && part.offset + part.bytes <= image_bytes) {
            held.mask |= 1U << extended[i];
        }
    }
    held.image_in = aligned_alloc(64, image_bytes);
    held.image_out = aligned_alloc(64, image_bytes);
    if (held.image_in == NULL || held.image_out == NULL) {
        perror("aligned_alloc");
        exit(2);
    }
    memset(held.image_in, 0, image_bytes);
    memset(held.image_out, 0, image_bytes);
}

static void fill(unsigned char* to, size_t bytes, uint64_t* random) {
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (unsigned char)(next_random(random) | 1);
    }
}

void fill_held(uint64_t* random) {
    for (unsigned i = 0; i < held_count; i++) {
        held.in[i] = next_random(random);
    }
    for (unsigned i = 0; i < held_red_zone; i++) {
        held.red_zone_in[i] = next_random(random);
    }
    const uint64_t direction = 0x400;
    held.flags_in = 0x202 | (next_random(random) & (arithmetic_flags | direction));
    unsigned char* image = held.image_in;
    /* Every exception masked, any precision and rounding; any top of the stack and condition codes; all in use. */
    const uint16_t control = (uint16_t)(0x037f | (next_random(random) & 0xc00));
    const uint16_t status = (uint16_t)(next_random(random) & 0x7f00);
    const uint32_t sse_control = (uint32_t)(0x1f80 | (next_random(random) & 0xe03f));
    memcpy(image, &control, sizeof(control));
    memcpy(image + 2, &status, sizeof(status));
    image[4] = 0xff;
    memcpy(image + 24, &sse_control, sizeof(sse_control));
    for (unsigned i = 0; i < 8; i++) {
        fill(image + 32 + 16 * i, 10, random);
    }
    fill(image + 160, 256, random);
    for (unsigned i = 0; i < sizeof(extended) / sizeof(*extended); i++) {
        if ((held.mask >> extended[i] & 1) != 0) {
            const struct part part = part_of(extended[i]);
            fill(image + part.offset, part.bytes, random);
        }
    }
    memcpy(image + 512, &held.mask, sizeof(held.mask));
    memset(held.image_out, 0, image_bytes);
}

static void compare(const char* where, const char* what, unsigned offset, unsigned bytes) {
    if (memcmp(held.image_in + offset, held.image_out + offset, bytes) == 0) {
        return;
    }
    uint64_t expected = 0;
    uint64_t got = 0;
    memcpy(&expected, held.image_in + offset, bytes < 8 ? bytes : 8);
    memcpy(&got, held.image_out + offset, bytes < 8 ? bytes : 8);
    deviation("%s: %s begins: expected %016llx got %016llx", where, what, (unsigned long long)expected,
              (unsigned long long)got);
}

void check_held(const char* where) {
    for (unsigned i = 0; i < held_count; i++) {
        const bool callers = i == held_rax || i == held_rcx || i == held_rdx || i == held_r11;
        const uint64_t expected = i == held_rsp ? held.stack_pointer : held.in[i];
        if (!callers && held.out[i] != expected) {
            deviation("%s: %s expected %016llx got %016llx", where, names[i], (unsigned long long)expected,
                      (unsigned long long)held.out[i]);
        }
    }
    if (memcmp(held.red_zone_in, held.red_zone_out, sizeof(held.red_zone_in)) != 0) {
        deviation("%s: the red zone has changed", where);
    }
    if (held.flags_in != held.flags_out) {
        deviation("%s: flags expected %llx got %llx", where, (unsigned long long)held.flags_in,
                  (unsigned long long)held.flags_out);
    }
    compare(where, "x87 control, status and tags", 0, 5);
    compare(where, "MXCSR", 24, 4);
    for (unsigned i = 0; i < 8; i++) {
        compare(where, "an x87 register", 32 + 16 * i, 10);
    }
    compare(where, "xmm", 160, 256);
    for (unsigned i = 0; i < sizeof(extended) / sizeof(*extended); i++) {
        if ((held.mask >> extended[i] & 1) != 0) {
            const struct part part = part_of(extended[i]);
            compare(where, i == 0 ? "ymm" : "avx512", part.offset, part.bytes);
        }
    }
}
