// SPDX-License-Identifier: Apache-2.0
// The manual page and the shell completion, from the same declarations as --help.
#include "catalog/events.hpp"
#include "catalog/names.hpp"
#include "cli/command.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

namespace inflight::cli {

namespace {

std::vector<const CLI::App*> subcommands(const CLI::App& root) {
    const auto apps = root.get_subcommands([](const CLI::App* app) { return !app->get_group().empty(); });
    return {apps.begin(), apps.end()};
}

std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
    const auto options = app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
    return {options.begin(), options.end()};
}

// "-p", "--pid" of an option; nothing of a positional.
std::vector<std::string> flags_of(const CLI::Option& option) {
    std::vector<std::string> flags;
    for (const auto& name : option.get_snames()) {
        flags.push_back("-" + name);
    }
    for (const auto& name : option.get_lnames()) {
        flags.push_back("--" + name);
    }
    return flags;
}

// Escapes what roff would take as its own.
std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string roff_option(const CLI::Option& option) {
    const auto flags = flags_of(option);
    const std::string value = option.get_type_size() != 0 ? option.get_type_name() : "";
    std::string head = flags.empty() ? option.get_name(true) : fmt::format("{}", fmt::join(flags, ", "));
    return fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", roff(head),
                       value.empty() ? "" : fmt::format(" \\fI{}\\fR", roff(value)), roff(option.get_description()));
}

// An "Examples:" footer: lines indented by two are commands, by more are explanations.
std::string roff_footer(const std::string& footer) {
    std::istringstream lines(footer);
    std::string line;
    std::string out;
    while (std::getline(lines, line)) {
        if (line.starts_with("      ")) {
            out += roff(line.substr(6)) + "\n";
        } else if (line.starts_with("  ")) {
            out += fmt::format(".TP\n\\fB{}\\fR\n", roff(line.substr(2)));
        } else if (line == "Examples:") {
            out += ".PP\nExamples:\n";
        } else {
            out += line.empty() ? ".PP\n" : roff(line) + "\n";
        }
    }
    return out;
}

std::string manual_page(const CLI::App& root) {
    std::string page = fmt::format(".TH INFLIGHT 1 \"\" \"inflight {}\" \"User Commands\"\n", INFLIGHT_VERSION);
    page += fmt::format(".SH NAME\ninflight \\- {}\n",
                        roff("shows every asynchronous I/O request, from its submission to its end"));
    page += ".SH SYNOPSIS\n\\fBinflight\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n";
    page += fmt::format(".SH DESCRIPTION\n{}\n", roff(root.get_description()));
    page += ".SH COMMANDS\n";
    for (const auto* app : subcommands(root)) {
        page += fmt::format(".SS inflight {}\n{}\n", roff(app->get_name()), roff(app->get_description()));
        for (const auto* option : visible_options(*app)) {
            page += roff_option(*option);
        }
        page += roff_footer(app->get_footer());
    }
    page += ".SH EXIT STATUS\n";
    for (const auto& each : exit_meanings) {
        page += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(each.status), roff(each.meaning));
    }
    return page;
}

std::string bash_completion(const CLI::App& root) {
    std::string names;
    std::string cases;
    for (const auto* app : subcommands(root)) {
        names += names.empty() ? app->get_name() : " " + app->get_name();
        std::string flags;
        for (const auto* option : visible_options(*app)) {
            flags += fmt::format(" {}", fmt::join(flags_of(*option), " "));
        }
        cases += fmt::format("        {}) words=\"{}\" ;;\n", app->get_name(),
                             flags.substr(std::min<std::size_t>(1, flags.size())));
    }
    std::vector<std::string_view> events;
    std::ranges::transform(catalog::events(), std::back_inserter(events), &catalog::Event::name);
    std::set<std::string_view> operations;
    for (const auto family : {catalog::family_aio, catalog::family_uring}) {
        for (const auto& opcode : catalog::opcodes(family)) {
            operations.insert(opcode.name);
        }
    }
    return fmt::format(R"(# bash completion for inflight; made by `inflight completion bash`
_inflight() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${{COMP_WORDS[i]}} == -- ]]; then
            # what follows is another command's
            COMPREPLY=($(compgen -c -- "$current"))
            return
        fi
    done
    case $previous in
        --hooks) words="fentry kprobe tracepoint" ;;
        -o|--format) words="text json tracee" ;;
        --outcome) words="completed failed cancelled abandoned in-flight" ;;
        --event|events) words="{}" ;;
        --op) words="{}" ;;
        --family) words="aio uring" ;;
        -p|--pid) words=$(cd /proc && echo [0-9]*) ;;
        --uid) COMPREPLY=($(compgen -u -- "$current")); return ;;
        --output|--cgroup|--all) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    if [[ -z $words ]]; then
        case ${{COMP_WORDS[1]}} in
{}        *) words="{} --help --version" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _inflight inflight
)",
                       fmt::join(events, " "), fmt::join(operations, " "), cases, names);
}

// Prints one text made from the declarations of all commands.
class Printer final : public Command {
public:
    Printer(const CLI::App& root, std::string name, std::string description,
            std::function<std::string(const CLI::App&)> make)
        : root_(root), name_(std::move(name)), description_(std::move(description)), make_(std::move(make)) {}

    CLI::App* declare(CLI::App& root) override {
        CLI::App* app = root.add_subcommand(name_, description_);
        if (name_ == "completion") {
            app->add_option("shell", shell_, "bash")
                ->check(CLI::IsMember({"bash"}).description(""))
                ->type_name("SHELL")
                ->required();
            app->footer(
                examples_footer({{"inflight completion bash > /etc/bash_completion.d/inflight", "install it"}}));
        } else {
            app->footer(examples_footer({{"inflight manual | man -l -", "read it"}}));
        }
        return app;
    }

    int run() override { return print_text(make_(root_), exit_ok); }

private:
    const CLI::App& root_;
    std::string name_;
    std::string description_;
    std::string shell_;
    std::function<std::string(const CLI::App&)> make_;
};

}  // namespace

std::unique_ptr<Command> make_completion(const CLI::App& root) {
    return std::make_unique<Printer>(root, "completion", "Print the completion script of a shell", bash_completion);
}

std::unique_ptr<Command> make_manual(const CLI::App& root) {
    return std::make_unique<Printer>(root, "manual", "Print the manual page", manual_page);
}

}  // namespace inflight::cli
