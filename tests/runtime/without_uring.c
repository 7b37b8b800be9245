/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command where io_uring_setup fails: as in a container whose seccomp filter forbids it (EPERM, ENOSYS), or
 * where there is no memory for it (ENOMEM). Or where semtimedop does, which the runtime uses where it may.
 * Usage: without_uring [semtimedop:]ERRNO COMMAND... */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char* name;
    unsigned number;
} errors[] = {{"EPERM", EPERM},   {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM},
              {"EACCES", EACCES}, {"EMFILE", EMFILE}, {"EINVAL", EINVAL}};

static unsigned number_of(const char* name) {
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(errors[i].name, name) == 0) {
            return errors[i].number;
        }
    }
    return 0;
}

int main(int argc, char** argv) {
    static const char other[] = "semtimedop:";
    const bool is_other = argc > 2 && strncmp(argv[1], other, sizeof(other) - 1) == 0;
    const unsigned error = argc > 2 ? number_of(argv[1] + (is_other ? sizeof(other) - 1 : 0)) : 0;
    const unsigned call = is_other ? SYS_semtimedop : SYS_io_uring_setup;
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(rules) / sizeof(rules[0]), rules};

    if (error == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("without_uring");
        return 77;
    }
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 77;
}
