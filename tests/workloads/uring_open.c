/* SPDX-License-Identifier: Apache-2.0 */
/* openat, openat2, statx and close; a file that is not there; a file that goes to the ring's own table. */
#include "uring.h"

#include <linux/openat2.h>
#include <sys/stat.h>

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    const char* path = scratch_name("made");
    const char* none = scratch_name("not-there");
    struct open_how how = {.flags = O_RDONLY};
    struct statx status;

    prep(&ring, IORING_OP_OPENAT, AT_FDCWD, path, 0640, 0)->open_flags = O_RDWR | O_CREAT | O_EXCL;
    struct cqe cqe = ring_run(&ring);
    CHECK(cqe.res > 0, "openat = %d", cqe.res);
    expect_cqe(&cqe, "path=%s path_origin=K", path);
    prep(&ring, IORING_OP_CLOSE, cqe.res, NULL, 0, 0);
    run_expect(&ring, 0, "fd=%d", cqe.res);
    prep(&ring, IORING_OP_OPENAT2, AT_FDCWD, path, sizeof how, (uintptr_t)&how);
    cqe = ring_run(&ring);
    CHECK(cqe.res > 0, "openat2 = %d", cqe.res);
    expect_cqe(&cqe, "path=%s path_origin=K", path);
    prep(&ring, IORING_OP_CLOSE, cqe.res, NULL, 0, 0);
    run_expect(&ring, 0, "fd=%d", cqe.res);
    prep(&ring, IORING_OP_STATX, AT_FDCWD, path, STATX_SIZE, (uintptr_t)&status);
    run_expect(&ring, 0, "path=%s path_origin=K", path);
    prep(&ring, IORING_OP_OPENAT, AT_FDCWD, none, 0, 0);
    run_expect(&ring, -ENOENT, "path=%s path_origin=K", none);
    prep(&ring, IORING_OP_OPENAT2, AT_FDCWD, none, sizeof how, (uintptr_t)&how);
    run_expect(&ring, -ENOENT, "path=%s path_origin=K", none);
    prep(&ring, IORING_OP_STATX, AT_FDCWD, none, STATX_SIZE, (uintptr_t)&status);
    run_expect(&ring, -ENOENT, "path=%s path_origin=K", none);
    prep(&ring, IORING_OP_OPENAT, AT_FDCWD, (void*)8, 0, 0); /* no path to be read there */
    run_expect(&ring, -EFAULT, "path=");

    static const int no_files[2] = {-1, -1};
    ring_register(&ring, IORING_REGISTER_FILES, no_files, 2);
    prep(&ring, IORING_OP_OPENAT, AT_FDCWD, path, 0, 0)->file_index = 2; /* counted from 1 */
    run_expect(&ring, 0, "path=%s path_origin=K", path);
    prep(&ring, IORING_OP_CLOSE, 0, NULL, 0, 0)->file_index = 2;
    run_expect(&ring, 0, "cqes=1");

    ring_close(&ring);
    expect_ring(&ring, "files=2");
    finish();
}
