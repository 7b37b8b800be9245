// SPDX-License-Identifier: Apache-2.0
#include "catalog/events.hpp"
#include "base/output.hpp"
#include "catalog/page.hpp"
#include "cli/command.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

namespace inflight::cli {

namespace {

class Events final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] int write_pages() const;

    std::string name_;
    bool markdown_ = false;
    std::string all_;
};

CLI::App* Events::declare(CLI::App& root) {
    CLI::App* app =
        root.add_subcommand("events", "List the system calls that inflight decodes, or print the page of one");
    app->add_option("name", name_, "Print the page of this event")->type_name("NAME");
    app->add_flag("--markdown", markdown_, "Print the page as Markdown");
    app->add_option("--all", all_, "Write the pages of all events, as Markdown, into this directory")
        ->type_name("DIRECTORY");
    app->footer(examples_footer(
        {{"inflight events", "the list"},
         {"inflight events io_cancel", "the page of io_cancel: arguments, origins, hooks, verdicts"},
         {"inflight events --markdown --all docs/events", "make the pages of the documentation anew"}}));
    return app;
}

int Events::write_pages() const {
    const std::filesystem::path directory(all_);
    const auto write = [&](const std::string& name, const std::string& text) {
        const auto path = directory / name;
        constexpr mode_t everybody_reads = 0644;  // pages of a manual, with nothing of this machine in them
        auto file = open_for_writing(path, Existing::replace, everybody_reads);
        if (!file) {
            print_error(Error{.what = "write " + path.string(),
                              .why = file.error().why,
                              .hint = fmt::format("is {} a directory, with space left?", all_)});
            return false;
        }
        FdOutput output(std::move(*file), path);
        output.write(text);
        output.flush();
        if (const auto error = output.error()) {
            print_error(*error);
        }
        return !output.error();
    };
    for (const auto& event : catalog::events()) {
        if (!write(fmt::format("{}.md", event.name), catalog::event_page_markdown(event))) {
            return exit_failed;
        }
    }
    return write("README.md", catalog::event_index_markdown()) ? exit_ok : exit_failed;
}

int Events::run() {
    if (!all_.empty()) {
        return write_pages();
    }
    if (name_.empty()) {
        return print_text(markdown_ ? catalog::event_index_markdown() : catalog::event_list_text(), exit_ok);
    }
    const auto* event = catalog::find_event(name_);
    if (event == nullptr) {
        print_error(
            Error{.what = "events " + name_, .why = "there is no such event", .hint = "`inflight events` lists them"});
        return exit_usage;
    }
    return print_text(markdown_ ? catalog::event_page_markdown(*event) : catalog::event_page_text(*event), exit_ok);
}

}  // namespace

std::unique_ptr<Command> make_events() {
    return std::make_unique<Events>();
}

}  // namespace inflight::cli
