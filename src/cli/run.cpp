// SPDX-License-Identifier: Apache-2.0
#include "base/fd.hpp"
#include "cli/command.hpp"

#include <fmt/format.h>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
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
    app->add_flag("--aio", aio_, "Run the command with libinflight_aio in place of libaio")->required();
    app->add_option("--backend", backend_, "Serve the requests by uring or kernel (default: uring where it is allowed)")
        ->check(CLI::IsMember({"uring", "kernel"}).description(""))
        ->type_name("WHAT");
    app->add_option("--cancel", cancel_,
                    "Choose what io_cancel does: described (it returns the event) or kernel (it queues the event)")
        ->check(CLI::IsMember({"described", "kernel"}).description(""))
        ->type_name("HOW");
    app->add_option("--library", library_, "Load this library (default: the one that came with this program)")
        ->type_name("FILE");
    app->add_option("command", command_, "Run this command with its arguments")->required()->type_name("COMMAND");
    app->footer(
        "The command takes the place of inflight: its exit status is the only one. 126 and 127: it could not be\n"
        "executed, was not found.\n\n" +
        examples_footer(
            {{"inflight run --aio -- fio job.fio", "fio's libaio engine on io_uring"},
             {"inflight run --aio --backend kernel -- ./server", "the same library with kernel AIO behind it"},
             {"inflight trace -- inflight run --aio -- ./server", "and what its requests become"}}));
    return app;
}

// The dynamic linker says that it ignores what it cannot load, and goes on with libaio: so it is looked at before.
Result<void> check_library(const std::string& path) {
    const std::string what = "--library " + path;
    // Spaces and colons separate the names in LD_PRELOAD, a dollar begins a name that is replaced; nothing escapes
    // them.
    if (path.find_first_of(" :$") != std::string::npos) {
        return failure(what, "a path with a space, a colon or a dollar sign cannot be preloaded",
                       "copy it to another place");
    }
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) {
        return failure(what, describe_errno(errno), "give the path of libinflight_aio.so.1");
    }
    struct stat info{};
    ElfW(Ehdr) header{};
    const bool whole = ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
                       ::read(fd.get(), &header, sizeof(header)) == sizeof(header);
    const bool library = whole && std::memcmp(&header.e_ident[0], ELFMAG, SELFMAG) == 0 &&
                         header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_type == ET_DYN &&
                         header.e_machine == EM_X86_64;
    if (!library) {
        return failure(what, "this is no shared library for x86-64", "give the path of libinflight_aio.so.1");
    }
    return {};
}

// Beside the program (where it is built), or where it is installed.
std::string Run::find_library() const {
    std::error_code error;
    if (!library_.empty()) {
        // A name without a slash would be looked for where libraries are, and one that is relative where the command
        // happens to be.
        const auto path = std::filesystem::absolute(library_, error);
        return error ? library_ : path.lexically_normal().string();
    }
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
    if (library.empty()) {
        print_error(failure(fmt::format("find {}", library_name), "it is neither beside this program nor in its lib",
                            "name it with --library")
                        .error());
        return exit_failed;
    }
    if (const auto fit = check_library(library); !fit) {
        print_error(fit.error());
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
    print_error(Error{.what = "cannot execute " + command_.front(), .why = std::strerror(reason), .hint = {}});
    return reason == ENOENT ? exit_not_found : exit_not_executable;
}

}  // namespace

std::unique_ptr<Command> make_run() {
    return std::make_unique<Run>();
}

}  // namespace inflight::cli
