/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registered buffer that is taken away while a read is to fill it. The kernel keeps its pages until then; older ones
 * make the call wait, hence the thread that brings the data.
 */
#include "uring.h"

#include <pthread.h>

static void* bring_data(void* pipe_end) {
    usleep(50000);
    CHECK(write(*(int*)pipe_end, "12345678", 8) == 8, "write");
    return NULL;
}

int main(int argc, char** argv) {
    start(argc, argv);
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    char* memory = pages(4096);
    const struct iovec buffer = {memory, 4096};
    struct ring ring = ring_new(8, 0);
    ring_register(&ring, IORING_REGISTER_BUFFERS, &buffer, 1);
    prep(&ring, IORING_OP_READ_FIXED, ends[0], memory, 8, (uint64_t)-1)->buf_index = 0;
    const uint64_t read = last_user_data(&ring);
    ring_submit(&ring);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, bring_data, &ends[1]) == 0, "pthread_create");
    ring_register(&ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
    CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
    reap_expect(&ring, read, 8, "fixed=no");
    ring_close(&ring);
    finish();
}
