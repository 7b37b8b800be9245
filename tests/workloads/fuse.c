/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse.h"

#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static int fuse_fd;
static struct fuse_control* control;

static void reply(uint64_t unique, int error, const void* data, size_t size) {
    struct fuse_out_header header = {(uint32_t)(sizeof header + size), -error, unique};
    struct iovec vector[2] = {{&header, sizeof header}, {(void*)data, size}};
    if (writev(fuse_fd, vector, 2) < 0 && errno != ENOENT && errno != ENODEV) { /* these two: unmounted meanwhile */
        fail("reply to FUSE: %m");
    }
}

static void hold(void) {
    control->held++;
    while (!atomic_exchange(&control->release, false)) {
        sleep_ms(1);
    }
}

static void serve(void) {
    static char request[1 << 17];
    static char zeroes[8192];
    struct fuse_attr attr = {.ino = 1, .size = 65536, .mode = S_IFREG | 0666, .nlink = 1};
    for (;;) {
        ssize_t size = read(fuse_fd, request, sizeof request);
        if (size < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) {
            continue;
        }
        if (size <= 0) {
            return; /* unmounted */
        }
        const struct fuse_in_header* header = (const void*)request;
        const void* body = header + 1;
        switch (header->opcode) {
            case FUSE_INIT:
                reply(header->unique, 0,
                      &(struct fuse_init_out){.major = FUSE_KERNEL_VERSION,
                                              .minor = FUSE_KERNEL_MINOR_VERSION,
                                              .flags = FUSE_ASYNC_DIO,
                                              .max_write = 65536},
                      sizeof(struct fuse_init_out));
                break;
            case FUSE_GETATTR:
                reply(header->unique, 0, &(struct fuse_attr_out){.attr_valid = 60, .attr = attr},
                      sizeof(struct fuse_attr_out));
                break;
            case FUSE_OPEN:
                reply(header->unique, 0, &(struct fuse_open_out){.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH},
                      sizeof(struct fuse_open_out));
                break;
            case FUSE_READ:
                hold();
                reply(header->unique, 0, zeroes, ((const struct fuse_read_in*)body)->size);
                break;
            case FUSE_WRITE:
                hold();
                reply(header->unique, 0, &(struct fuse_write_out){.size = ((const struct fuse_write_in*)body)->size},
                      sizeof(struct fuse_write_out));
                break;
            case FUSE_FSYNC:
                hold();
                reply(header->unique, 0, NULL, 0);
                break;
            case FUSE_FLUSH:
                reply(header->unique, 0, NULL, 0);
                break;
            case FUSE_FORGET:
            case FUSE_BATCH_FORGET:
            case FUSE_RELEASE:
            case FUSE_INTERRUPT:
                if (header->opcode == FUSE_RELEASE) {
                    reply(header->unique, 0, NULL, 0);
                }
                break;
            default:
                reply(header->unique, ENOSYS, NULL, 0);
        }
    }
}

bool fuse_serve(struct fuse_file* file, unsigned seconds) {
    char options[128];
    fd_name(scratch_file("fuse", O_RDONLY, 1), file->path, sizeof file->path);
    fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse_fd < 0) {
        return false;
    }
    snprintf(options, sizeof options, "fd=%d,rootmode=100000,user_id=0,group_id=0", fuse_fd);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("inflight", file->path, "fuse", MS_NOSUID | MS_NODEV, options)) {
        return false;
    }
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(control != MAP_FAILED, "mmap: %m");
    file->control = control;
    file->server = (pid_t)OS(fork());
    if (!file->server) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(seconds);
        serve();
        _exit(0);
    }
    OS(close(fuse_fd)); /* the connection ends with the server */
    return true;
}
