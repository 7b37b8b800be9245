// SPDX-License-Identifier: Apache-2.0
#include "probe/kernel.hpp"

#include "base/namespaces.hpp"

#include <bpf/btf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <span>
#include <sstream>
#include <utility>

namespace inflight::probe {

namespace {

// "ffffffff8173de40 t io_submit_one"; modules carry "\t[name]" and are skipped, so are data symbols.
struct Line {
    std::uint64_t address = 0;
    std::string_view name;
};

std::optional<Line> parse_line(std::string_view text) {
    Line line;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), line.address, 16);
    const auto used = static_cast<std::size_t>(rest - text.data());
    if (error != std::errc{} || text.size() < used + 4 || text.find('[') != std::string_view::npos) {
        return std::nullopt;
    }
    const char type = text[used + 1];
    if (type != 't' && type != 'T') {
        return std::nullopt;
    }
    line.name = text.substr(used + 3);
    return line;
}

bool has_capability(int capability) {
    __user_cap_header_struct header{};
    header.version = _LINUX_CAPABILITY_VERSION_3;
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) {
        return false;
    }
    const auto index = static_cast<std::size_t>(capability) / 32;
    return (data.at(index).effective >> (static_cast<unsigned>(capability) % 32) & 1U) != 0;
}

// "none [integrity] confidentiality": the word in brackets.
std::string read_lockdown() {
    std::ifstream file("/sys/kernel/security/lockdown");
    std::string text;
    std::getline(file, text);
    const auto open = text.find('[');
    const auto close = text.find(']');
    if (open == std::string::npos || close == std::string::npos) {
        return {};
    }
    return text.substr(open + 1, close - open - 1);
}

}  // namespace

Result<Symbols> Symbols::read(const std::vector<std::string_view>& names, const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return failure("read " + path, describe_errno(errno), "the kernel needs CONFIG_KALLSYMS");
    }
    Symbols symbols;
    std::vector<std::uint64_t> starts;
    std::string text;
    while (std::getline(file, text)) {
        const auto line = parse_line(text);
        if (!line || line->address == 0) {
            continue;
        }
        starts.push_back(line->address);
        if (std::ranges::find(names, line->name) != names.end()) {
            symbols.ranges_.emplace(line->name, AddressRange{.start = line->address, .end = 0});
        }
    }
    if (starts.empty()) {
        return failure(
            "read addresses from " + path, "the kernel shows none to this user",
            in_user_namespace()
                ? "inflight runs in a user namespace of its own, where root has no right over the kernel: run "
                  "it outside, or in a container that has the machine's user namespace"
                : "run as root, or with CAP_SYSLOG; kernel.kptr_restrict must not be 2");
    }
    std::ranges::sort(starts);
    for (auto& [name, range] : symbols.ranges_) {
        const auto next = std::ranges::upper_bound(starts, range.start);
        range.end = next == starts.end() ? range.start : *next;
    }
    return symbols;
}

std::optional<AddressRange> Symbols::range(std::string_view name) const {
    const auto found = ranges_.find(name);
    return found == ranges_.end() ? std::nullopt : std::optional(found->second);
}

KernelTypes::KernelTypes(KernelTypes&& other) noexcept : btf_(std::exchange(other.btf_, nullptr)) {}

KernelTypes& KernelTypes::operator=(KernelTypes&& other) noexcept {
    std::swap(btf_, other.btf_);
    return *this;
}

KernelTypes::~KernelTypes() {
    btf__free(btf_);
}

Result<KernelTypes> KernelTypes::load(const std::string& path) {
    KernelTypes types;
    types.btf_ = path.empty() ? btf__load_vmlinux_btf() : btf__parse(path.c_str(), nullptr);
    if (types.btf_ == nullptr && !path.empty()) {
        return failure("read the types in " + path, describe_errno(errno), "it has to be a BTF file");
    }
    if (types.btf_ == nullptr) {
        // libbpf says ESRCH when it finds no file to read.
        return failure("read the kernel's type information (BTF)",
                       errno == ESRCH || errno == ENOENT ? "this kernel shows none" : describe_errno(errno),
                       "inflight needs /sys/kernel/btf/vmlinux: a kernel built with CONFIG_DEBUG_INFO_BTF");
    }
    return types;
}

namespace {

// The type of a member, 0: there is none. Members without a name are looked through.
__u32 member_type(const btf* types, __u32 id, std::string_view name) {
    const int plain = btf__resolve_type(types, id);
    const btf_type* const type = plain <= 0 ? nullptr : btf__type_by_id(types, static_cast<__u32>(plain));
    if (type == nullptr || !btf_is_composite(type)) {
        return 0;
    }
    for (const auto& member : std::span(btf_members(type), btf_vlen(type))) {
        const std::string_view its_name = btf__name_by_offset(types, member.name_off);
        if (its_name == name) {
            return member.type;
        }
        if (const __u32 inside = its_name.empty() ? member_type(types, member.type, name) : 0; inside != 0) {
            return inside;
        }
    }
    return 0;
}

}  // namespace

bool KernelTypes::has_field(std::string_view path) const {
    const bool pointer = path.ends_with('*');
    path.remove_suffix(pointer ? 1 : 0);
    auto dot = path.find('.');
    const int found =
        btf_ == nullptr ? -1 : btf__find_by_name_kind(btf_, std::string(path.substr(0, dot)).c_str(), BTF_KIND_STRUCT);
    auto id = found <= 0 ? 0 : static_cast<__u32>(found);
    while (id != 0 && dot != std::string_view::npos) {
        path.remove_prefix(dot + 1);
        dot = path.find('.');
        id = member_type(btf_, id, path.substr(0, dot));
    }
    const int plain = id == 0 ? 0 : btf__resolve_type(btf_, id);
    return plain > 0 && (!pointer || btf_is_ptr(btf__type_by_id(btf_, static_cast<__u32>(plain))));
}

bool KernelTypes::has_function(std::string_view name) const {
    return btf_ != nullptr && btf__find_by_name_kind(btf_, std::string(name).c_str(), BTF_KIND_FUNC) > 0;
}

std::optional<std::uint32_t> KernelTypes::constant(std::string_view name) const {
    const __u32 count = btf_ == nullptr ? 0 : btf__type_cnt(btf_);
    for (__u32 id = 1; id < count; id++) {
        const btf_type* type = btf__type_by_id(btf_, id);
        if (!btf_is_enum(type)) {
            continue;
        }
        for (const auto& each : std::span(btf_enum(type), btf_vlen(type))) {
            if (name == btf__name_by_offset(btf_, each.name_off)) {
                return static_cast<std::uint32_t>(each.val);
            }
        }
    }
    return std::nullopt;
}

std::optional<unsigned> KernelTypes::tracepoint_arguments(std::string_view name) const {
    // typedef void (*btf_trace_NAME)(void *, the arguments...), include/trace/bpf_probe.h
    const int id = btf_ == nullptr
                       ? -1
                       : btf__find_by_name_kind(btf_, ("btf_trace_" + std::string(name)).c_str(), BTF_KIND_TYPEDEF);
    if (id <= 0) {
        return std::nullopt;
    }
    const btf_type* pointer = btf__type_by_id(btf_, btf__type_by_id(btf_, static_cast<__u32>(id))->type);
    const btf_type* function = btf__type_by_id(btf_, pointer->type);
    return btf_is_func_proto(function) ? std::optional<unsigned>(btf_vlen(function) - 1U) : std::nullopt;
}

std::uint64_t read_proc_number(const std::string& path) {
    std::ifstream file(path);
    std::uint64_t number = 0;
    file >> number;
    return number;
}

KernelInfo read_kernel_info() {
    KernelInfo info;
    utsname name{};
    if (::uname(&name) == 0) {
        info.release = name.release;
    }
    const bool admin = has_capability(CAP_SYS_ADMIN);
    info.effective_bpf = admin || has_capability(CAP_BPF);
    info.effective_perfmon = admin || has_capability(CAP_PERFMON);
    info.effective_syslog = admin || has_capability(CAP_SYSLOG);
    info.lockdown = read_lockdown();
    info.has_btf = ::access("/sys/kernel/btf/vmlinux", R_OK) == 0;
    info.aio_nr = read_proc_number("/proc/sys/fs/aio-nr");
    info.aio_max_nr = read_proc_number("/proc/sys/fs/aio-max-nr");
    return info;
}

bool preempts_tracepoints() {
    constexpr int first = 7;
    utsname names{};
    int major = 0;
    if (::uname(&names) != 0) {
        return true;
    }
    const std::string_view release(names.release);
    std::from_chars(release.data(), release.data() + release.size(), major);
    return major >= first;
}

}  // namespace inflight::probe
