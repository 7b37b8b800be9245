// SPDX-License-Identifier: Apache-2.0
// Asks the kernel who has a file open, which ring a descriptor is, and what stands on the lists of a ring; whatever
// the filter of the trace.
#pragma once

#include "base/result.hpp"
#include "contract/held.h"

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

struct bpf_program;

namespace inflight::probe {

// The programs and tables that a Held works with; a program that is null was not loaded.
struct HeldPrograms {
    struct Maps {
        int sought_files = -1;
        std::uint32_t* sought_all = nullptr;
        int listed = -1;
        const std::uint32_t* listed_count = nullptr;
        std::uint32_t* walk_lost = nullptr;
    };
    bpf_program* files = nullptr;
    bpf_program* tasks = nullptr;
    bpf_program* mappings = nullptr;
    bpf_program* lister = nullptr;
    Maps maps;

    // Where the program of that name is kept; null: it is none of these.
    [[nodiscard]] bpf_program** named(std::string_view name);
};

// The requests on the lists of one ring.
struct RingList {
    std::vector<ifl_listed> requests;  // each once
    bool whole = true;                 // false: there are more than IFL_LISTED_MAX
};

// Not thread-safe.
class Held {
public:
    // The programs must outlive this object.
    explicit Held(HeldPrograms programs) : programs_(programs) {}

    // Every descriptor, of every process, of these files and of all rings. Takes about a tenth of a microsecond for
    // each open file of the machine.
    [[nodiscard]] Result<std::vector<ifl_held>> files(std::span<const std::uint64_t> sought) const;

    // Rings that threads registered for themselves (IORING_REGISTER_RING_FDS), and the memory of each process. Needs a
    // trace with places, as the next two.
    [[nodiscard]] Result<std::vector<ifl_held>> tasks() const;

    // Mappings of rings by one process, or (0) by all. Takes long where there are many mappings.
    [[nodiscard]] Result<std::vector<ifl_held>> mappings(pid_t pid) const;

    // The ring (its struct io_ring_ctx) that a descriptor of this process is, 0: it is none. Takes some 100
    // microseconds.
    [[nodiscard]] Result<std::uint64_t> ring_of_descriptor(pid_t pid, int fd) const;

    // Whether this descriptor is that file (its struct file) at this moment; false too where that cannot be read.
    [[nodiscard]] bool is_file(pid_t pid, int fd, std::uint64_t file) const;

    // The descriptors of this process that are rings.
    [[nodiscard]] Result<std::vector<ifl_held>> rings_of(pid_t pid) const;

    // What stands on the lists of this ring at this moment, whoever submitted it.
    [[nodiscard]] Result<RingList> list(std::uint64_t ring) const;

private:
    HeldPrograms programs_;
};

}  // namespace inflight::probe
