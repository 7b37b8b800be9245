/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CQEs that no request has made, in a ring that is full: the tags of registered files, and messages of another ring.
 * Most go to the backlog, and none of them is the end of a request.
 */
#include "uring.h"

enum { ENTRIES = 2, FILES = 8, MESSAGES = 4 };

static void expect_nobodys(struct ring* ring, const uint64_t* user_data, unsigned count, int result) {
    struct cqe cqes[FILES];
    bool come = ring_peek(ring, &cqes[0]);
    for (int wait = 0; wait < 100 && !come; wait++) {
        usleep(10000);
        come = ring_peek(ring, &cqes[0]);
    }
    if (!come) {
        skip("this kernel tells no tags when files are unregistered");
    }
    reap_all(ring, cqes + 1, count - 1);
    for (unsigned i = 0; i < count; i++) {
        CHECK(cqe_of(cqes, count, user_data[i])->res == result, "not %d", result);
        expect("completion user_data=%#lx result=%d", user_data[i], result);
        expect("request family=uring user_data=%#lx count=0", user_data[i]);
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring full = ring_with(1, (struct io_uring_params){.flags = IORING_SETUP_CQSIZE, .cq_entries = ENTRIES});
    int ends[2];
    make_pipe(ends);
    int files[FILES];
    uint64_t tags[FILES];
    for (int i = 0; i < FILES; i++) {
        files[i] = ends[0];
        tags[i] = unique_user_data();
    }
    struct io_uring_rsrc_register registration = {.nr = FILES, .data = (uintptr_t)files, .tags = (uintptr_t)tags};
    ring_register(&full, IORING_REGISTER_FILES2, &registration, sizeof registration);
    ring_register(&full, IORING_UNREGISTER_FILES, NULL, 0);
    expect_nobodys(&full, tags, FILES, 0);

    struct ring from = ring_new(8, 0);
    uint64_t messages[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        messages[i] = unique_user_data();
        prep(&from, IORING_OP_MSG_RING, full.fd, NULL, 77, messages[i]);
        run_expect(&from, 0, "cqes=1");
    }
    expect_nobodys(&full, messages, MESSAGES, 77);
    ring_close(&from);
    ring_close(&full);
    finish();
}
