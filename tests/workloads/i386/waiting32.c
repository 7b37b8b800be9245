/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit program whose kernel AIO poll waits for good, and which is blocked in io_getevents; "ready" says so. It
 * needs neither libc nor the headers of that architecture: the numbers and structures are those of the i386 ABI.
 * "ended" and "returned" are as in waiting.c. Exit status 77: this kernel has no such calls.
 */
enum { EXIT = 1, WRITE = 4, PIPE = 42, SETUP = 245, GETEVENTS = 247, SUBMIT = 248, POLL = 5, POLLIN = 1 };

struct iocb {
    unsigned long long data;
    unsigned key, flags;
    unsigned short opcode;
    short priority;
    unsigned fd;
    unsigned long long buffer, bytes;
    long long offset;
    unsigned long long reserved;
    unsigned iocb_flags, resfd;
};

struct io_event {
    unsigned long long data, obj;
    long long res, res2;
};

static int call(int number, long a, long b, long c, long d, long e) {
    int ret;
    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return ret;
}

static void print(const char* text) {
    int bytes = 0;
    while (text[bytes]) {
        bytes++;
    }
    call(WRITE, 1, (long)text, bytes, 0, 0);
}

void _start(void) {
    unsigned long context = 0;
    int ends[2];
    if (call(SETUP, 8, (long)&context, 0, 0, 0) || call(PIPE, (long)ends, 0, 0, 0, 0)) {
        call(EXIT, 77, 0, 0, 0, 0);
    }
    struct iocb iocb = {.data = 0x32, .opcode = POLL, .fd = (unsigned)ends[0], .buffer = POLLIN};
    struct iocb* list[] = {&iocb};
    if (call(SUBMIT, (long)context, 1, (long)list, 0, 0) != 1) {
        call(EXIT, 77, 0, 0, 0, 0);
    }
    print("ready\n");
    for (;;) {
        struct io_event event;
        print(call(GETEVENTS, (long)context, 1, 1, (long)&event, 0) < 0 ? "returned \n" : "ended \n");
    }
}
