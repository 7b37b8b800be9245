/* SPDX-License-Identifier: Apache-2.0 */
/* A message from one ring to another: a CQE there that no request of that ring has made. */
#include "uring.h"

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring from = ring_new(8, 0);
    struct ring to = ring_new(4, 0);
    uint64_t message = unique_user_data();
    prep(&from, IORING_OP_MSG_RING, to.fd, NULL, 77, message);
    run_expect(&from, 0, "cqes=1");
    struct cqe cqe = reap_of(&to, message, 77);
    CHECK(cqe.flags == 0, "flags %#x", cqe.flags);
    expect("completion user_data=%#lx result=77", message);
    expect("request family=uring user_data=%#lx count=0", message);
    ring_close(&from);
    ring_close(&to);
    finish();
}
