// SPDX-License-Identifier: Apache-2.0
// Files that are written to by a name that somebody gave. inflight mostly runs as root, and what it writes tells what
// other people's programs do: such a file is its owner's alone, and a name that another user prepared leads nowhere.
#pragma once

#include "base/fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>

namespace inflight {

enum class Existing : std::uint8_t {
    replace,  // a regular file goes, a new one takes its place
    append,   // a regular file stays, and what is written comes after its end
    refuse,   // nothing may have that name yet
};

struct NewFile {
    UniqueFd fd;
    bool from_begin = false;  // a regular file that holds nothing but what is written to it from now on
};

struct NewFileError {
    int error = 0;    // errno; 0: it is refused here
    std::string why;  // "EACCES (Permission denied)", or why it is refused
};

// - A new file is made with O_EXCL and `mode`, and an existing regular one does not keep a looser mode.
// - A symbolic link is followed if it belongs to who runs inflight, to who called sudo, or to root. So is a fifo taken.
// - A fifo waits for its reader until a signal comes: see waiting.hpp.
// - "/dev/stdout" and "/dev/fd/N" are the descriptor itself, which may be anything, and stay as they are.
// - A block device, a socket and a directory are refused.
[[nodiscard]] std::expected<NewFile, NewFileError> open_for_writing(const std::string& path, Existing existing,
                                                                    mode_t mode = 0600);

// Whether writing to both would go to one place, by whatever names, also where there is nothing yet. "": standard
// output. What takes anything and keeps nothing (/dev/null) is no such place.
[[nodiscard]] bool same_place(const std::string& left, const std::string& right);

// Removes the regular file that `fd` is, if `path` still leads to it.
void remove_if_same(int fd, const std::string& path);

}  // namespace inflight
