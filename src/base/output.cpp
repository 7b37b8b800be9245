// SPDX-License-Identifier: Apache-2.0
#include "base/output.hpp"

#include <sys/stat.h>
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
            const auto done = left.substr(0, static_cast<std::size_t>(written));
            if (const auto line_end = done.rfind('\n'); line_end != std::string_view::npos) {
                whole_lines_bytes_ = written_bytes_ + line_end + 1;
            }
            written_bytes_ += done.size();
            left.remove_prefix(done.size());
        } else if (errno != EINTR) {
            const int error = errno;
            pipe_closed_ = error == EPIPE;
            error_ = Error{.what = "write to " + name_,
                           .why = describe_errno(error),
                           .hint = error == ENOSPC ? "free some space, or write elsewhere with --output" : ""};
            drop_partial_line();
        }
    }
    buffer_.clear();
}

// Only of a file that we have written from its beginning: a line of somebody else's is not ours to cut.
void FdOutput::drop_partial_line() {
    struct stat info{};
    if (owned_.valid() && ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode)) {
        [[maybe_unused]] const int cut = ::ftruncate(fd_, static_cast<off_t>(whole_lines_bytes_));
    }
}

}  // namespace inflight
