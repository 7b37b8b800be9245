// SPDX-License-Identifier: Apache-2.0
#include "backend.hpp"

#include "sys.hpp"
#include "uring.hpp"

#include <pthread.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace inflight::aio {

namespace {

pthread_once_t decided = PTHREAD_ONCE_INIT;
Backend chosen = Backend::uring;
bool kernel_cancel = false;
bool is_observed = false;
long refusal = 0;
char reason[240];

// All that the contexts need, asked of the kernel itself.
long try_uring() {
    Uring ring;
    long result = ring.create(4, 8, IORING_SETUP_SUBMIT_ALL);
    if (result < 0) {
        return result;
    }
    learn_abilities(ring);
    io_uring_rsrc_register files{};
    files.nr = 1;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    result = ring.register_new(IORING_REGISTER_FILES2, &files, sizeof files);
    io_uring_sync_cancel_reg cancel{};
    cancel.addr = 1;
    cancel.fd = -1;
    if (result >= 0 && ring.register_new(IORING_REGISTER_SYNC_CANCEL, &cancel, 1) == -EINVAL) {
        result = -EINVAL;
    }
    ring.destroy();
    return result < 0 ? result : 0;
}

void add(const char* text) {
    const std::size_t used = std::strlen(reason);
    std::strncpy(reason + used, text, sizeof reason - 1 - used);
}

void warn(const char* text) {
    const char* parts[] = {"libinflight_aio: ", text, "\n"};
    for (const char* part : parts) {
        (void)sys(SYS_write, 2, part, std::strlen(part));
    }
}

bool is_set(const char* name, const char* value) {
    const char* found = secure_getenv(name);
    return found != nullptr && std::strcmp(found, value) == 0;
}

// Why io_uring refused, for people.
const char* words_for(long error) {
    static constexpr struct {
        long error;
        const char* words;
    } table[] = {
        {-EPERM, "io_uring is not allowed here (EPERM; see the sysctl kernel.io_uring_disabled, and seccomp filters)"},
        {-EACCES, "io_uring is not allowed here (EACCES; a seccomp filter or a security module)"},
        {-ENOSYS, "io_uring is not there, or a seccomp filter hides it (ENOSYS)"},
        {-ENOMEM, "io_uring has no memory, or more than RLIMIT_MEMLOCK allows (ENOMEM)"},
        {-EMFILE, "io_uring has no descriptor (EMFILE; see RLIMIT_NOFILE)"},
    };
    for (const auto& entry : table) {
        if (entry.error == error) {
            return entry.words;
        }
    }
    return "io_uring cannot do what is needed here";
}

void decide() {
    const char* wanted = secure_getenv("INFLIGHT_AIO_BACKEND");
    kernel_cancel = is_set("INFLIGHT_AIO_CANCEL", "kernel");
    is_observed = is_set("INFLIGHT_AIO_OBSERVED", "1");
    if (is_set("INFLIGHT_AIO_BACKEND", "kernel")) {
        chosen = Backend::kernel;
        add("kernel AIO, as INFLIGHT_AIO_BACKEND says");
        return;
    }
    const bool no_other = is_set("INFLIGHT_AIO_BACKEND", "uring");
    if (wanted != nullptr && wanted[0] != '\0' && !no_other) {
        warn("INFLIGHT_AIO_BACKEND is neither uring nor kernel, and does not count");
    }
    refusal = try_uring();
    if (refusal == 0) {
        add("io_uring");
        return;
    }
    add(words_for(refusal));
    chosen = no_other ? Backend::uring : Backend::kernel;
    add(no_other ? ", and INFLIGHT_AIO_BACKEND=uring allows nothing else" : ": kernel AIO instead");
    warn(reason);
}

}  // namespace

Backend backend() {
    pthread_once(&decided, decide);
    return chosen;
}

long backend_refusal() {
    return backend() == Backend::uring ? refusal : 0;
}

const char* backend_reason() {
    (void)backend();
    return reason;
}

bool observed() {
    return is_observed;
}

bool cancels_as_kernel() {
    (void)backend();
    return kernel_cancel;
}

}  // namespace inflight::aio
