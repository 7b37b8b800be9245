// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inflight::aio {

// Which file a descriptor is. No two files on a disk are the same, nor two pipes, nor two rings; eventfds are.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    [[nodiscard]] bool operator==(const FileIdentity&) const = default;
};

// Both numbers are 0 when the descriptor is none.
[[nodiscard]] FileIdentity identify(int descriptor);

// For descriptors that we open for a moment: another thread of the program may meanwhile have closed them, as all that
// it does not know, and have opened its own file there. These close nothing that is seen to be another.
void close_if_is(int descriptor, const FileIdentity& identity);
// An eventfd and an epoll instance have no type of file.
void close_if_anonymous(int descriptor);

}  // namespace inflight::aio
