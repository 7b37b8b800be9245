// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hints.hpp"
#include "transfer.hpp"

#include <linux/fs.h>

namespace inflight::aio {

// What io_submit does of a read or write that goes through the page cache: all that the kernel's AIO would do, unless
// it would wait there.
//
// A read of what is cached is a copy; a read of what is not waits for a disk. A write is a copy too, except where a
// page must first be read because only part of it is written, where it is to be on the disk when it ends (O_DSYNC and
// the like), and where another program serves the file system. A write may also wait for what nobody can ask about,
// such as memory that is full of unwritten pages: two that took long are done all the same, and the next ones on that
// descriptor are not done at once.

// True when it is complete and `result` is what it came to. False when it has to wait, with `done` bytes moved so far.
[[nodiscard]] bool do_buffered(Transfer& transfer, const FileFacts& facts, FileHint& hint, std::uint64_t& done,
                               long& result);

[[nodiscard]] inline bool wants_no_wait(const Transfer& transfer) {
    return (transfer.rw_flags & RWF_NOWAIT) != 0;
}

}  // namespace inflight::aio
