/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers to nowhere. */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void* nowhere(void) {
    void* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(page != MAP_FAILED && mprotect((char*)page + 4096, 4096, PROT_NONE) == 0, "memory");
    return (char*)page + 4096;
}

static void lists(void) {
    io_context_t ctx = context(8);
    struct iocb cb;
    struct iocb** edge = (struct iocb**)nowhere() - 1;
    struct iocb* wild[3] = {NULL, (struct iocb*)8, (struct iocb*)-4096L};
    struct iocb* crossing = (struct iocb*)((char*)nowhere() - 32);

    io_prep_pread(&cb, data_file("disk", O_RDONLY), buffer, 512, 0);
    *edge = &cb;
    printf("NULL list: io_submit %s\n", word(io_submit(ctx, 1, NULL)));
    printf("wild list: io_submit %s\n", word(io_submit(ctx, 1, (struct iocb**)8)));
    printf("unmapped list: io_submit %s\n", word(io_submit(ctx, 1, nowhere())));
    printf("list that ends: io_submit %s\n", word(io_submit(ctx, 2, edge)));
    say_events(ctx, 1, 2000);
    for (int i = 0; i < 3; i++) {
        printf("wild iocb: io_submit %s\n", word(io_submit(ctx, 1, &wild[i])));
    }
    printf("iocb that ends: io_submit %s\n", word(io_submit(ctx, 1, &crossing)));
}

static void* fresh_page(void) {
    void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(page != MAP_FAILED, "memory");
    return page;
}

static void forbid(void* page, int allowed) {
    must(mprotect(page, 4096, allowed) == 0, "mprotect");
}

/* What was there for the calls before is not for this one: list and iocbs have pages of their own. */
static void lists_again(void) {
    enum { blocks = 4 };
    io_context_t ctx = context(32);
    int fd = data_file("memory", O_RDONLY);
    struct iocb** list = fresh_page();
    struct iocb* block[blocks];

    for (int i = 0; i < blocks; i++) {
        block[i] = fresh_page();
        io_prep_pread(block[i], fd, buffer, 512, 512 * i);
        block[i]->data = (void*)(long)i;
    }
    for (int i = 0; i < 4; i++) {
        list[0] = block[0];
        printf("same again: io_submit %s\n", word(io_submit(ctx, 1, list)));
    }
    forbid(block[0], PROT_NONE);
    printf("its page is gone: io_submit %s\n", word(io_submit(ctx, 1, list)));
    list[0] = block[1];
    printf("another while it is gone: io_submit %s\n", word(io_submit(ctx, 1, list)));
    forbid(block[0], PROT_READ | PROT_WRITE);
    for (int i = 0; i < 3; i++) {
        printf("another: io_submit %s\n", word(io_submit(ctx, 1, list)));
    }
    list[0] = NULL;
    printf("NULL: io_submit %s\n", word(io_submit(ctx, 1, list)));
    list[0] = (struct iocb*)8;
    printf("wild: io_submit %s\n", word(io_submit(ctx, 1, list)));
    for (int i = 0; i < blocks; i++) {
        list[i] = block[i];
    }
    printf("four: io_submit %s\n", word(io_submit(ctx, blocks, list)));
    forbid(block[2], PROT_NONE);
    printf("the third is gone: io_submit %s\n", word(io_submit(ctx, blocks, list)));
    forbid(list, PROT_NONE);
    printf("the list is gone: io_submit %s\n", word(io_submit(ctx, 1, list)));
    say_events(ctx, 14, 2000);
}

static void buffers(void) {
    io_context_t ctx = context(8);
    int fd = data_file("disk", O_RDWR);
    struct iocb cb;
    struct iovec vectors[2] = {{buffer, 512}, {(void*)8, 512}};
    struct iovec negative[1] = {{buffer, (size_t)-5}};
    static struct iovec many[2000];

    io_prep_pread(&cb, fd, (void*)8, 512, 0);
    if (say_submit("read to 8", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_pwrite(&cb, fd, nowhere(), 512, 0);
    if (say_submit("write from nowhere", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_pread(&cb, fd, (void*)-4096L, 512, 0);
    if (say_submit("read to the kernel", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_preadv(&cb, fd, (struct iovec*)8, 2, 0);
    if (say_submit("vectors at 8", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_preadv(&cb, fd, vectors, 2, 0);
    if (say_submit("second vector wild", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_preadv(&cb, fd, negative, 1, 0);
    if (say_submit("vector of -5", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_preadv(&cb, fd, many, 2000, 0);
    if (say_submit("2000 vectors", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_preadv(&cb, fd, many, 0, 0);
    if (say_submit("no vectors", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
}

static void memory_file_buffers(void) {
    io_context_t ctx = context(8);
    int fd = data_file("memory", O_RDWR);
    struct iocb cb;

    io_prep_pread(&cb, fd, (void*)8, 512, 0);
    if (say_submit("read to 8", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
    io_prep_pread(&cb, fd, (char*)nowhere() - 100, 512, 0);
    if (say_submit("read over the edge", ctx, &cb) == 1) {
        say_events(ctx, 1, 2000);
    }
}

static void reaping(void) {
    io_context_t ctx = context(8);
    struct iocb cb;
    struct timespec now = {0, 0};
    struct timespec soon = {0, 1000000};
    struct io_event event;

    io_prep_pread(&cb, data_file("disk", O_RDONLY), buffer, 512, 0);
    printf("wild timeout: io_getevents %s\n", word(io_getevents(NULL, 0, 1, &event, nowhere())));
    must(submit(ctx, &cb) == 1, "io_submit");
    usleep(100000);
    printf("events to nowhere: io_getevents %s\n", word(io_getevents(ctx, 1, 1, nowhere(), &soon)));
    printf("events to NULL: io_getevents %s\n", word(io_getevents(ctx, 1, 1, NULL, &soon)));
    printf("wild mask: io_pgetevents %s\n", word(io_pgetevents(ctx, 1, 1, &event, &soon, nowhere())));
    printf("still there: io_getevents %s\n", word(io_getevents(ctx, 1, 1, &event, &now)));
}

/* Static data, and where there was a heap. */
static void heap(void) {
    enum { page = 4096 };
    io_context_t ctx = context(16);
    int fd = data_file("disk", O_RDONLY | O_DIRECT);
    static struct iocb fixed;
    static struct io_event events[2];
    struct iocb* list[1] = {&fixed};

    io_prep_pread(&fixed, fd, buffer, 4096, 0);
    printf("static: io_submit %s\n", word(io_submit(ctx, 1, list)));
    /* From here on nobody may ask for memory: printf has what it needs. */
    char* begin = sbrk(0);
    char* end = begin + (page - (unsigned long)begin % page) % page + 4L * page;
    struct iocb* block = (struct iocb*)(end - page);
    struct iocb* across = (struct iocb*)(end - (long)sizeof(*across) / 2);
    struct iocb** far = (struct iocb**)(end - page / 2);

    must(brk(end) == 0, "more heap");
    io_prep_pread(block, fd, buffer, 4096, 4096);
    far[0] = block;
    printf("in the heap: io_submit %s\n", word(io_submit(ctx, 1, far)));
    list[0] = across;
    memcpy(across, block, sizeof(*across) / 2);
    printf("half of it: io_submit %s\n", word(io_submit(ctx, 1, list)));
    list[0] = (struct iocb*)end;
    printf("behind it: io_submit %s\n", word(io_submit(ctx, 1, list)));
    printf("events: %d\n", io_getevents(ctx, 2, 2, events, NULL));
    must(sbrk(0) == end && brk(begin) == 0, "less heap");
    printf("list gone: io_submit %s\n", word(io_submit(ctx, 1, far)));
    list[0] = block;
    printf("block gone: io_submit %s\n", word(io_submit(ctx, 1, list)));
    must(brk(end) == 0, "more heap again");
    printf("nothing there: io_submit %s\n", word(io_submit(ctx, 1, far)));
    io_prep_pread(block, fd, buffer, 4096, 8192);
    printf("there again: io_submit %s\n", word(io_submit(ctx, 1, list)));
    printf("events: %d\n", io_getevents(ctx, 1, 1, events, NULL));
}

const struct behaviour memory_behaviours[] = {
    {"memory_lists", lists},
    {"memory_lists_again", lists_again},
    {"memory_buffers", buffers},
    {"memory_file_buffers", memory_file_buffers},
    {"memory_reaping", reaping},
    {"memory_heap", heap},
    {NULL, NULL},
};
