/* SPDX-License-Identifier: Apache-2.0 */
/* iocbs that io_submit does not take: bad ones, and good ones when the context has no room. They are no requests. */
#include "aio.h"

int main(int argc, char** argv) {
    start(argc, argv);
    int ends[2];
    OS(pipe(ends));
    aio_context_t bad = setup(8);
    for (int i = 0; i < 3; i++) {
        struct iocb iocb = prep_poll(9999, POLLIN);
        submit_refused(bad, &iocb, EBADF);
    }
    expect("context context=%#lx refused=3 refused_error=EBADF", bad);
    destroy(bad);

    static struct iocb iocbs[4096];
    aio_context_t full = setup(1);
    long taken = 0;
    for (;; taken++) {
        CHECK(taken < 4096, "there is room for all");
        struct iocb* iocb = &iocbs[taken];
        *iocb = prep_poll(ends[0], POLLIN);
        if (io_submit(full, 1, &iocb) != 1) {
            break;
        }
    }
    /* The kernel accepts what inflight says is the capacity. */
    expect("context context=%#lx capacity_at_least=%ld refused=1 refused_error=EAGAIN in_flight_max=%ld", full, taken,
           taken);
    destroy(full);
    finish();
}
