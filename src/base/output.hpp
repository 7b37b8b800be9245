// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.hpp"
#include "base/new_file.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace inflight {

// Where bytes go. Keeps the first error and drops what comes after it; the caller looks at error() now and then.
class Output {
public:
    virtual ~Output() = default;
    virtual void write(std::string_view bytes) = 0;
    // Hands everything written so far to the reader: at the end, and when nothing comes for a moment.
    virtual void flush() = 0;
};

// Writes to a descriptor through a buffer. When a regular file takes no more, it is cut after its last whole line. A
// reader that takes nothing any more does not keep it from ending: see write_all(). Not thread-safe.
class FdOutput final : public Output {
public:
    // Does not own `fd`.
    FdOutput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    FdOutput(NewFile file, std::string name)
        : owned_(std::move(file.fd)), fd_(owned_.get()), ours_(file.from_begin), name_(std::move(name)) {}

    void write(std::string_view bytes) override;
    void flush() override;

    // The first error: a closed pipe, a full disk. Empty while all is well.
    [[nodiscard]] std::optional<Error> error() const;
    [[nodiscard]] bool pipe_closed() const { return pipe_closed_; }
    // A signal came and the reader took no more.
    [[nodiscard]] bool given_up() const { return given_up_; }
    // Removes the file, which is of no use as it is, unless it was there before under this name.
    void remove_file() { ours_ ? remove_if_same(fd_, name_) : void(); }

private:
    void drop_partial_line() const;

    UniqueFd owned_;
    int fd_ = -1;
    bool ours_ = false;  // a file that holds nothing but this
    std::string name_;
    std::uint64_t written_bytes_ = 0;
    std::uint64_t whole_lines_bytes_ = 0;  // up to and with the last line end that was written
    std::string buffer_;
    std::optional<Error> error_;
    bool pipe_closed_ = false;
    bool given_up_ = false;
    std::uint64_t unwritten_bytes_ = 0;  // after it was given up
};

}  // namespace inflight
