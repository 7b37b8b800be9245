/* SPDX-License-Identifier: Apache-2.0 */
/* setxattr, getxattr, fsetxattr and fgetxattr. */
#include "uring.h"

#include <limits.h>
#include <sys/xattr.h>

int main(int argc, char** argv) {
    start(argc, argv);
    int fd = scratch_file("data", O_RDWR, 10);
    char path[PATH_MAX];
    fd_name(fd, path, sizeof path);
    if (fsetxattr(fd, "user.before", "x", 1, 0)) {
        skip("no extended attributes there: %m");
    }
    struct ring ring = ring_new(8, 0);
    char value[16] = "";

    prep(&ring, IORING_OP_SETXATTR, -1, "user.first", 3, (uintptr_t)"one")->addr3 = (uintptr_t)path;
    run_expect(&ring, 0, "path=%s xattr_name=user.first", path);
    prep(&ring, IORING_OP_GETXATTR, -1, "user.first", sizeof value, (uintptr_t)value)->addr3 = (uintptr_t)path;
    run_expect(&ring, 3, "path=%s xattr_name=user.first", path);
    prep(&ring, IORING_OP_FSETXATTR, fd, "user.second", 4, (uintptr_t)"four");
    run_expect(&ring, 0, "xattr_name=user.second");
    prep(&ring, IORING_OP_FGETXATTR, fd, "user.second", sizeof value, (uintptr_t)value);
    run_expect(&ring, 4, "xattr_name=user.second");
    prep(&ring, IORING_OP_FGETXATTR, fd, "user.third", sizeof value, (uintptr_t)value);
    run_expect(&ring, -ENODATA, "xattr_name=user.third");

    ring_close(&ring);
    finish();
}
