// SPDX-License-Identifier: Apache-2.0
#include "base/output.hpp"

#include <unistd.h>

#include <cerrno>

namespace inflight {

namespace {
constexpr std::size_t buffer_bytes = 256 * 1024;
}

void FdOutput::write(std::string_view bytes) {
    if (error_) {
        return;
    }
    buffer_ += bytes;
    if (buffer_.size() >= buffer_bytes) {
        flush();
    }
}

void FdOutput::flush() {
    std::string_view left = buffer_;
    while (!left.empty() && !error_) {
        const ssize_t written = ::write(fd_, left.data(), left.size());
        if (written >= 0) {
            left.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            const int error = errno;
            pipe_closed_ = error == EPIPE;
            error_ = Error{.what = "write to " + name_,
                           .why = describe_errno(error),
                           .hint = error == ENOSPC ? "free some space, or write elsewhere with --output" : ""};
        }
    }
    buffer_.clear();
}

}  // namespace inflight
