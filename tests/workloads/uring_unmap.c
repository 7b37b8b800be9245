/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken away while a read is to fill it: the read fails, or hits what is mapped there next. */
#include "uring.h"

#include <sys/mman.h>

int main(int argc, char** argv) {
    start(argc, argv);
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    char* memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "mmap");
    struct ring ring = ring_new(8, 0);
    prep(&ring, IORING_OP_READ, ends[0], memory, 8, (uint64_t)-1);
    const uint64_t read = last_user_data(&ring);
    ring_submit(&ring);
    CHECK(munmap(memory, 4096) == 0, "munmap");
    CHECK(write(ends[1], "12345678", 8) == 8, "write");
    reap_expect(&ring, read, -EFAULT, NULL);
    ring_close(&ring);
    finish();
}
