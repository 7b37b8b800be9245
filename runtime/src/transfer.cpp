// SPDX-License-Identifier: Apache-2.0
#include "transfer.hpp"

#include "identity.hpp"
#include "sys.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <climits>
#include <cstring>
#include <initializer_list>

namespace inflight::aio {

namespace {

bool is_any_of(long type, std::initializer_list<long> types) {
    for (const long each : types) {
        if (type == each) {
            return true;
        }
    }
    return false;
}

// Not in <linux/magic.h> of all kernels.
constexpr long fuse_magic = 0x65735546;

// sys() would do; but the layout of struct stat is libc's affair.
bool look_up(int file, struct stat& about) {
    const int before = errno;
    const bool found = fstat(file, &about) == 0;
    errno = before;
    return found;
}

void look_at_file_system(int file, bool regular, bool direct, FileFacts& facts) {
    struct statfs about{};
    const bool known = regular && sys(SYS_fstatfs, file, &about) == 0;
    const auto type = static_cast<long>(about.f_type);
    facts.remote = known && is_any_of(type, {fuse_magic, V9FS_MAGIC, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC});
    if (known && is_any_of(type, {TMPFS_MAGIC, RAMFS_MAGIC, HUGETLBFS_MAGIC})) {
        facts.kind = FileKind::memory;
    } else {
        facts.kind = direct ? FileKind::device : FileKind::cached;
    }
}

constexpr std::uint32_t no_signal = 0x100;

// RWF_NOSIGNAL, which the newest kernels have.
std::uint32_t newest_flags() {
    const long file = sys(SYS_memfd_create, "inflight", MFD_CLOEXEC);
    char byte = 0;
    const iovec vector{&byte, 1};
    const FileIdentity identity = identify(static_cast<int>(file));
    // A read: should another thread put a file of the program's there meanwhile, nothing is written to it.
    const long result = sys(SYS_preadv2, file, &vector, 1, 0, 0, no_signal);
    close_if_is(static_cast<int>(file), identity);
    return result == 0 ? no_signal : 0;
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

long look_at(int file, FileFacts& facts) {
    const long flags = sys(SYS_fcntl, file, F_GETFL);
    if (flags < 0 || (flags & O_PATH) != 0) {
        return -EBADF;
    }
    facts.access = static_cast<std::uint8_t>(flags & O_ACCMODE);
    facts.synced = (flags & O_DSYNC) != 0;
    facts.appends = (flags & O_APPEND) != 0;
    struct stat about{};
    if (!look_up(file, about)) {
        return -EBADF;
    }
    facts.nonblocking = (flags & O_NONBLOCK) != 0;
    switch (about.st_mode & S_IFMT) {
        case S_IFDIR:
            facts.kind = FileKind::directory;
            return 0;
        case S_IFREG:
        case S_IFBLK:
            look_at_file_system(file, S_ISREG(about.st_mode), (flags & O_DIRECT) != 0, facts);
            return 0;
        default:
            facts.kind = FileKind::stream;
            facts.pipe = S_ISFIFO(about.st_mode);
            return 0;
    }
}

bool allows(const FileFacts& facts, Operation operation) {
    return facts.access == O_RDWR || facts.access == (operation == Operation::read ? O_RDONLY : O_WRONLY);
}

bool is_open_file(int file) {
    const long flags = sys(SYS_fcntl, file, F_GETFL);
    return flags >= 0 && (flags & O_PATH) == 0;
}

bool is_file(int descriptor) {
    struct stat about{};
    return look_up(descriptor, about) && (S_ISREG(about.st_mode) || S_ISBLK(about.st_mode));
}

bool is_still(int file, const FileFacts& facts) {
    const long flags = sys(SYS_fcntl, file, F_GETFL);
    return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) == facts.access &&
           ((flags & O_DIRECT) != 0) == (facts.kind == FileKind::device) && is_file(file);
}

namespace {

// epoll refuses what knows no polling.
bool epoll_takes(int file) {
    const long poller = sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (poller < 0) {
        return true;
    }
    epoll_event nothing{};
    const long result = sys(SYS_epoll_ctl, poller, EPOLL_CTL_ADD, file, &nothing);
    close_if_anonymous(static_cast<int>(poller));
    return result != -EPERM;
}

}  // namespace

bool can_be_polled(int file) {
    // What a file that knows no polling seems to be, always.
    constexpr short always_ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    constexpr short all = always_ready | POLLPRI | POLLRDBAND | POLLWRBAND;
    pollfd about{file, all, 0};
    const timespec now{};
    struct stat type{};
    if (sys(SYS_ppoll, &about, 1, &now, nullptr, 8) < 0 || about.revents != always_ready || !look_up(file, type)) {
        return true;
    }
    switch (type.st_mode & S_IFMT) {
        case S_IFIFO:
        case S_IFSOCK:
            return true;
        case S_IFDIR:
        case S_IFBLK:
            return false;
        default:
            return epoll_takes(file);
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
    const bool reads = transfer.operation == Operation::read;
    const std::uint32_t flags = transfer.rw_flags | (may_wait ? 0U : RWF_NOWAIT);
    if (flags == 0 && transfer.vector_count == 1 && offset >= 0) {
        // Nothing for the kernel to fetch first.
        const iovec& vector = transfer.vectors[0];
        return sys(reads ? SYS_pread64 : SYS_pwrite64, transfer.file, vector.iov_base, vector.iov_len, offset);
    }
    return sys(reads ? SYS_preadv2 : SYS_pwritev2, transfer.file, transfer.vectors, transfer.vector_count, offset, 0,
               flags);
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

// What not every kernel or not every file knows is asked of the file itself, with a transfer that cannot be: of one
// byte at an address where nothing is. The flags are looked at before it.
long check_flags(const Transfer& transfer, FileKind kind) {
    constexpr std::uint32_t always = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND;
    constexpr std::uint32_t of_files = 0x40 | 0x80;  // ATOMIC, DONTCACHE
    constexpr std::uint32_t no_append = 0x20;
    const std::uint32_t flags = transfer.rw_flags;
    if ((flags & ~always) == 0) {
        return 0;
    }
    constexpr std::uint32_t both = RWF_APPEND | no_append;
    if (kind == FileKind::stream) {
        // It cannot be asked: what comes from it, or goes to it, is gone. Its answer to RWF_NOWAIT is seen when it is
        // tried.
        const auto known = always | RWF_NOWAIT | no_append | newest_flags();
        return (flags & ~known) != 0 || (flags & of_files) != 0 ? -EOPNOTSUPP : (flags & both) == both ? -EINVAL : 0;
    }
    const iovec vector{pointer_to<void>(8), 1};
    constexpr std::int64_t behind_all = INT64_MAX - 4096;
    const auto try_read = [&](std::uint32_t with) {
        return sys(SYS_preadv2, transfer.file, &vector, 1, behind_all, 0, with);
    };
    const bool reads = transfer.operation == Operation::read;
    // A file system may refuse RWF_NOWAIT for writes only, and that is in the event.
    long result = (flags & RWF_NOWAIT) != 0 ? try_read(RWF_NOWAIT) : 0;
    const std::uint32_t others = flags & ~static_cast<std::uint32_t>(RWF_NOWAIT);
    if (result != -EOPNOTSUPP && (others & ~always) != 0) {
        // At its own place, because to be behind a limit of the file's size may be a signal.
        const std::int64_t place = transfer.offset < 0 ? 0 : transfer.offset;
        result = reads ? try_read(others) : sys(SYS_pwritev2, transfer.file, &vector, 1, place, 0, others);
    }
    const bool refused = result == -EOPNOTSUPP || result == -EPERM;
    return refused ? result : (flags & both) == both ? -EINVAL : 0;
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
