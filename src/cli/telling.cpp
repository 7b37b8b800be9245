// SPDX-License-Identifier: Apache-2.0
// What goes to standard error and to standard output beside a command's report.
#include "base/output.hpp"
#include "base/waiting.hpp"
#include "cli/command.hpp"
#include "view/escape.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace inflight::cli {

namespace {

constexpr std::string_view line_of_advice = "\n  ";

// Advice may have several lines, each indented.
std::string printable_advice(std::string_view advice) {
    std::string text;
    for (;;) {
        const auto end = std::min(advice.find(line_of_advice), advice.size());
        text.append(line_of_advice).append(view::printable(advice.substr(0, end)));
        if (end == advice.size()) {
            return text;
        }
        advice.remove_prefix(end + line_of_advice.size());
    }
}

// Where standard error cannot be written to there is nobody to tell.
void to_stderr(std::string_view text) {
    static_cast<void>(write_all(STDERR_FILENO, text));
}

}  // namespace

void print_error(const Error& error) {
    std::string text = "inflight: " + view::printable(error.what);
    if (!error.why.empty()) {
        text += ": " + view::printable(error.why);
    }
    if (!error.hint.empty()) {
        text += printable_advice(error.hint);
    }
    to_stderr(text + "\n");
}

void print_error(const std::string& message) {
    print_error(Error{.what = message, .why = {}, .hint = {}});
}

void tell(const std::string& line) {
    to_stderr(view::printable(line) + "\n");
}

void tell_of_verifier_logs(const std::vector<std::string>& paths) {
    for (const auto& path : paths) {
        tell("what the kernel says of a program that it refuses is in " + path);
    }
}

void tell_lines(std::string_view lines) {
    to_stderr(lines);
}

void tell_of_nothing_seen(const std::string& processes, std::uint64_t requests) {
    if (requests == 0 && !processes.empty()) {
        tell("inflight: no request was seen of what " + processes + " lets through");
    }
}

void ask(const std::string& question) {
    to_stderr(view::printable(question));
}

int print_text(std::string_view text, int status) {
    FdOutput output(STDOUT_FILENO, "standard output");
    output.write(text);
    output.flush();
    if (const auto error = output.error()) {
        print_error(*error);
        return std::max<int>(status, exit_failed);
    }
    return status;
}

std::unexpected<int> stop(const Error& error, int status) {
    print_error(error);
    return std::unexpected(status);
}

// Reading the first and writing the others fails as with a closed descriptor, and a command that is run finds them
// closed as it would without us.
void fill_standard_descriptors() {
    constexpr std::array modes{O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            [[maybe_unused]] const int filled = ::open("/dev/null", modes.at(static_cast<std::size_t>(fd)) | O_CLOEXEC);
        }
    }
}

}  // namespace inflight::cli
