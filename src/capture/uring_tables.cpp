// SPDX-License-Identifier: Apache-2.0
#include "capture/uring_tables.hpp"

#include "capture/map_entries.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace inflight::capture {

namespace {

// Entries of the hash map: above that number those go that nobody used lately.
constexpr std::size_t spilled_kept = 1U << 16U;

template <typename Entry>
Result<std::span<Entry>> map_array(int fd) {
    bpf_map_info info{};
    __u32 info_bytes = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) != 0) {
        return failure("look at the tables of the kernel side", describe_errno(errno));
    }
    const std::size_t bytes = std::size_t{info.max_entries} * sizeof(Entry);
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        return failure("map the tables of the kernel side", describe_errno(errno));
    }
    return std::span(static_cast<Entry*>(at), info.max_entries);
}

template <typename Entry>
void unmap(std::span<Entry>& entries) {
    if (!entries.empty()) {
        ::munmap(entries.data(), entries.size_bytes());
        entries = {};
    }
}

std::uint32_t open_of(const ifl_uring_entry& entry) {
    return __atomic_load_n(&entry.open, __ATOMIC_ACQUIRE);
}

// False: the kernel side was faster.
bool free_slot(ifl_uring_entry& entry, std::uint32_t open, std::uint32_t generation) {
    static_assert(offsetof(ifl_uring_entry, generation) == offsetof(ifl_uring_entry, open) + 4 &&
                      offsetof(ifl_uring_entry, open) % 8 == 0,
                  "changed as one word");
    constexpr unsigned generation_shift = 32;
    const auto high = static_cast<std::uint64_t>(generation) << generation_shift;
    std::uint64_t expected = high | open;
    return __atomic_compare_exchange_n(reinterpret_cast<std::uint64_t*>(&entry.open), &expected, high | IFL_UENTRY_FREE,
                                       false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

}  // namespace

UringTables::~UringTables() {
    unmap(slots_);
    unmap(rings_);
}

Result<void> UringTables::map(const Maps& maps) {
    auto slots = map_array<ifl_uring_entry>(maps.slots);
    if (!slots) {
        return std::unexpected(slots.error());
    }
    slots_ = *slots;
    auto rings = map_array<ifl_ring_entry>(maps.rings);
    if (!rings) {
        return std::unexpected(rings.error());
    }
    rings_ = *rings;
    spilled_ = maps.spilled;
    return {};
}

void UringTables::for_each_open(const std::function<void(const ifl_uring_request&)>& visit) const {
    for (const ifl_uring_entry& slot : slots_) {
        if (open_of(slot) != IFL_UENTRY_OPEN) {
            continue;
        }
        const ifl_uring_request copy = slot.request;
        if (open_of(slot) == IFL_UENTRY_OPEN && slot.request.request_id == copy.request_id) {
            visit(copy);
        }
    }
    for_each_entry<std::uint64_t, ifl_uring_entry>(spilled_, [&](std::uint64_t, const ifl_uring_entry& entry) {
        if (entry.open == IFL_UENTRY_OPEN) {
            visit(entry.request);
        }
    });
}

void UringTables::for_each_ring(const std::function<void(const ifl_ring&)>& visit) const {
    for (const ifl_ring_entry& entry : rings_) {
        if (entry.ring.ring != 0 && entry.wanted != 0 && entry.closed == 0) {
            const ifl_ring copy = entry.ring;
            visit(copy);
        }
    }
}

void UringTables::bury(const std::unordered_set<std::uint64_t>& gone, std::uint64_t idle_before_ns,
                       const std::function<void(const ifl_uring_request&)>& visit) {
    for (ifl_uring_entry& slot : slots_) {
        const std::uint32_t open = open_of(slot);
        if ((open != IFL_UENTRY_OPEN && open != IFL_UENTRY_IGNORED) || !gone.contains(slot.request.context_id)) {
            continue;
        }
        const std::uint32_t generation = slot.generation;
        const ifl_uring_request copy = slot.request;
        if (gone.contains(copy.context_id) && free_slot(slot, open, generation) && open == IFL_UENTRY_OPEN) {
            visit(copy);
        }
    }
    bury_spilled(gone, idle_before_ns, visit);
}

void UringTables::bury_spilled(const std::unordered_set<std::uint64_t>& gone, std::uint64_t idle_before_ns,
                               const std::function<void(const ifl_uring_request&)>& visit) {
    struct Left {
        std::uint64_t req = 0;
        std::uint64_t request_id = 0;
        std::uint32_t open = 0;
    };
    std::vector<Left> open;
    std::vector<Left> idle;
    std::size_t entries = 0;
    for_each_entry<std::uint64_t, ifl_uring_entry>(spilled_, [&](std::uint64_t req, const ifl_uring_entry& entry) {
        entries++;
        const Left left{.req = req, .request_id = entry.request.request_id, .open = entry.open};
        if (entry.open == IFL_UENTRY_FREE) {
            if (entry.request.complete_ns < idle_before_ns) {
                idle.push_back(left);
            }
        } else if (gone.contains(entry.request.context_id)) {
            open.push_back(left);
            if (entry.open == IFL_UENTRY_OPEN) {
                visit(entry.request);
            }
        }
    });
    // Its memory may be a request of another ring by now: that one's entry must stay. What is free can stay anyway, for
    // the next request there, as long as there is room.
    const auto remove = [this](const Left& left) {
        ifl_uring_entry entry{};
        if (bpf_map_lookup_elem(spilled_, &left.req, &entry) == 0 && entry.request.request_id == left.request_id &&
            entry.open == left.open) {
            bpf_map_delete_elem(spilled_, &left.req);
        }
    };
    for (const Left& left : open) {
        remove(left);
    }
    if (entries > spilled_kept) {
        for (const Left& left : idle) {
            remove(left);
        }
    }
}

}  // namespace inflight::capture
