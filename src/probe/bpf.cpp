// SPDX-License-Identifier: Apache-2.0
#include "probe/bpf.hpp"

#include <bpf/bpf.h>
#include <sys/resource.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace inflight::probe {

namespace {

std::string& kept_messages() {
    thread_local std::string messages;
    return messages;
}

int keep_message(libbpf_print_level level, const char* format, va_list arguments) {
    constexpr std::size_t keep_bytes = 30000;
    if (level == LIBBPF_DEBUG) {
        return 0;
    }
    char* line = nullptr;
    const int length = ::vasprintf(&line, format, arguments);
    if (length < 0) {
        return length;
    }
    auto& kept = kept_messages();
    kept += line;
    std::free(line);
    if (kept.size() > keep_bytes) {
        kept.erase(0, kept.size() - keep_bytes);
    }
    return length;
}

}  // namespace

void keep_libbpf_messages() {
    libbpf_set_print(keep_message);
}

std::string take_libbpf_messages() {
    return std::exchange(kept_messages(), {});
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
