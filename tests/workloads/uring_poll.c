/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll_add: of what is ready, of what becomes ready, of a bad descriptor; one whose events are changed; some that get
 * another user_data; multishot.
 */
#include "uring.h"

static struct ring ring;

static uint64_t poll_for(int fd, unsigned events, unsigned flags) {
    struct io_uring_sqe* sqe = prep(&ring, IORING_OP_POLL_ADD, fd, NULL, flags, 0);
    sqe->poll32_events = events;
    return sqe->user_data;
}

static void update(uint64_t target, unsigned events, uint64_t new_user_data) {
    unsigned flags = (events ? IORING_POLL_UPDATE_EVENTS : 0) | (new_user_data ? IORING_POLL_UPDATE_USER_DATA : 0);
    prep(&ring, IORING_OP_POLL_REMOVE, -1, (void*)target, flags, new_user_data)->poll32_events = events;
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    int ends[2];
    make_pipe(ends);

    poll_for(ready_eventfd(), POLLIN, 0);
    run_expect(&ring, POLLIN, "multishot=no cqes=1");
    poll_for(9999, POLLIN, 0);
    run_expect(&ring, -EBADF, "multishot=no cqes=1");

    uint64_t later = poll_for(ends[0], POLLIN, 0);
    ring_submit(&ring);
    make_ready(ends[1]);
    reap_expect(&ring, later, POLLIN, "multishot=no cqes=1");

    int other[2];
    make_pipe(other);
    uint64_t changed = poll_for(other[0], POLLPRI, 0);
    ring_submit(&ring);
    make_ready(other[1]);
    update(changed, POLLIN, 0); /* which is so already */
    uint64_t changing = last_user_data(&ring);
    ring_submit(&ring);
    struct cqe cqes[2];
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, changed)->res == POLLIN && cqe_of(cqes, 2, changing)->res == 0, "the poll did not change");
    expect_cqe(cqe_of(cqes, 2, changed), "cqes=1");
    expect_cqe(cqe_of(cqes, 2, changing), "cqes=1");

    int many = (int)OS(eventfd(0, 0));
    uint64_t repeated = poll_for(many, POLLIN, IORING_POLL_ADD_MULTI);
    ring_submit(&ring);
    for (int i = 0; i < 3; i++) {
        make_ready(many);
        struct cqe cqe = reap_of(&ring, repeated, POLLIN);
        CHECK(cqe.flags & IORING_CQE_F_MORE, "a multishot poll ended");
        if (i == 0) {
            expect_completion(&cqe, 3);
        }
        uint64_t value;
        CHECK(read(many, &value, sizeof value) == sizeof value, "read: %m");
    }
    prep(&ring, IORING_OP_POLL_REMOVE, -1, (void*)repeated, 0, 0);
    uint64_t removing = last_user_data(&ring);
    ring_submit(&ring);
    reap_all(&ring, cqes, 2);
    CHECK(cqe_of(cqes, 2, repeated)->res == -ECANCELED && cqe_of(cqes, 2, removing)->res == 0, "not removed");
    expect_cqe(cqe_of(cqes, 2, repeated), "multishot=yes cqes=4 cause=cancel");
    expect_cqe(cqe_of(cqes, 2, removing), "cqes=1");
    expect_attempt("poll-remove", repeated, 0, "cancelled", "poll_add");

    /* The kernel has one request each, whose CQE has the user_data that it got last. */
    for (int i = 0; i < 2; i++) {
        int fresh[2];
        make_pipe(fresh);
        uint64_t first = poll_for(fresh[0], POLLIN, i ? IORING_POLL_ADD_MULTI : 0);
        ring_submit(&ring);
        uint64_t second = unique_user_data();
        update(first, 0, second);
        run_expect(&ring, 0, "cqes=1");
        make_ready(fresh[1]);
        struct cqe cqe = reap_of(&ring, second, POLLIN);
        if (i == 0) {
            expect("request family=uring op=poll_add user_data=%#lx first_user_data=%#lx result=1 count=1", second,
                   first);
        } else {
            CHECK(cqe.flags & IORING_CQE_F_MORE, "a multishot poll ended");
            prep(&ring, IORING_OP_POLL_REMOVE, -1, (void*)second, 0, 0);
            uint64_t ending = last_user_data(&ring);
            ring_submit(&ring);
            reap_all(&ring, cqes, 2);
            CHECK(cqe_of(cqes, 2, second)->res == -ECANCELED, "not removed");
            expect_cqe(cqe_of(cqes, 2, ending), "cqes=1");
            expect("request family=uring op=poll_add user_data=%#lx first_user_data=%#lx cqes=2 cause=cancel count=1",
                   second, first);
            expect_attempt("poll-remove", second, 0, "cancelled", "poll_add");
        }
        expect("request family=uring user_data=%#lx count=0", first);
    }

    ring_close(&ring);
    finish();
}
