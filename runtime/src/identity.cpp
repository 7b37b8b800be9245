// SPDX-License-Identifier: Apache-2.0
#include "identity.hpp"

#include "sys.hpp"

#include <sys/stat.h>

namespace inflight::aio {

namespace {

// sys() would do; but the layout of struct stat is libc's affair.
bool look_up(int descriptor, struct stat& about) {
    const int before = errno;
    const bool found = fstat(descriptor, &about) == 0;
    errno = before;
    return found;
}

}  // namespace

FileIdentity identify(int descriptor) {
    struct stat about{};
    return look_up(descriptor, about) ? FileIdentity{about.st_dev, about.st_ino} : FileIdentity{};
}

void close_if_is(int descriptor, const FileIdentity& identity) {
    if (descriptor >= 0 && identify(descriptor) == identity) {
        (void)sys(SYS_close, descriptor);
    }
}

void close_if_anonymous(int descriptor) {
    struct stat about{};
    if (descriptor >= 0 && look_up(descriptor, about) && (about.st_mode & S_IFMT) == 0) {
        (void)sys(SYS_close, descriptor);
    }
}

}  // namespace inflight::aio
