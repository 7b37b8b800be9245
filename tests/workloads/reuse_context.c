/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 50 contexts, one after the other, one request in each: the kernel gives out the same ctx_id again and again. The
 * iocb is the same, too; what was cancelled in an earlier context is unknown in the next.
 */
#include "aio.h"

enum { CONTEXTS = 50 };

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = (int)OS(eventfd(0, 0));
    int ready = ready_eventfd();
    aio_context_t seen[CONTEXTS];
    struct iocb iocb;
    int unknown = 0;
    for (int i = 0; i < CONTEXTS; i++) {
        seen[i] = setup(8);
        if (i > 0) {
            long ret = io_cancel(seen[i], &iocb, NULL);
            CHECK(ret == -EINVAL, "io_cancel = %ld", ret);
            unknown++;
        }
        iocb = prep_poll(i % 2 ? fd : ready, POLLIN);
        submit(seen[i], &iocb);
        if (i % 2) {
            expect_outcome(&iocb, "abandoned");
        } else {
            struct io_event event = reap(seen[i]);
            expect_reaped(&iocb, &event);
        }
        destroy(seen[i]);
    }
    expect("cancel address=%p ret=%d error=EINVAL verdict=unknown-request count=%d", (void*)&iocb, -EINVAL, unknown);
    for (int i = 0; i < CONTEXTS; i++) {
        int earlier = 0;
        int all = 0;
        for (int j = 0; j < CONTEXTS; j++) {
            all += seen[j] == seen[i];
            earlier += j < i && seen[j] == seen[i];
        }
        if (!earlier) {
            expect("context context=%#lx capacity_at_least=8 in_flight_max=1 count=%d", seen[i], all);
        }
    }
    finish();
}
