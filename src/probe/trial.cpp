// SPDX-License-Identifier: Apache-2.0
#include "probe/trial.hpp"

#include "base/fd.hpp"
#include "base/result.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

namespace inflight::probe {

namespace {

// r0 = 0; exit
constexpr std::array<bpf_insn, 2> empty_program{
    bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

}  // namespace

std::optional<std::string> fentry_refused(const std::string& function) {
    const int type_id = libbpf_find_vmlinux_btf_id(function.c_str(), BPF_TRACE_FENTRY);
    if (type_id < 0) {
        return "the kernel's BTF has no function " + function;
    }
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = BPF_TRACE_FENTRY;
    options.attach_btf_id = static_cast<__u32>(type_id);
    const UniqueFd program(bpf_prog_load(BPF_PROG_TYPE_TRACING, "inflight_trial", "GPL", empty_program.data(),
                                         empty_program.size(), &options));
    if (!program.valid()) {
        return "load: " + describe_errno(errno);
    }
    const UniqueFd link(bpf_raw_tracepoint_open(nullptr, program.get()));
    if (!link.valid()) {
        return "attach: " + describe_errno(errno);
    }
    return std::nullopt;
}

std::optional<std::string> kprobe_refused(const std::string& function) {
    std::ifstream file("/sys/bus/event_source/devices/kprobe/type");
    std::uint32_t type = 0;
    if (!(file >> type)) {
        return "the kernel has no kprobes (CONFIG_KPROBES)";
    }
    perf_event_attr attributes{};
    attributes.size = sizeof(attributes);
    attributes.type = type;
    attributes.config1 = reinterpret_cast<std::uintptr_t>(function.c_str());  // kprobe_func
    const UniqueFd probe(
        static_cast<int>(::syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
    if (!probe.valid()) {
        return "attach: " + describe_errno(errno);
    }
    return std::nullopt;
}

}  // namespace inflight::probe
