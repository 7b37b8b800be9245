// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "slots.hpp"

namespace inflight::aio {

// A read or write that io_submit is looking at.
struct Transfer {
    Operation operation;
    int file;
    std::int64_t offset;
    std::uint32_t rw_flags;
    std::uint16_t priority;
    iovec* vectors;
    std::uint32_t vector_count;
    std::uint64_t total_bytes;
};

// What a file is to io_submit.
enum class FileKind : std::uint8_t {
    unknown,
    memory,  // a file system in memory: a transfer is a copy and never waits
    cached,  // through the page cache: what is cached is a copy
    device,  // O_DIRECT
    directory,
    stream,  // a pipe, a socket, a terminal: it has no offset
};

struct FileFacts {
    FileKind kind;
    std::uint8_t access;  // O_RDONLY, O_WRONLY or O_RDWR
    bool synced;          // O_DSYNC: each write waits for the disk
    bool appends;         // O_APPEND
    bool remote;          // another program serves the file system, and is asked to do each write
    bool nonblocking;     // O_NONBLOCK
    bool pipe;
};

// Looks at the descriptor. 0 or -EBADF.
[[nodiscard]] long look_at(int file, FileFacts& facts);

// Whether a descriptor still is the file that it was believed to be.
[[nodiscard]] bool is_still(int file, const FileFacts& facts);
// Whether it is a file that ends what it is asked to, unlike a pipe.
[[nodiscard]] bool is_file(int descriptor);
// Whether it is open for that, as the kernel asks when it has looked at the flags.
[[nodiscard]] bool allows(const FileFacts& facts, Operation operation);
// Whether the descriptor names an open file at all: the kernel's first question.
[[nodiscard]] bool is_open_file(int file);
// Whether a file that is not ready can be waited for at all.
[[nodiscard]] bool can_be_polled(int file);

// The same for fsync: -EBADF, or -EINVAL for what cannot be synced.
[[nodiscard]] long look_at_synced(int file);

// Does it at once, with RWF_NOWAIT or without. As preadv2() and pwritev2(): bytes or -errno.
[[nodiscard]] long do_transfer(const Transfer& transfer, std::int64_t offset, bool may_wait);

// Does as much of it as is possible without waiting; `done` gets the bytes. True when it is complete and `result` its
// result; false when the rest has to wait, or no file of that kind can be asked so (`works` then is false).
[[nodiscard]] bool try_cached(Transfer& transfer, std::uint64_t& done, long& result, bool& works);

// Before 6.4 a pipe knows no RWF_NOWAIT: the same pipe opened once more, with O_NONBLOCK. A descriptor or -errno.
[[nodiscard]] long open_nonblocking(int file, Operation operation);

// So many bytes of its vectors are done.
void advance(iovec* vectors, std::uint32_t count, std::size_t bytes);

// The priority that an iocb asks for: 0, -EINVAL, -EPERM.
[[nodiscard]] long check_priority(const iocb& block);
// Whether this kernel and this file know the RWF flags: 0 or -errno.
[[nodiscard]] long check_flags(const Transfer& transfer, FileKind kind);

// Whether the descriptor is an eventfd: 0, -EBADF or -EINVAL.
[[nodiscard]] long check_eventfd(int descriptor);

}  // namespace inflight::aio
