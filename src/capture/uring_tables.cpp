// SPDX-License-Identifier: Apache-2.0
#include "capture/uring_tables.hpp"

#include "capture/map_entries.hpp"

namespace inflight::capture {

namespace {

// Entries of the hash map: above that number those go that nobody used lately.
constexpr std::size_t spilled_kept = 1U << 16U;

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

Result<void> UringTables::map(const Maps& maps) {
    if (auto mapped = slots_.map(maps.slots); !mapped) {
        return mapped;
    }
    if (auto mapped = rings_.map(maps.rings); !mapped) {
        return mapped;
    }
    spilled_ = maps.spilled;
    return {};
}

void UringTables::for_each_open(std::uint32_t walk, const std::function<void(const ifl_uring_request&)>& visit) const {
    const auto place_of = [walk](const ifl_uring_entry& entry) {
        return walk != 0 && entry.walked == walk ? entry.request.place : ifl_u8{IFL_PLACE_NONE};
    };
    for (const ifl_uring_entry& slot : slots_.entries()) {
        if (open_of(slot) != IFL_UENTRY_OPEN) {
            continue;
        }
        ifl_uring_request copy = slot.request;
        copy.place = place_of(slot);
        if (open_of(slot) == IFL_UENTRY_OPEN && slot.request.request_id == copy.request_id) {
            visit(copy);
        }
    }
    for_each_entry<std::uint64_t, ifl_uring_entry>(spilled_, [&](std::uint64_t, const ifl_uring_entry& entry) {
        if (entry.open == IFL_UENTRY_OPEN) {
            ifl_uring_request copy = entry.request;
            copy.place = place_of(entry);
            visit(copy);
        }
    });
}

bool UringTables::is_open(std::uint64_t req, std::uint64_t submit_ns) const {
    const auto is_it = [&](const ifl_uring_entry& entry) {
        return open_of(entry) == IFL_UENTRY_OPEN && entry.request.req == req && entry.request.submit_ns == submit_ns;
    };
    if (is_it(slots_.place_of(req))) {
        return true;
    }
    ifl_uring_entry spilled{};
    return bpf_map_lookup_elem(spilled_, &req, &spilled) == 0 && is_it(spilled);
}

std::uint64_t UringTables::file_of(std::uint64_t req, std::uint64_t submit_ns) const {
    const auto is_it = [&](const ifl_uring_entry& entry) {
        return open_of(entry) == IFL_UENTRY_OPEN && entry.request.req == req && entry.request.submit_ns == submit_ns;
    };
    if (const ifl_uring_entry& slot = slots_.place_of(req); is_it(slot)) {
        return slot.file;
    }
    ifl_uring_entry spilled{};
    return bpf_map_lookup_elem(spilled_, &req, &spilled) == 0 && is_it(spilled) ? spilled.file : 0;
}

void UringTables::for_each_existing(const std::function<void(const ifl_uring_entry&)>& visit) const {
    const auto existed = [](const ifl_uring_entry& entry) {
        return open_of(entry) == IFL_UENTRY_OPEN && (entry.request.flags & IFL_UREQ_EXISTED) != 0;
    };
    for (const ifl_uring_entry& slot : slots_.entries()) {
        if (existed(slot)) {
            visit(slot);
        }
    }
    for_each_entry<std::uint64_t, ifl_uring_entry>(spilled_, [&](std::uint64_t, const ifl_uring_entry& entry) {
        if (existed(entry)) {
            visit(entry);
        }
    });
}

void UringTables::drop_unconfirmed() {
    constexpr std::uint32_t confirming = 2;
    const auto is_void = [](const ifl_uring_entry& entry) {
        return (entry.request.flags & IFL_UREQ_EXISTED) != 0 && entry.walked < confirming;
    };
    for (ifl_uring_entry& slot : slots_.entries()) {
        const std::uint32_t generation = slot.generation;
        if (open_of(slot) == IFL_UENTRY_OPEN && is_void(slot)) {
            free_slot(slot, IFL_UENTRY_OPEN, generation);
        }
    }
    std::vector<std::uint64_t> keys;
    for_each_entry<std::uint64_t, ifl_uring_entry>(spilled_, [&](std::uint64_t key, const ifl_uring_entry& entry) {
        if (entry.open == IFL_UENTRY_OPEN && is_void(entry)) {
            keys.push_back(key);
        }
    });
    for (const std::uint64_t key : keys) {
        bpf_map_delete_elem(spilled_, &key);
    }
}

void UringTables::for_each_ring(const std::function<void(const ifl_ring&)>& visit) const {
    for (const ifl_ring_entry& entry : rings_.entries()) {
        if (entry.ring.ring != 0 && entry.wanted != 0 && entry.closed == 0) {
            ifl_ring copy = entry.ring;
            ifl_settle_ring(&copy, &entry);
            visit(copy);
        }
    }
}

bool UringTables::awaits_ends(std::uint64_t ring) const {
    const auto places = rings_.entries();
    const ifl_u32 first = ifl_place_of(ring, IFL_RING_PLACES_LOG2);
    for (ifl_u32 i = 0; i < IFL_RING_PROBES; i++) {
        const ifl_ring_entry& entry = places[(first + i) % places.size()];
        if (entry.ring.ring == ring) {
            ifl_ring copy = entry.ring;
            ifl_settle_ring(&copy, &entry);
            return copy.in_flight != 0 && entry.skipping == 0 && entry.unseen_ends == 0;
        }
    }
    return false;
}

void UringTables::bury(const std::unordered_set<std::uint64_t>& gone, std::uint64_t idle_before_ns,
                       const std::function<void(const ifl_uring_request&)>& visit) {
    for (ifl_uring_entry& slot : slots_.entries()) {
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
