// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/misuse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace inflight::cli {

std::string examples_footer(const std::vector<Example>& examples) {
    std::string text = "Examples:\n";
    for (const auto& example : examples) {
        text += fmt::format("  {}\n      {}\n", example.command, example.explanation);
    }
    return text;
}

std::vector<std::unique_ptr<Command>> make_commands(const CLI::App& root) {
    std::vector<std::unique_ptr<Command>> commands;
    commands.push_back(make_trace());
    commands.push_back(make_check());
    commands.push_back(make_record());
    commands.push_back(make_report());
    commands.push_back(make_stat());
    commands.push_back(make_hist());
    commands.push_back(make_export());
    commands.push_back(make_ls());
    commands.push_back(make_contexts());
    commands.push_back(make_cancel());
    commands.push_back(make_run());
    commands.push_back(make_doctor());
    commands.push_back(make_events());
    commands.push_back(make_completion(root));
    commands.push_back(make_manual(root));
    return commands;
}

}  // namespace inflight::cli

int main(int argc, char** argv) {
    using namespace inflight::cli;
    using inflight::Error;
    fill_standard_descriptors();
    CLI::App root{"Shows every asynchronous I/O request, from its submission to its end, and why it ended so.",
                  "inflight"};
    root.set_version_flag("--version", "inflight " INFLIGHT_VERSION, "Print the version and exit");
    root.require_subcommand(1);
    root.get_formatter()->column_width(34);
    root.footer(examples_footer({
        {"inflight trace -- fio job.fio", "run fio and show its requests"},
        {"inflight doctor", "what this kernel allows"},
        {"inflight COMMAND --help", "the options of a command"},
    }));

    auto commands = make_commands(root);
    std::map<const CLI::App*, Command*> by_app;
    for (const auto& command : commands) {
        CLI::App* app = command->declare(root);
        app->get_formatter()->column_width(34);
        by_app.emplace(app, command.get());
    }
    try {
        root.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // Help and version come this way too.
        if (error.get_exit_code() == 0) {
            std::ostringstream text;
            root.exit(error, text, text);
            return print_text(text.str(), exit_ok);
        }
        const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
        const std::string misuse = describe_misuse(root, words, error);
        print_error(Error{.what = misuse.empty() ? error.what() : misuse,
                          .why = {},
                          .hint = "`inflight --help` and `inflight COMMAND --help` show what there is"});
        return exit_usage;
    }
    try {
        return by_app.at(root.get_subcommands().front())->run();
    } catch (const std::exception& error) {
        print_error(error.what());
        return exit_failed;
    }
}
