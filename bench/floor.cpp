// SPDX-License-Identifier: Apache-2.0
// floor uring|uring-clock|aio|aio-fentry [-- COMMAND...]: attaches (nearly) empty programs, runs the command and exits
// with its status; without one it waits for SIGINT or SIGTERM. Exits with 1 when the kernel refuses a hook of the set.
#include <bpf/libbpf.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include "bench/floor.skel.h"

namespace {

struct Program {
    std::string_view name;
    std::string_view set;
    bool optional;  // of two names of a hook, a kernel has one
};

constexpr Program programs[] = {
    {"uring_submit_req", "uring", true},       {"uring_submit_sqe", "uring", true},
    {"uring_complete", "uring", false},        {"clock_submit_req", "uring-clock", true},
    {"clock_submit_sqe", "uring-clock", true}, {"clock_complete", "uring-clock", false},
    {"tracepoint_sys_enter", "aio", false},    {"tracepoint_sys_exit", "aio", false},
    {"tracepoint_alloc", "aio", false},        {"tracepoint_free", "aio", false},
    {"fentry_submit", "aio-fentry", false},    {"fentry_submitted", "aio-fentry", false},
    {"fentry_complete", "aio-fentry", false},
};

const Program* find(std::string_view name) {
    for (const Program& program : programs) {
        if (program.name == name) {
            return &program;
        }
    }
    return nullptr;
}

int quiet(libbpf_print_level, const char*, va_list) {
    return 0;
}

bool attach(bpf_object* object, std::string_view set) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        const Program* known = find(bpf_program__name(program));
        bpf_program__set_autoload(program, known != nullptr && known->set == set);
    }
    if (const int error = bpf_object__load(object); error != 0) {
        std::fprintf(stderr, "floor: load: %s\n", std::strerror(-error));
        return false;
    }
    int attached = 0;
    bpf_object__for_each_program(program, object) {
        if (!bpf_program__autoload(program)) {
            continue;
        }
        if (bpf_program__attach(program) != nullptr) {
            attached++;
        } else if (!find(bpf_program__name(program))->optional) {
            std::fprintf(stderr, "floor: attach %s: %s\n", bpf_program__name(program), std::strerror(errno));
            return false;
        }
    }
    return attached >= 2;
}

int run(char** command) {
    const pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        std::perror(command[0]);
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        std::perror("floor");
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
    const bool with_command = argc > 3 && std::string_view(arguments[2]) == "--";
    if (argc != 2 && !with_command) {
        std::fputs("usage: floor uring|uring-clock|aio|aio-fentry [-- COMMAND...]\n", stderr);
        return 2;
    }
    libbpf_set_print(quiet);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    floor_bpf* skeleton = floor_bpf__open();
    if (skeleton == nullptr) {
        std::perror("floor: open");
        return 1;
    }
    int status = 1;
    if (attach(skeleton->obj, arguments[1])) {
        if (with_command) {
            status = run(&arguments[3]);
        } else {
            int signal = 0;
            sigprocmask(SIG_BLOCK, &ends, nullptr);
            sigwait(&ends, &signal);
            status = 0;
        }
    }
    floor_bpf__destroy(skeleton);
    return status;
}
