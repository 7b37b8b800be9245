/* SPDX-License-Identifier: Apache-2.0 */
/* mkdirat, symlinkat, linkat, renameat and unlinkat: paths of one and of two files, and one that cannot be had. */
#include "uring.h"

#include <limits.h>

int main(int argc, char** argv) {
    start(argc, argv);
    struct ring ring = ring_new(8, 0);
    char folder[PATH_MAX];
    char file[PATH_MAX + 8];
    char hard[PATH_MAX + 8];
    char soft[PATH_MAX + 8];
    snprintf(folder, sizeof folder, "%s", scratch_name("folder"));
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(hard, sizeof hard, "%s/hard", folder);
    snprintf(soft, sizeof soft, "%s/soft", folder);

    prep(&ring, IORING_OP_MKDIRAT, AT_FDCWD, folder, 0700, 0);
    run_expect(&ring, 0, "path=%s path_origin=K", folder);
    prep(&ring, IORING_OP_MKDIRAT, AT_FDCWD, folder, 0700, 0);
    run_expect(&ring, -EEXIST, "path=%s path_origin=K", folder);
    OS(close((int)OS(open(file, O_CREAT | O_RDWR, 0600))));
    int directory = (int)OS(open(folder, O_DIRECTORY | O_RDONLY));
    prep(&ring, IORING_OP_SYMLINKAT, directory, "the/target", 0, (uintptr_t)"soft");
    run_expect(&ring, 0, "path=the/target new_path=soft");
    prep(&ring, IORING_OP_LINKAT, AT_FDCWD, file, (unsigned)AT_FDCWD, (uintptr_t)hard);
    run_expect(&ring, 0, "path=%s new_path=%s", file, hard);
    prep(&ring, IORING_OP_RENAMEAT, directory, "hard", (unsigned)directory, (uintptr_t)"other");
    run_expect(&ring, 0, "path=hard new_path=other");
    prep(&ring, IORING_OP_UNLINKAT, directory, "other", 0, 0);
    run_expect(&ring, 0, "path=other");
    prep(&ring, IORING_OP_UNLINKAT, AT_FDCWD, file, 0, 0);
    run_expect(&ring, 0, "path=%s path_origin=K", file);
    prep(&ring, IORING_OP_UNLINKAT, AT_FDCWD, file, 0, 0);
    run_expect(&ring, -ENOENT, "path=%s path_origin=K", file);
    prep(&ring, IORING_OP_UNLINKAT, AT_FDCWD, soft, 0, 0);
    run_expect(&ring, 0, "path=%s path_origin=K", soft);
    prep(&ring, IORING_OP_UNLINKAT, AT_FDCWD, folder, 0, 0)->unlink_flags = AT_REMOVEDIR;
    run_expect(&ring, 0, "path=%s path_origin=K", folder);

    ring_close(&ring);
    finish();
}
