/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IORING_OP_URING_CMD, whose number is the file's own affair: of sockets, of a driver that has none of it, and of FUSE.
 * A kernel that knows no command of a file refuses it; the number says what was wanted all the same.
 */
#include "uring.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>

enum { SIOCINQ_OP, SIOCOUTQ_OP, GETSOCKOPT_OP, SETSOCKOPT_OP, TX_TIMESTAMP_OP, GETSOCKNAME_OP };
enum { BLOCK_DISCARD = 0x1200, FUSE_REGISTER = 1 };

static struct ring ring;

static struct io_uring_sqe* command(int fd, uint32_t number) {
    return prep(&ring, IORING_OP_URING_CMD, fd, NULL, 0, number);
}

/* Whatever the kernel says to it. */
static void run_named(const char* more) {
    struct cqe cqe = ring_run(&ring);
    expect_cqe(&cqe, "%s", more);
}

static void ask_socket(void) {
    int ends[2], value = 4096;
    char more[160];
    make_pair(AF_INET, ends);
    command(ends[0], SIOCINQ_OP);
    run_named("command=SOCKET_URING_OP_SIOCINQ sockopt=");
    command(ends[0], SIOCOUTQ_OP);
    run_named("command=SOCKET_URING_OP_SIOCOUTQ");
    for (unsigned number = GETSOCKOPT_OP; number <= SETSOCKOPT_OP; number++) {
        struct io_uring_sqe* sqe = command(ends[0], number);
        sqe->addr = SOL_SOCKET | (uint64_t)SO_RCVBUF << 32; /* level and optname */
        sqe->splice_fd_in = sizeof value;                   /* optlen */
        sqe->addr3 = (uintptr_t)&value;                     /* optval */
        snprintf(more, sizeof more, "command=SOCKET_URING_OP_%s sockopt=level=%d;optname=%d;optlen=4;optval=%#lx",
                 number == GETSOCKOPT_OP ? "GETSOCKOPT" : "SETSOCKOPT", SOL_SOCKET, SO_RCVBUF, (uintptr_t)&value);
        run_named(more);
    }
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    struct io_uring_sqe* sqe = command(ends[0], GETSOCKNAME_OP);
    sqe->addr = (uintptr_t)&name;
    sqe->addr3 = (uintptr_t)&size;
    run_named("command=SOCKET_URING_OP_GETSOCKNAME");
    command(ends[0], 99);
    run_named("command=");
}

static void ask_others(void) {
    int file = scratch_file("data", O_RDWR, 4096);
    command(file, BLOCK_DISCARD);
    run_named("command=BLOCK_URING_CMD_DISCARD");
    int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse >= 0) {
        command(fuse, FUSE_REGISTER);
        run_named("command=FUSE_IO_URING_CMD_REGISTER");
    }
}

/* Each datagram that leaves makes a CQE with the time, until nobody asks any more. */
static void ask_when_sent(void) {
    struct ring big = ring_with(8, (struct io_uring_params){.flags = IORING_SETUP_CQE32});
    if (big.fd < 0) {
        return;
    }
    int receiver = (int)OS(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    int sender = (int)OS(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    OS(bind(receiver, (struct sockaddr*)&address, size));
    OS(getsockname(receiver, (struct sockaddr*)&address, &size));
    OS(connect(sender, (struct sockaddr*)&address, size));
    int wanted = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                 SOF_TIMESTAMPING_OPT_TSONLY;
    OS(setsockopt(sender, SOL_SOCKET, SO_TIMESTAMPING, &wanted, sizeof wanted));
    uint64_t asking = prep(&big, IORING_OP_URING_CMD, sender, NULL, 0, TX_TIMESTAMP_OP)->user_data;
    ring_submit(&big);
    CHECK(send(sender, "x", 1, 0) == 1, "send: %m");
    uint64_t time[2];
    struct cqe cqe = ring_reap_big(&big, time);
    CHECK(cqe.user_data == asking, "a CQE of %#lx", cqe.user_data);
    if (cqe.flags & IORING_CQE_F_MORE) {
        expect("completion op=uring_cmd user_data=%#lx result=%d big_cqe=0x%lx,0x%lx stamped=SCM_TSTAMP_SND", asking,
               cqe.res, time[0], time[1]);
        OS(close(sender));
        sync_cancel(&big, asking, -1, 0);
        cqe = ring_reap(&big);
        expect_of(asking, "command=SOCKET_URING_OP_TX_TIMESTAMP result=%d cqes=2", cqe.res);
    } else {
        expect_cqe(&cqe, "command=SOCKET_URING_OP_TX_TIMESTAMP"); /* not known to this kernel */
    }
    ring_close(&big);
}

int main(int argc, char** argv) {
    start(argc, argv);
    ring = ring_new(8, 0);
    ring_needs(&ring, IORING_OP_URING_CMD);
    ask_socket();
    ask_others();
    ask_when_sent();
    ring_close(&ring);
    finish();
}
