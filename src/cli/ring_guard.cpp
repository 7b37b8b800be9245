// SPDX-License-Identifier: Apache-2.0
#include "cli/ring_guard.hpp"

#include "capture/live_source.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace inflight::cli {

namespace {

constexpr std::uint32_t setup_sq_thread = 1U << 1U;
constexpr std::uint64_t list_serves_ns = 20'000'000;

std::uint64_t ring_address_of(const model::InFlight& each) {
    return each.ring_address;
}

// As it stands on the list of its ring, or as it would.
ifl_listed as_listed(const model::InFlight& each, const std::vector<ifl_listed>& list) {
    if (const auto found = std::ranges::find(list, each.request.kernel_address, &ifl_listed::req);
        found != list.end()) {
        return *found;
    }
    ifl_listed one{};
    one.req = each.request.kernel_address;
    one.user_data = each.request.user_data;
    one.pid = each.request.pid;
    one.opcode = static_cast<ifl_u8>(each.request.opcode.value_or(0));
    return one;
}

}  // namespace

RingGuard::RingGuard(const Looking& looking, probe::Held held, const std::vector<model::InFlight>& chosen, bool narrows)
    : looking_(looking), held_(held), narrows_(narrows) {
    for (const model::InFlight& each : chosen) {
        chosen_[ring_address_of(each)].push_back(each.request.kernel_address);
    }
}

std::vector<pid_t> RingGuard::holders(const model::InFlight& each) {
    const auto& files = looking_.open_files();
    std::vector<std::uint32_t> pids{each.request.pid};
    if (const std::uint64_t ring = ring_address_of(each); ring != 0) {
        for (const model::RingHolder& holder : files.holders_of(ring)) {
            pids.push_back(holder.pid);
        }
        // A SQ thread takes what anybody writes into the queue.
        const bool sq_thread = each.ring && (each.ring->setup_flags & setup_sq_thread) != 0;
        if (const auto mappings = sq_thread ? held_.mappings(0) : Result<std::vector<ifl_held>>()) {
            for (const ifl_held& mapping : *mappings) {
                if (mapping.ring == ring) {
                    pids.push_back(mapping.pid);
                }
            }
        }
    }
    const std::size_t found = pids.size();
    for (std::size_t i = 0; i < found; i++) {
        const auto more = files.sharing_memory(pids[i]);
        pids.insert(pids.end(), more.begin(), more.end());
    }
    std::ranges::sort(pids);
    const auto again = std::ranges::unique(pids);
    pids.erase(again.begin(), again.end());
    std::vector<pid_t> others;
    for (const std::uint32_t pid : pids) {
        if (pid != each.request.pid && static_cast<pid_t>(pid) != ::getpid()) {
            others.push_back(static_cast<pid_t>(pid));
        }
    }
    return others;
}

int RingGuard::steady_descriptor(const model::InFlight& each) {
    const auto [place, made] = descriptors_.try_emplace({ring_address_of(each), each.request.pid}, -1);
    if (made) {
        place->second = look_for_steady(ring_address_of(each), static_cast<pid_t>(each.request.pid));
    }
    return place->second;
}

int RingGuard::look_for_steady(std::uint64_t ring, pid_t pid) const {
    constexpr int looks = 8;
    std::map<int, int> seen;
    for (int look = 0; look < looks; look++) {
        const auto found = held_.rings_of(pid);
        if (!found) {
            return -1;
        }
        for (const ifl_held& descriptor : *found) {
            seen[descriptor.fd] += descriptor.ring == ring ? 1 : 0;
        }
        // Nearly all have one ring at one number.
        if (look == 0 && found->size() <= 1) {
            break;
        }
    }
    const auto steadiest = std::ranges::max_element(seen, {}, [](const auto& row) { return row.second; });
    return steadiest == seen.end() || steadiest->second == 0 ? -1 : steadiest->first;
}

Result<void> RingGuard::check_ring(const model::InFlight& each, pid_t pid, int fd) const {
    const auto ring = held_.ring_of_descriptor(pid, fd);
    if (!ring) {
        return std::unexpected(ring.error());
    }
    if (*ring == 0 || *ring != ring_address_of(each)) {
        return failure(fmt::format("cancel in process {}", each.request.pid),
                       *ring == 0 ? "the descriptor of its ring is another file by now"
                                  : "the descriptor of its ring is another ring by now",
                       "the program changes its descriptors meanwhile: try again");
    }
    return {};
}

Result<const probe::RingList*> RingGuard::list_of(std::uint64_t ring, Lists& lists, std::uint64_t serves_ns) {
    const std::uint64_t now_ns = capture::monotonic_ns();
    auto walked = lists.find(ring);
    if (walked == lists.end() || now_ns - walked->second.time_ns > serves_ns) {
        auto list = held_.list(ring);
        if (!list) {
            return std::unexpected(list.error());
        }
        walked = lists.insert_or_assign(ring, Walked{.list = std::move(*list), .time_ns = now_ns}).first;
    }
    return &walked->second.list;
}

bool RingGuard::still_alone(const model::InFlight& each, const Narrowing& narrowing) {
    const std::uint64_t ring = ring_address_of(each);
    const auto list = list_of(ring, held_still_, list_serves_ns);
    if (!list || !(*list)->whole) {
        return false;
    }
    const ifl_listed one = as_listed(each, (*list)->requests);
    const auto sharing = model::sharing_of(one, (*list)->requests, chosen_[ring]);
    if (sharing.others == 0) {
        return true;
    }
    if (!narrowing.fd) {
        return narrowing.opcode && sharing.opcode_differs;
    }
    return sharing.differs && held_.is_file(static_cast<pid_t>(each.request.pid), *narrowing.fd, one.file);
}

Result<Narrowing> RingGuard::alone(const model::InFlight& each) {
    const std::uint64_t ring = ring_address_of(each);
    const std::string what = fmt::format("cancel by user_data {:#x}", each.request.user_data);
    const auto list = list_of(ring, before_, ~std::uint64_t{0});
    if (!list) {
        return std::unexpected(list.error());
    }
    if (!(*list)->whole) {
        return failure(what, fmt::format("its ring has more than {} requests that wait", IFL_LISTED_MAX),
                       "others may have the same user_data");
    }
    const auto sharing = model::sharing_of(as_listed(each, (*list)->requests), (*list)->requests, chosen_[ring]);
    Narrowing narrowing;
    if (narrows_) {
        narrowing.opcode = each.request.opcode;
    }
    if (sharing.others == 0) {
        return narrowing;
    }
    const auto& fds = each.file_now.fds;
    if (narrows_ && (sharing.opcode_differs || (sharing.differs && !fds.empty()))) {
        if (!sharing.opcode_differs) {
            narrowing.fd = fds.front();
        }
        return narrowing;
    }
    const std::string why = fmt::format(
        "{} requests in flight on its ring share its user_data {:#x}, and the kernel would take any of them",
        sharing.others + 1, each.request.user_data);
    if (sharing.other_process) {
        return failure(what, why,
                       fmt::format("one of them is of process {}, which uses the ring too", *sharing.other_process));
    }
    return failure(what, why, "choose all of them");
}

}  // namespace inflight::cli
