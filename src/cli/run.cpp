// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"

#include <fmt/format.h>

#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace inflight::cli {

namespace {

constexpr const char* library_name = "libinflight_aio.so.1";

class Run final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    [[nodiscard]] std::string find_library() const;

    bool aio_ = false;
    std::string library_;
    std::string backend_;
    std::string cancel_;
    std::vector<std::string> command_;
};

CLI::App* Run::declare(CLI::App& root) {
    CLI::App* app = root.add_subcommand("run", "Run a command with libaio on io_uring, where io_cancel cancels");
    app->add_flag("--aio", aio_, "Give the command libinflight_aio in place of libaio")->required();
    app->add_option("--backend", backend_, "uring or kernel: what serves the requests (uring where it is allowed)")
        ->check(CLI::IsMember({"uring", "kernel"}).description(""))
        ->type_name("WHAT");
    app->add_option(
           "--cancel", cancel_,
           "described: io_cancel returns the event; kernel: as today's kernel, -EINPROGRESS and a queued event")
        ->check(CLI::IsMember({"described", "kernel"}).description(""))
        ->type_name("HOW");
    app->add_option("--library", library_, "The library to load (the one that came with this program)")
        ->type_name("FILE");
    app->add_option("command", command_, "What to run, with its arguments, after --")->required()->type_name("COMMAND");
    app->footer(
        "The command takes the place of inflight: its exit status is the only one. 126 and 127: it could not be\n"
        "executed, was not found.\n\n" +
        examples_footer(
            {{"inflight run --aio -- fio job.fio", "fio's libaio engine on io_uring"},
             {"inflight run --aio --backend kernel -- ./server", "the same library with kernel AIO behind it"},
             {"inflight trace -- inflight run --aio -- ./server", "and what its requests become"}}));
    return app;
}

// Beside the program (where it is built), or where it is installed.
std::string Run::find_library() const {
    if (!library_.empty()) {
        return library_;
    }
    std::error_code error;
    const auto directory = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    for (const char* place : {".", "../lib", "../" INFLIGHT_LIBDIR}) {
        const auto path = (directory / place / library_name).lexically_normal();
        if (std::filesystem::exists(path, error)) {
            return path;
        }
    }
    return {};
}

int Run::run() {
    const std::string library = find_library();
    std::error_code ignored;
    if (library.empty() || !std::filesystem::exists(library, ignored)) {
        print_error(fmt::format(
            "{} is not there: {}", library_name,
            library.empty() ? "neither beside this program nor in its lib; name it with --library" : library));
        return exit_failed;
    }
    // Spaces and colons separate the names in LD_PRELOAD, and nothing escapes them.
    if (library.find_first_of(" :") != std::string::npos) {
        print_error(fmt::format("{}: a path with a space or a colon cannot be preloaded", library));
        return exit_failed;
    }
    const char* before = std::getenv("LD_PRELOAD");
    const std::string preload = before != nullptr && *before != '\0' ? library + ":" + before : library;
    setenv("LD_PRELOAD", preload.c_str(), 1);
    if (!backend_.empty()) {
        setenv("INFLIGHT_AIO_BACKEND", backend_.c_str(), 1);
    }
    if (!cancel_.empty()) {
        setenv("INFLIGHT_AIO_CANCEL", cancel_.c_str(), 1);
    }
    std::vector<char*> arguments;
    arguments.reserve(command_.size() + 1);
    for (auto& argument : command_) {
        arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    execvp(arguments.front(), arguments.data());
    const int reason = errno;
    print_error(fmt::format("cannot execute {}: {}", command_.front(), std::strerror(reason)));
    return reason == ENOENT ? exit_not_found : exit_not_executable;
}

}  // namespace

std::unique_ptr<Command> make_run() {
    return std::make_unique<Run>();
}

}  // namespace inflight::cli
