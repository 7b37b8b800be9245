// SPDX-License-Identifier: Apache-2.0
// The part of LiveSource that is about the files of requests.
#include "capture/live_source.hpp"
#include "capture/map_entries.hpp"
#include "contract/tables.h"

#include <bpf/bpf.h>

namespace inflight::capture {

void LiveSource::find_descriptors() {
    std::vector<FoundDescriptors::Unnumbered> unnumbered;
    uring_.for_each_existing([&](const ifl_uring_entry& entry) {
        const ifl_uring_request& request = entry.request;
        if (request.fd < 0 && entry.file != 0 && (request.flags & IFL_UREQ_FIXED_FILE) == 0) {
            unnumbered.push_back({.address = request.req, .file = entry.file, .pid = request.pid});
        }
    });
    const auto keep = [&](const ifl_request_entry& entry) {
        if (entry.taken == IFL_ENTRY_IN_FLIGHT && (entry.request.flags & IFL_REQ_EXISTED) != 0 && entry.file != 0) {
            unnumbered.push_back({.address = entry.request.kiocb, .file = entry.file, .pid = entry.request.pid});
        }
    };
    for (const ifl_request_entry& slot : request_slots_.entries()) {
        keep(slot);
    }
    for_each_entry<std::uint64_t, ifl_request_entry>(
        probes_.requests_fd(), [&](std::uint64_t, const ifl_request_entry& entry) { keep(entry); });
    found_.look(held(), unnumbered);
}

std::unordered_map<std::uint64_t, std::uint64_t> LiveSource::ring_addresses() const {
    std::unordered_map<std::uint64_t, std::uint64_t> addresses;
    uring_.for_each_ring([&addresses](const ifl_ring& ring) { addresses.emplace(ring.context_id, ring.ring); });
    return addresses;
}

std::uint64_t LiveSource::file_of(const model::Request& request) const {
    const std::uint64_t address = request.kernel_address;
    const std::uint64_t submit_ns = request.submit_ns.value_or(0);
    if (request.family == model::Family::uring) {
        return uring_.file_of(address, submit_ns);
    }
    const auto is_it = [&](const ifl_request_entry& entry) {
        return entry.taken == IFL_ENTRY_IN_FLIGHT && entry.request.kiocb == address &&
               entry.request.submit_ns == submit_ns;
    };
    if (const ifl_request_entry& slot = request_slots_.place_of(address); is_it(slot)) {
        return slot.file;
    }
    ifl_request_entry entry{};
    return bpf_map_lookup_elem(probes_.requests_fd(), &address, &entry) == 0 && is_it(entry) ? entry.file : 0;
}

}  // namespace inflight::capture
