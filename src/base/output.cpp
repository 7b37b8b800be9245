// SPDX-License-Identifier: Apache-2.0
#include "base/output.hpp"

#include "base/waiting.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace inflight {

namespace {
constexpr std::size_t buffer_bytes = 256 * 1024;
}

void FdOutput::write(std::string_view bytes) {
    if (error_) {
        unwritten_bytes_ += bytes.size();
        return;
    }
    buffer_ += bytes;
    if (buffer_.size() >= buffer_bytes) {
        flush();
    }
}

void FdOutput::flush() {
    if (buffer_.empty() || error_) {
        buffer_.clear();
        return;
    }
    const std::string_view all = buffer_;
    const WriteEnd end = write_all(fd_, all);
    if (const auto line_end = all.substr(0, end.bytes).rfind('\n'); line_end != std::string_view::npos) {
        whole_lines_bytes_ = written_bytes_ + line_end + 1;
    }
    written_bytes_ += end.bytes;
    if (end.error != 0) {
        pipe_closed_ = end.error == EPIPE;
        error_ = Error{.what = "write to " + name_,
                       .why = describe_errno(end.error),
                       .hint = end.error == ENOSPC ? "free some space, or write elsewhere with --output" : ""};
        drop_partial_line();
    } else if (end.given_up) {
        given_up_ = true;
        error_ = Error{.what = "write to " + name_, .why = {}, .hint = {}};
    }
    unwritten_bytes_ += all.size() - end.bytes;
    buffer_.clear();
}

std::optional<Error> FdOutput::error() const {
    std::optional<Error> error = error_;
    if (given_up_) {
        error->why =
            fmt::format("its reader takes no more, and a signal came: {} bytes were not written", unwritten_bytes_);
    }
    return error;
}

// Only of a file that we have written from its beginning: a line of somebody else's is not ours to cut.
void FdOutput::drop_partial_line() const {
    struct stat info{};
    if (ours_ && ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode)) {
        [[maybe_unused]] const int cut = ::ftruncate(fd_, static_cast<off_t>(whole_lines_bytes_));
    }
}

}  // namespace inflight
