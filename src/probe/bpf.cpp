// SPDX-License-Identifier: Apache-2.0
#include "probe/bpf.hpp"

#include "base/fd.hpp"
#include "base/waiting.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace inflight::probe {

namespace {

constexpr std::size_t tail_bytes = 1500;
constexpr std::size_t whole_bytes = std::size_t{64} << 20U;

struct Kept {
    bool whole = false;
    std::string messages;
    RefusedProgram refused;
};

Kept& kept() {
    thread_local Kept kept;
    return kept;
}

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
    const auto at = text.rfind(before);
    if (at == std::string_view::npos) {
        return {};
    }
    text.remove_prefix(at + before.size());
    return text.substr(0, text.find(after));
}

// In one line: what a log of the verifier says of why it has refused the program.
std::string reason_in_log(std::string_view program, std::string_view log) {
    const std::string_view relocation = between(log, "failed to resolve CO-RE relocation", "\n");
    if (!relocation.empty()) {
        return "this kernel has no " + field_in_relocation(between(relocation, "] ", "\n"));
    }
    // Its last words stand before the statistics.
    std::string_view rest = log.substr(0, log.rfind("\nprocessed "));
    rest = rest.substr(rest.rfind('\n') + 1);
    return fmt::format("the kernel's verifier refuses {}: {}", program, rest);
}

// libbpf tells of a program in several messages; the first that says why is the best.
void note_refusal(Kept& kept, std::string_view message) {
    const std::string_view program = between(message.substr(0, message.find('\n')), "prog '", "'");
    if (program.empty()) {
        return;
    }
    if (const auto begin = message.find("-- BEGIN PROG LOAD LOG --\n"); begin != std::string_view::npos) {
        const auto text = message.substr(message.find('\n') + 1);
        kept.refused = {.program = std::string(program),
                        .reason = reason_in_log(program, text.substr(0, text.rfind("-- END PROG LOAD LOG --")))};
        return;
    }
    const std::string_view missing = between(message, "failed to find kernel BTF type ID of '", "'");
    if (!missing.empty()) {
        kept.refused = {.program = std::string(program), .reason = fmt::format("this kernel has no {}", missing)};
    } else if (kept.refused.program != program && message.find("failed") != std::string_view::npos) {
        const std::string_view said = between(message, "': ", "\n");
        kept.refused = {.program = std::string(program), .reason = fmt::format("{}: {}", program, said)};
    }
}

int keep_message(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) {
        return 0;
    }
    char* line = nullptr;
    const int length = ::vasprintf(&line, format, arguments);
    if (length < 0) {
        return length;
    }
    Kept& now = kept();
    note_refusal(now, line);
    now.messages += line;
    std::free(line);
    const std::size_t most = now.whole ? whole_bytes : tail_bytes;
    if (now.messages.size() > most) {
        now.messages.erase(0, now.messages.size() - most);
    }
    return length;
}

}  // namespace

void keep_libbpf_messages(bool whole) {
    kept().whole = whole;
    libbpf_set_print(keep_message);
}

std::string take_libbpf_messages() {
    kept().refused = {};
    return std::exchange(kept().messages, {});
}

std::optional<RefusedProgram> refused_program() {
    return kept().refused.program.empty() ? std::nullopt : std::optional(kept().refused);
}

Result<std::string> write_verifier_log() {
    const char* const folder = std::getenv("TMPDIR");
    std::string path = fmt::format("{}/inflight-verifier.XXXXXX", folder != nullptr && *folder != 0 ? folder : "/tmp");
    const UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
    if (!file.valid()) {
        return failure("write " + path, describe_errno(errno), "name a folder that can be written to with TMPDIR");
    }
    const std::string& text = kept().messages;
    if (write_all(file.get(), text).bytes != text.size()) {
        return failure("write " + path, describe_errno(errno));
    }
    return path;
}

Result<void> prepare_to_load(const KernelInfo& kernel) {
    const rlimit unlimited{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    ::setrlimit(RLIMIT_MEMLOCK, &unlimited);
    if (!kernel.effective_bpf || !kernel.effective_perfmon) {
        return failure("load BPF programs", "this user may not",
                       "run inflight as root, or give it CAP_BPF, CAP_PERFMON and CAP_SYSLOG");
    }
    if (kernel.lockdown == "confidentiality") {
        return failure("read kernel memory from BPF", "the kernel is locked down (confidentiality)",
                       "boot without lockdown=confidentiality; lockdown=integrity is fine");
    }
    return {};
}

std::uint64_t recursion_misses(const bpf_program* program) {
    bpf_prog_info info{};
    __u32 bytes = sizeof(info);
    return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes) == 0 ? info.recursion_misses : 0;
}

}  // namespace inflight::probe
