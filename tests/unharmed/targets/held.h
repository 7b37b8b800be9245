/* SPDX-License-Identifier: Apache-2.0 */
/* A thread whose every register has a known value while it computes, or waits in a call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum held_register {
    held_rax,
    held_rbx,
    held_rcx,
    held_rdx,
    held_rsi,
    held_rdi,
    held_rbp,
    held_rsp,
    held_r8,
    held_r9,
    held_r10,
    held_r11,
    held_r12,
    held_r13,
    held_r14,
    held_r15,
    held_count
};

enum { held_red_zone = 16 };

/* The offsets are known to the assembly in held.c. */
struct held {
    uint64_t in[held_count];
    uint64_t out[held_count];
    uint64_t red_zone_in[held_red_zone];
    uint64_t red_zone_out[held_red_zone];
    uint64_t flags_in;
    uint64_t flags_out;
    uint64_t stack_pointer;
    uint64_t mask; /* XSAVE components */
    unsigned char* image_in;
    unsigned char* image_out;
};

extern _Thread_local struct held held;

/* Once for a thread. */
void prepare_held(void);
/* New values for all, but for the arguments of a call. */
void fill_held(uint64_t* random);
/* Loads all, counts rcx down to 0 and rdx up, and stores all. */
void hold_while_counting(void);
/* Loads all, makes the call whose number and arguments are in them, and stores all. */
void hold_in_call(void);
/* Reports what is not as it was. rax, rcx, rdx and r11 are the caller's to check. */
void check_held(const char* where);
/* What hold_in_call() leaves in rcx. */
extern const char held_call_return[];
