// SPDX-License-Identifier: Apache-2.0
#include "probe/held.hpp"

#include "base/fd.hpp"
#include "probe/bpf.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

namespace inflight::probe {

namespace {

constexpr std::size_t most_sought = 4096;  // entries of `sought_files`

// Runs an iterator over the threads of one process, or (0) of all, and hands out what it writes.
Result<std::vector<ifl_held>> run(const bpf_program* program, pid_t pid, std::string_view what) {
    if (program == nullptr) {
        return failure(std::string(what), "the program for it is not loaded");
    }
    bpf_iter_link_info info{};
    info.task.pid = static_cast<__u32>(pid);
    LIBBPF_OPTS(bpf_iter_attach_opts, options);
    if (pid != 0) {
        options.link_info = &info;
        options.link_info_len = sizeof(info);
    }
    const Link link(bpf_program__attach_iter(program, &options));
    if (!link) {
        return failure(std::string(what), describe_errno(errno), errno == ESRCH ? "the process is gone" : "");
    }
    const UniqueFd reader(bpf_iter_create(bpf_link__fd(link.get())));
    if (!reader.valid()) {
        return failure(std::string(what), describe_errno(errno));
    }
    constexpr std::size_t at_once = 1024;
    std::vector<std::byte> bytes;
    for (;;) {
        const std::size_t had = bytes.size();
        bytes.resize(had + at_once * sizeof(ifl_held));
        const ssize_t got = ::read(reader.get(), &bytes[had], bytes.size() - had);
        bytes.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return failure(std::string(what), describe_errno(errno));
        }
        if (got == 0) {
            break;
        }
    }
    std::vector<ifl_held> found(bytes.size() / sizeof(ifl_held));
    if (!found.empty()) {
        std::memcpy(found.data(), bytes.data(), found.size() * sizeof(ifl_held));
    }
    return found;
}

// Tells the programs which files are looked for, as long as it is there.
class Sought {
public:
    Sought(const HeldPrograms::Maps& maps, std::span<const std::uint64_t> files) : maps_(maps) {
        const std::uint8_t one = 1;
        bool all = files.size() > most_sought;
        for (std::size_t i = 0; i < files.size() && !all; i++) {
            all = bpf_map_update_elem(maps.sought_files, &files[i], &one, BPF_ANY) != 0;
            if (!all) {
                told_.push_back(files[i]);
            }
        }
        *maps_.sought_all = all ? 1 : 0;
    }
    ~Sought() {
        for (const std::uint64_t file : told_) {
            bpf_map_delete_elem(maps_.sought_files, &file);
        }
        *maps_.sought_all = 0;
    }
    Sought(const Sought&) = delete;
    Sought& operator=(const Sought&) = delete;

private:
    HeldPrograms::Maps maps_;
    std::vector<std::uint64_t> told_;
};

}  // namespace

bpf_program** HeldPrograms::named(std::string_view name) {
    return name == "held_files"      ? &files
           : name == "held_tasks"    ? &tasks
           : name == "held_mappings" ? &mappings
           : name == "uring_list"    ? &lister
                                     : nullptr;
}

Result<std::vector<ifl_held>> Held::files(std::span<const std::uint64_t> sought) const {
    const Sought told(programs_.maps, sought);
    auto found = run(programs_.files, 0, "look up who has the files of requests open");
    if (found && *programs_.maps.sought_all != 0) {
        std::vector<std::uint64_t> sorted(sought.begin(), sought.end());
        std::ranges::sort(sorted);
        std::erase_if(*found, [&sorted](const ifl_held& each) {
            return each.ring == 0 && !std::ranges::binary_search(sorted, each.file);
        });
    }
    return found;
}

Result<std::vector<ifl_held>> Held::tasks() const {
    return run(programs_.tasks, 0, "look up the rings that threads have registered");
}

Result<std::vector<ifl_held>> Held::mappings(pid_t pid) const {
    return run(programs_.mappings, pid, "look up who has a ring mapped");
}

Result<std::vector<ifl_held>> Held::rings_of(pid_t pid) const {
    return run(programs_.files, pid, fmt::format("look up the rings of process {}", pid));
}

bool Held::is_file(pid_t pid, int fd, std::uint64_t file) const {
    const Sought told(programs_.maps, std::span(&file, 1));
    const auto found = run(programs_.files, pid, "look up a descriptor");
    return found &&
           std::ranges::any_of(*found, [&](const ifl_held& each) { return each.fd == fd && each.file == file; });
}

Result<std::uint64_t> Held::ring_of_descriptor(pid_t pid, int fd) const {
    const auto found = rings_of(pid);
    if (!found) {
        return std::unexpected(found.error());
    }
    const auto ring = std::ranges::find(*found, fd, &ifl_held::fd);
    return ring == found->end() ? 0 : ring->ring;
}

Result<RingList> Held::list(std::uint64_t ring) const {
    const std::string what = "look at the lists of a ring";
    if (programs_.lister == nullptr) {
        return failure(what, "the program for it is not loaded");
    }
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.ctx_in = &ring;
    options.ctx_size_in = sizeof(ring);
    constexpr int most_runs = 5;
    for (int runs = 0; runs < most_runs && (runs == 0 || *programs_.maps.walk_lost != 0); runs++) {
        *programs_.maps.walk_lost = 0;
        if (const int error = bpf_prog_test_run_opts(bpf_program__fd(programs_.lister), &options); error != 0) {
            return failure(what, describe_errno(-error));
        }
        if (options.retval != 0) {
            return failure(what, "the ring is gone");
        }
    }
    const std::size_t count = std::min<std::size_t>(*programs_.maps.listed_count, IFL_LISTED_MAX);
    RingList list{.requests = {},
                  .whole = *programs_.maps.listed_count <= IFL_LISTED_MAX && *programs_.maps.walk_lost == 0};
    if (count == 0) {
        return list;
    }
    const std::size_t bytes = count * sizeof(ifl_listed);
    void* const at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, programs_.maps.listed, 0);
    if (at == MAP_FAILED) {
        return failure(what, describe_errno(errno));
    }
    const std::span<const ifl_listed> listed(static_cast<const ifl_listed*>(at), count);
    list.requests.assign(listed.begin(), listed.end());
    ::munmap(at, bytes);
    // One may be met on several lists; the first says where it is.
    std::ranges::stable_sort(list.requests, {}, &ifl_listed::req);
    const auto again = std::ranges::unique(list.requests, {}, &ifl_listed::req);
    list.requests.erase(again.begin(), again.end());
    return list;
}

}  // namespace inflight::probe
