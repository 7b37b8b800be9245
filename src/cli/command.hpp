// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "cli/exit_statuses.hpp"

#include <CLI/CLI.hpp>

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::cli {

// One subcommand: declares itself, then runs when it was chosen.
class Command {
public:
    virtual ~Command() = default;
    Command() = default;
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    // Adds the subcommand with its options and examples. Called once.
    virtual CLI::App* declare(CLI::App& root) = 0;
    // Returns the exit status.
    virtual int run() = 0;
};

// The explicit list of them, in the order of the help text.
[[nodiscard]] std::vector<std::unique_ptr<Command>> make_commands(const CLI::App& root);

// Examples that stand at the end of a command's help and in the manual page.
struct Example {
    std::string command;
    std::string explanation;
};
[[nodiscard]] std::string examples_footer(const std::vector<Example>& examples);

std::unique_ptr<Command> make_trace();
std::unique_ptr<Command> make_check();
std::unique_ptr<Command> make_record();
std::unique_ptr<Command> make_report();
std::unique_ptr<Command> make_stat();
std::unique_ptr<Command> make_hist();
std::unique_ptr<Command> make_export();
std::unique_ptr<Command> make_ls();
std::unique_ptr<Command> make_contexts();
std::unique_ptr<Command> make_cancel();
std::unique_ptr<Command> make_run();
std::unique_ptr<Command> make_doctor();
std::unique_ptr<Command> make_events();
std::unique_ptr<Command> make_completion(const CLI::App& root);
std::unique_ptr<Command> make_manual(const CLI::App& root);

// "inflight: WHAT: WHY" on standard error, the advice in a line below. Whatever names are in it, it cannot steer a
// terminal, and no part of it passes for a line of its own. Where standard error is closed, or nobody reads it when a
// signal comes, nothing is said.
void print_error(const Error& error);
void print_error(const std::string& message);
// On standard error: where the log of each program that the kernel refused is.
void tell_of_verifier_logs(const std::vector<std::string>& paths);
// A line of its own there, as it is, but for what could steer a terminal.
void tell(const std::string& line);
// Lines that a view made: nothing in them needs escaping.
void tell_lines(std::string_view lines);
// Says that no request was seen, when `requests` is 0 and `processes` (see processes_text()) is not empty.
void tell_of_nothing_seen(const std::string& processes, std::uint64_t requests);
// As tell(), without a line end.
void ask(const std::string& question);
// On standard output. The status is returned, or that it failed.
[[nodiscard]] int print_text(std::string_view text, int status);
// Gives the three standard descriptors something to be where they are closed, so that no file that is opened later
// becomes one of them.
void fill_standard_descriptors();
// As print_error(), for a caller that then returns this status.
[[nodiscard]] std::unexpected<int> stop(const Error& error, int status);

}  // namespace inflight::cli
