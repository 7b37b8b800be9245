// SPDX-License-Identifier: Apache-2.0
#include "transfer.hpp"

#include "sys.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <climits>
#include <cstring>

namespace inflight::aio {

namespace {

bool is_memory(int file) {
    struct statfs about{};
    if (sys(SYS_fstatfs, file, &about) != 0) {
        return false;
    }
    return about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC || about.f_type == HUGETLBFS_MAGIC;
}

// sys() would do; but the layout of struct stat is libc's affair.
bool look_up(int file, struct stat& about) {
    const int before = errno;
    const bool found = fstat(file, &about) == 0;
    errno = before;
    return found;
}

constexpr std::size_t path_bytes = 32;

void path_of(int descriptor, char (&path)[path_bytes]) {
    std::strcpy(path, "/proc/self/fd/");
    char* end = path + std::strlen(path);
    char digits[12];
    unsigned count = 0;
    for (auto rest = static_cast<unsigned>(descriptor); count == 0 || rest != 0; rest /= 10) {
        digits[count++] = static_cast<char>('0' + rest % 10);
    }
    while (count != 0) {
        *end++ = digits[--count];
    }
    *end = '\0';
}

}  // namespace

long look_at(int file, Operation operation, FileFacts& facts) {
    const long flags = sys(SYS_fcntl, file, F_GETFL);
    if (flags < 0 || (flags & O_PATH) != 0) {
        return -EBADF;
    }
    const long mode = flags & O_ACCMODE;
    if (mode != O_RDWR && mode != (operation == Operation::read ? O_RDONLY : O_WRONLY)) {
        return -EBADF;
    }
    struct stat about{};
    if (!look_up(file, about)) {
        return -EBADF;
    }
    facts.nonblocking = (flags & O_NONBLOCK) != 0;
    switch (about.st_mode & S_IFMT) {
        case S_IFDIR:
            return -EINVAL;
        case S_IFREG:
        case S_IFBLK:
            if (is_memory(file) && S_ISREG(about.st_mode)) {
                facts.kind = FileKind::memory;
            } else {
                facts.kind = (flags & O_DIRECT) != 0 ? FileKind::device : FileKind::cached;
            }
            return 0;
        default:
            facts.kind = FileKind::stream;
            facts.pipe = S_ISFIFO(about.st_mode);
            return 0;
    }
}

long look_at_synced(int file) {
    const long flags = sys(SYS_fcntl, file, F_GETFL);
    struct stat about{};
    if (flags < 0 || (flags & O_PATH) != 0 || !look_up(file, about)) {
        return -EBADF;
    }
    return S_ISREG(about.st_mode) || S_ISBLK(about.st_mode) || S_ISDIR(about.st_mode) ? 0 : -EINVAL;
}

long do_transfer(const Transfer& transfer, std::int64_t offset, bool may_wait) {
    const long number = transfer.operation == Operation::read ? SYS_preadv2 : SYS_pwritev2;
    const std::uint32_t flags = transfer.rw_flags | (may_wait ? 0U : RWF_NOWAIT);
    return sys(number, transfer.file, transfer.vectors, transfer.vector_count, offset, 0, flags);
}

long open_nonblocking(int file, Operation operation) {
    char name[path_bytes];
    path_of(file, name);
    const int mode = operation == Operation::read ? O_RDONLY : O_WRONLY;
    return sys(SYS_openat, AT_FDCWD, name, mode | O_NONBLOCK | O_CLOEXEC);
}

void advance(iovec* vectors, std::uint32_t count, std::size_t bytes) {
    for (std::uint32_t i = 0; i < count && bytes != 0; ++i) {
        const std::size_t part = bytes < vectors[i].iov_len ? bytes : vectors[i].iov_len;
        vectors[i].iov_base = static_cast<char*>(vectors[i].iov_base) + part;
        vectors[i].iov_len -= part;
        bytes -= part;
    }
}

bool try_cached(Transfer& transfer, std::uint64_t& done, long& result, bool& works) {
    for (;;) {
        const long moved = do_transfer(transfer, transfer.offset, false);
        if (moved < 0) {
            works = moved != -EOPNOTSUPP;
            if (moved == -EAGAIN || moved == -EOPNOTSUPP) {
                return false;
            }
            result = done != 0 ? static_cast<long>(done) : moved;
            return true;
        }
        done += static_cast<std::uint64_t>(moved);
        if (moved == 0 || done == transfer.total_bytes) {
            result = static_cast<long>(done);
            return true;
        }
        // Part of it was cached. The end of the file looks the same; then the next try moves nothing.
        advance(transfer.vectors, transfer.vector_count, static_cast<std::size_t>(moved));
        transfer.offset += moved;
    }
}

// What a priority may be differs between kernels, and by privilege. The kernel looks at it before it looks for the
// process.
long check_priority(const iocb& block) {
    constexpr int of_process = 1;
    constexpr int nobody = INT_MAX;
    if ((block.aio_flags & IOCB_FLAG_IOPRIO) == 0) {
        return 0;
    }
    const long result = sys(SYS_ioprio_set, of_process, nobody, static_cast<std::uint16_t>(block.aio_reqprio));
    return result == -ESRCH ? 0 : result;
}

// Flags that not every kernel has are asked about of it, with a file of our own.
bool known_flags(std::uint32_t flags) {
    constexpr std::uint32_t always = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;
    constexpr std::uint32_t newer = 0x20 | 0x40 | 0x80;  // NOAPPEND, ATOMIC, DONTCACHE
    if ((flags & ~(always | newer)) != 0) {
        return false;
    }
    if ((flags & ~always) == 0) {
        return true;
    }
    const long file = sys(SYS_memfd_create, "inflight", 0);
    char byte = 0;
    const iovec vector{&byte, 1};
    const long result = sys(SYS_pwritev2, file, &vector, 1, 0, 0, flags & newer);
    (void)sys(SYS_close, file);
    return result != -EOPNOTSUPP;
}

long check_eventfd(int descriptor) {
    struct stat about{};
    if (!look_up(descriptor, about)) {
        return -EBADF;
    }
    if ((about.st_mode & S_IFMT) != 0) {
        return -EINVAL;
    }
    char name[path_bytes];
    path_of(descriptor, name);
    char target[32] = {};
    const long length = sys(SYS_readlinkat, AT_FDCWD, name, target, sizeof target - 1);
    // Without /proc nothing more can be known of it.
    return length < 0 || std::strcmp(target, "anon_inode:[eventfd]") == 0 ? 0 : -EINVAL;
}

}  // namespace inflight::aio
