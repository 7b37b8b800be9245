// SPDX-License-Identifier: Apache-2.0
#include "cli/filters.hpp"

#include "base/namespaces.hpp"
#include "base/units.hpp"
#include "catalog/events.hpp"
#include "catalog/names.hpp"
#include "catalog/syscalls.hpp"
#include "model/files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

namespace inflight::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::array families{model::Family::aio, model::Family::uring};

std::string operation_list(model::Family family) {
    std::string text;
    for (const auto& opcode : catalog::opcodes(name(family))) {
        text.append(text.empty() ? "" : ", ").append(opcode.name);
    }
    return text;
}

std::optional<model::Family> family_by_name(std::string_view text) {
    const auto* const found = std::ranges::find(families, text, [](model::Family family) { return name(family); });
    return found == families.end() ? std::nullopt : std::optional(*found);
}

struct ProcessLine {
    std::uint32_t pid = 0;
    std::uint32_t parent = 0;
};

// Field of /proc/PID/status, e.g. "Tgid".
std::optional<std::uint32_t> status_number(std::uint32_t pid, std::string_view field) {
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with(field) && line.size() > field.size() && line[field.size()] == ':') {
            std::istringstream rest(line.substr(field.size() + 1));
            std::uint32_t number = 0;
            if (rest >> number) {
                return number;
            }
        }
    }
    return std::nullopt;
}

std::vector<ProcessLine> all_processes() {
    std::vector<ProcessLine> processes;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        std::uint32_t pid = 0;
        const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (bad != std::errc{} || end != name.data() + name.size()) {
            continue;
        }
        if (const auto parent = status_number(pid, "PPid")) {
            processes.push_back({.pid = pid, .parent = *parent});
        }
    }
    return processes;
}

void add_descendants(std::vector<std::uint32_t>& pids) {
    std::set<std::uint32_t> found(pids.begin(), pids.end());
    const auto processes = all_processes();
    for (bool grew = true; grew;) {
        grew = false;
        for (const auto& process : processes) {
            if (found.contains(process.parent) && found.insert(process.pid).second) {
                grew = true;
            }
        }
    }
    pids.assign(found.begin(), found.end());
}

Result<std::uint32_t> uid_from(const std::string& text) {
    std::uint32_t uid = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (bad == std::errc{} && end == text.data() + text.size()) {
        return uid;
    }
    const passwd* user = ::getpwnam(text.c_str());
    if (user == nullptr) {
        return failure("--uid " + text, "there is no such user", "give a number or a user's name");
    }
    return user->pw_uid;
}

// Where the unified hierarchy (cgroup2) is mounted.
Result<fs::path> cgroup_root() {
    std::ifstream file("/proc/self/mounts");
    std::string device;
    std::string where;
    std::string type;
    std::string rest;
    while (file >> device >> where >> type && std::getline(file, rest)) {
        if (type == "cgroup2") {
            return fs::path(where);
        }
    }
    return failure("find the cgroup hierarchy", "no cgroup2 is mounted",
                   "mount it: mount -t cgroup2 none /sys/fs/cgroup; the old hierarchies (v1) cannot be filtered by");
}

Result<void> filter_by_cgroup(const fs::path& given, ifl_config& config) {
    const auto root = cgroup_root();
    if (!root) {
        return std::unexpected(root.error());
    }
    const auto [end, unused] = std::mismatch(root->begin(), root->end(), given.begin(), given.end());
    const fs::path path = (end == root->end() ? given : *root / given.relative_path()).lexically_normal();
    struct stat info{};
    struct statfs system{};
    const bool there = ::stat(path.c_str(), &info) == 0 && ::statfs(path.c_str(), &system) == 0;
    if (!there || !S_ISDIR(info.st_mode) || system.f_type != CGROUP2_SUPER_MAGIC) {
        return failure("--cgroup " + given.string(), there ? "this is no cgroup" : describe_errno(errno),
                       "give a path below " + root->string() + ", or as /proc/PID/cgroup shows it behind 0::");
    }
    const auto relative = path.lexically_relative(*root);
    std::uint32_t level = 0;
    for (const auto& part : relative) {
        level += part != "." && !part.empty() ? 1U : 0U;
    }
    // What is mounted may begin anywhere in the hierarchy.
    if (in_cgroup_namespace()) {
        level = IFL_LEVEL_UNKNOWN;
    }
    config.by_cgroup = 1;
    config.cgroup_id = info.st_ino;  // kernfs: the inode number of the directory is the cgroup's id
    config.cgroup_level = level;
    return {};
}

Result<fs::path> container_cgroup(const std::string& id) {
    const auto root = cgroup_root();
    if (!root) {
        return std::unexpected(root.error());
    }
    std::map<std::string, fs::path> found;
    // Folders come and go meanwhile; one that is gone must not end the search in the others.
    std::vector<fs::path> folders{*root};
    while (!folders.empty()) {
        const fs::path folder = std::move(folders.back());
        folders.pop_back();
        std::error_code gone;
        for (fs::directory_iterator each(folder, gone), last; !gone && each != last; each.increment(gone)) {
            std::error_code unknown;
            if (each->is_symlink(unknown) || !each->is_directory(unknown)) {
                continue;
            }
            const auto container = model::container_id_in("/" + each->path().filename().string());
            if (!container.empty() && container.starts_with(id)) {
                found.emplace(container, each->path());  // it holds all others of its name
            } else {
                folders.push_back(each->path());
            }
        }
    }
    if (found.empty()) {
        return failure("--container " + id, "no cgroup below " + root->string() + " names such a container",
                       "the id is the one that the container runtime prints, or its beginning");
    }
    if (found.size() > 1) {
        return failure("--container " + id, fmt::format("{} containers begin so", found.size()), "give more of the id");
    }
    return found.begin()->second;
}

Result<void> filter_by_pids(const FilterOptions& options, probe::Options& probes) {
    if (!options.pids.empty() && !proc_is_own()) {
        return failure("--pid", "/proc shows the processes of another pid namespace",
                       "mount the one of this namespace: mount -t proc proc /proc");
    }
    for (const auto pid : options.pids) {
        const auto group = status_number(pid, "Tgid");
        if (!group) {
            return failure(fmt::format("--pid {}", pid), "there is no such process");
        }
        if (*group != pid) {
            return failure(fmt::format("--pid {}", pid), fmt::format("this is a thread of process {}", *group),
                           fmt::format("trace the process: --pid {}", *group));
        }
    }
    if (options.pids.empty()) {
        return {};
    }
    probes.config.by_pid = 1;
    probes.pids = options.pids;
    if (options.follow) {
        probes.config.follow_children = 1;
        add_descendants(probes.pids);
    }
    return {};
}

// A name that both families have, as fsync, means both.
Result<void> add_operations(const std::string& operation, model::SelectionOptions& selection) {
    bool found = false;
    for (const auto family : families) {
        if (const auto opcode = catalog::opcode_by_name(name(family), operation)) {
            selection.operations.push_back({.family = family, .opcode = static_cast<std::uint16_t>(*opcode)});
            found = true;
        }
    }
    if (!found) {
        return failure("--op " + operation, "there is no such operation",
                       "kernel AIO has " + operation_list(model::Family::aio) +
                           "; io_uring's are named as its opcodes: read, writev, poll_add, async_cancel, ...");
    }
    return {};
}

}  // namespace

CLI::Validator as_duration_ns() {
    const auto convert = [](std::string& text) -> std::string {
        const auto duration_ns = parse_duration_ns(text);
        if (!duration_ns) {
            return duration_ns.error() == NumberFault::too_large
                       ? fmt::format("'{}' is too long: give a time of at most 100 years (876000h)", text)
                       : fmt::format("'{}' is not a time: give a positive number and ns, us, ms, s, m or h, as 250ms",
                                     text);
        }
        text = fmt::to_string(*duration_ns);
        return {};
    };
    return CLI::Validator(convert, "", "duration");
}

CLI::Validator as_size_bytes() {
    const auto convert = [](std::string& text) -> std::string {
        const auto bytes = parse_size_bytes(text);
        if (!bytes) {
            return bytes.error() == NumberFault::too_large
                       ? fmt::format("'{}' is too large: give at most 1024 tb", text)
                       : fmt::format(
                             "'{}' is not a size: give a positive number and kb, mb, gb or tb (of 1024 each), as 64mb",
                             text);
        }
        text = fmt::to_string(*bytes);
        return {};
    };
    return CLI::Validator(convert, "", "size");
}

CLI::Validator positive() {
    const auto check = [](std::string& text) {
        std::uint64_t number = 0;
        const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool whole = bad == std::errc{} && end == text.data() + text.size();
        return whole && number != 0 ? std::string() : fmt::format("'{}' is not a positive number", text);
    };
    return CLI::Validator(check, "", "positive");
}

void declare_filters(CLI::App& app, FilterOptions& options) {
    const auto* const group = "Filters";
    // An empty value is a script's unset variable, not a wish to trace everything.
    const CLI::Validator not_empty(
        [](std::string& text) { return text.empty() ? std::string("the value is empty") : std::string(); }, "",
        "not empty");
    auto* const pid = app.add_option("-p,--pid", options.pids,
                                     "Include only this process and the rings that it made; may be repeated")
                          ->group(group)
                          ->type_name("PID")
                          ->check(positive())
                          ->allow_extra_args(false);
    app.add_flag("--follow", options.follow, "With --pid: include the children of the process")
        ->group(group)
        ->needs(pid);
    app.add_option("--comm", options.comm, "Include only tasks with this name (the kernel keeps 15 bytes of it)")
        ->group(group)
        ->type_name("NAME")
        ->check(not_empty);
    app.add_option("--uid", options.uid, "Include only tasks of this user")
        ->group(group)
        ->type_name("USER")
        ->check(not_empty);
    app.add_option("--cgroup", options.cgroup, "Include only tasks in this cgroup and in the cgroups below it")
        ->group(group)
        ->type_name("PATH")
        ->check(not_empty);
    app.add_option("--container", options.container, "Include only tasks of this container")
        ->group(group)
        ->type_name("ID")
        ->check(not_empty);
    app.add_option("--event", options.events, "Show this system call (see `inflight events`); may be repeated")
        ->group(group)
        ->type_name("NAME")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--family", options.families, "Include only this family: aio (kernel AIO) or uring (io_uring)")
        ->group(group)
        ->type_name("FAMILY")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--op", options.operations,
                   "Include only this operation: pread, poll, ... (kernel AIO); read, poll_add, ... (io_uring)")
        ->group(group)
        ->type_name("OP")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--outcome", options.outcomes,
                   "Include only requests with this outcome: completed, failed, cancelled, abandoned, in-flight")
        ->group(group)
        ->type_name("OUTCOME")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--min-latency", options.min_latency_ns, "Include only requests that took at least this long")
        ->group(group)
        ->transform(as_duration_ns())
        ->type_name("TIME");
}

void declare_hooks(CLI::App& app, HookOptions& options) {
    const auto* const group = "Hooks";
    app.add_option("--hooks", options.hooks,
                   "Use only this tier: fentry, kprobe or tracepoint (default: the best that the kernel allows)")
        ->group(group)
        ->type_name("TIER");
    app.add_option("--without-hook", options.without,
                   "Do not use this hook, as if the kernel refused it (NAME or NAME:TIER)")
        ->group(group)
        ->type_name("NAME")
        ->allow_extra_args(false);
    app.add_flag("--verbose", options.verbose,
                 "Write the kernel's reason for refusing a BPF program to a file, and print the file's name")
        ->group(group);
    // For tests: a BTF file that lacks something is taken for this kernel's.
    app.add_option("--btf", options.types_path, "")->group("")->type_name("FILE");
    app.add_option("--buffer", options.buffer_bytes,
                   "Set the size of each CPU's record buffer (default: depends on the number of CPUs)")
        ->group(group)
        ->transform(as_size_bytes())
        ->type_name("SIZE");
}

void declare_max_memory(CLI::App& app, std::uint64_t& bytes) {
    app.add_option("--max-memory", bytes,
                   "Leave out records beyond this memory (default: 128 MiB plus 1 KiB per byte of the files)")
        ->transform(as_size_bytes())
        ->check(positive())
        ->type_name("SIZE");
}

Result<void> apply_hooks(const HookOptions& options, probe::Options& probes) {
    if (!options.hooks.empty()) {
        probes.forced = probe::tier_by_name(options.hooks);
        if (!probes.forced) {
            return failure("--hooks " + options.hooks, "there is no such tier", "choose fentry, kprobe or tracepoint");
        }
    }
    if (options.buffer_bytes > (1U << 29U)) {
        return failure("--buffer", "more than 512 MiB per CPU", "choose less");
    }
    probes.without = options.without;
    probes.buffer_bytes_per_cpu = options.buffer_bytes;
    probes.verbose = options.verbose;
    probes.types_path = options.types_path;
    return {};
}

std::string processes_text(const FilterOptions& options) {
    std::vector<std::string> words;
    for (const auto& [name, value] :
         {std::pair{"--comm", &options.comm}, std::pair{"--uid", &options.uid}, std::pair{"--cgroup", &options.cgroup},
          std::pair{"--container", &options.container}}) {
        if (!value->empty()) {
            words.push_back(fmt::format("{} {}", name, *value));
        }
    }
    return fmt::format("{}", fmt::join(words, " "));
}

Result<void> apply_filters(const FilterOptions& options, probe::Options& probes) {
    ifl_config& config = probes.config;
    if (auto filtered = filter_by_pids(options, probes); !filtered) {
        return filtered;
    }
    if (!options.comm.empty()) {
        config.by_comm = 1;
        options.comm.copy(&config.comm[0], IFL_COMM_BYTES - 1);
    }
    if (!options.uid.empty()) {
        const auto uid = uid_from(options.uid);
        if (!uid) {
            return std::unexpected(uid.error());
        }
        config.by_uid = 1;
        config.uid = *uid;
    }
    if (!options.cgroup.empty() && !options.container.empty()) {
        return failure("--cgroup and --container", "both choose a cgroup", "give one of them");
    }
    if (!options.container.empty()) {
        const auto path = container_cgroup(options.container);
        return path ? filter_by_cgroup(*path, config) : std::unexpected(path.error());
    }
    return options.cgroup.empty() ? Result<void>{} : filter_by_cgroup(options.cgroup, config);
}

Result<model::SelectionOptions> selection_from(const FilterOptions& options) {
    model::SelectionOptions selection;
    for (const auto& name : options.families) {
        const auto family = family_by_name(name);
        if (!family) {
            return failure("--family " + name, "there is no such family", "choose aio or uring");
        }
        selection.families.push_back(*family);
    }
    for (const auto& name : options.operations) {
        if (auto added = add_operations(name, selection); !added) {
            return std::unexpected(added.error());
        }
    }
    for (const auto& name : options.outcomes) {
        const auto outcome = model::outcome_by_name(name);
        if (!outcome) {
            return failure("--outcome " + name, "there is no such outcome",
                           "choose completed, failed, cancelled, abandoned or in-flight");
        }
        selection.outcomes.push_back(*outcome);
    }
    selection.min_latency_ns = options.min_latency_ns;
    return selection;
}

Result<std::uint32_t> event_mask(const std::vector<std::string>& names) {
    if (names.empty()) {
        return (1U << IFL_SYSCALL_COUNT) - 1;
    }
    std::uint32_t mask = 0;
    for (const auto& name : names) {
        const auto* const found = std::ranges::find(catalog::syscall_names, name);
        if (found == catalog::syscall_names.end()) {
            return failure("--event " + name, "there is no such event", "`inflight events` lists them");
        }
        mask |= 1U << static_cast<unsigned>(found - catalog::syscall_names.begin());
    }
    return mask;
}

}  // namespace inflight::cli
