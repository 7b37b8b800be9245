// SPDX-License-Identifier: Apache-2.0
#include "backend.hpp"

#include "sys.hpp"
#include "uring.hpp"

#include <pthread.h>

#include <cstdlib>
#include <cstring>

namespace inflight::aio {

namespace {

pthread_once_t decided = PTHREAD_ONCE_INIT;
Backend chosen = Backend::uring;
bool kernel_cancel = false;
char reason[160] = "io_uring";

// All that the contexts need, asked of the kernel itself.
long try_uring() {
    Uring ring;
    long result = ring.create(4, 8, IORING_SETUP_SUBMIT_ALL);
    if (result < 0) {
        return result;
    }
    io_uring_rsrc_register files{};
    files.nr = 1;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    result = ring.register_(IORING_REGISTER_FILES2, &files, sizeof files);
    io_uring_sync_cancel_reg cancel{};
    cancel.addr = 1;
    cancel.fd = -1;
    if (result >= 0 && ring.register_(IORING_REGISTER_SYNC_CANCEL, &cancel, 1) == -EINVAL) {
        result = -EINVAL;
    }
    ring.destroy();
    return result < 0 ? result : 0;
}

void say(const char* text) {
    std::strncpy(reason, text, sizeof reason - 1);
}

void warn(const char* text) {
    say(text);
    const char* parts[] = {"libinflight_aio: ", text, "\n"};
    for (const char* part : parts) {
        (void)sys(SYS_write, 2, part, std::strlen(part));
    }
}

void decide() {
    const char* cancel = secure_getenv("INFLIGHT_AIO_CANCEL");
    kernel_cancel = cancel != nullptr && std::strcmp(cancel, "kernel") == 0;
    const char* wanted = secure_getenv("INFLIGHT_AIO_BACKEND");
    if (wanted != nullptr && std::strcmp(wanted, "kernel") == 0) {
        chosen = Backend::kernel;
        say("kernel AIO, as INFLIGHT_AIO_BACKEND says");
        return;
    }
    const long result = try_uring();
    if (result == 0) {
        return;
    }
    chosen = Backend::kernel;
    switch (-result) {
        case EPERM:
            warn("io_uring is not allowed here (EPERM): kernel AIO instead; see the sysctl kernel.io_uring_disabled");
            break;
        case ENOSYS:
            warn("io_uring is not there, or a seccomp filter hides it (ENOSYS): kernel AIO instead");
            break;
        case ENOMEM:
            warn("io_uring has no memory, or more than RLIMIT_MEMLOCK allows (ENOMEM): kernel AIO instead");
            break;
        default:
            warn("io_uring cannot do what is needed here: kernel AIO instead");
    }
}

}  // namespace

Backend backend() {
    pthread_once(&decided, decide);
    return chosen;
}

const char* backend_reason() {
    (void)backend();
    return reason;
}

bool cancels_as_kernel() {
    (void)backend();
    return kernel_cancel;
}

}  // namespace inflight::aio
