// SPDX-License-Identifier: Apache-2.0
// What this kernel is and allows, before anything is loaded.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct btf;

namespace inflight::probe {

struct AddressRange {
    std::uint64_t start = 0;
    std::uint64_t end = 0;  // the next function's start
};

// Addresses of kernel functions, from /proc/kallsyms. Without CAP_SYSLOG they all read 0 and nothing is found.
class Symbols {
public:
    // Only the names given, and what is needed to know where they end.
    [[nodiscard]] static Result<Symbols> read(const std::vector<std::string_view>& names,
                                              const std::string& path = "/proc/kallsyms");
    [[nodiscard]] bool contains(std::string_view name) const { return ranges_.contains(name); }
    [[nodiscard]] std::optional<AddressRange> range(std::string_view name) const;

private:
    std::map<std::string, AddressRange, std::less<>> ranges_;
};

// Type information of the running kernel.
class KernelTypes {
public:
    KernelTypes() = default;
    KernelTypes(KernelTypes&& other) noexcept;
    KernelTypes& operator=(KernelTypes&& other) noexcept;
    KernelTypes(const KernelTypes&) = delete;
    KernelTypes& operator=(const KernelTypes&) = delete;
    ~KernelTypes();

    // Of the running kernel, or of a file with such types: a BTF file.
    [[nodiscard]] static Result<KernelTypes> load(const std::string& path = {});
    [[nodiscard]] bool has_function(std::string_view name) const;
    // Of tracepoint `name` the number of arguments, nullopt if the kernel has no such tracepoint.
    [[nodiscard]] std::optional<unsigned> tracepoint_arguments(std::string_view name) const;
    // "io_open.filename": through members without names too. With "*" at its end it has to be a pointer.
    [[nodiscard]] bool has_field(std::string_view path) const;
    // Of a constant of any enumeration; nullopt if there is none of this name.
    [[nodiscard]] std::optional<std::uint32_t> constant(std::string_view name) const;

private:
    btf* btf_ = nullptr;
};

struct KernelInfo {
    std::string release;
    std::string lockdown;  // "none", "integrity", "confidentiality"; empty where the kernel has no lockdown
    bool has_btf = false;
    bool effective_bpf = false;      // CAP_BPF or CAP_SYS_ADMIN
    bool effective_perfmon = false;  // CAP_PERFMON or CAP_SYS_ADMIN
    bool effective_syslog = false;   // CAP_SYSLOG or CAP_SYS_ADMIN: addresses in /proc/kallsyms
    std::uint64_t aio_nr = 0;
    std::uint64_t aio_max_nr = 0;
};

[[nodiscard]] KernelInfo read_kernel_info();

// A number of /proc/sys/fs, 0 when it cannot be read.
[[nodiscard]] std::uint64_t read_proc_number(const std::string& path);

// Whether the kernel preempts programs at tracepoints. It then skips such a program for every other task on that CPU
// until the program goes on. Since Linux 7.0, where include/linux/tracepoint.h no longer disables preemption around
// them.
[[nodiscard]] bool preempts_tracepoints();

}  // namespace inflight::probe
