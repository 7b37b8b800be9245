// SPDX-License-Identifier: Apache-2.0
#include "model/open_files.hpp"

#include <algorithm>
#include <utility>

namespace inflight::model {

OpenFiles::OpenFiles(const std::vector<ifl_held>& held) {
    for (const ifl_held& each : held) {
        if (each.mm != 0) {
            memory_[each.pid] = each.mm;
        }
        if (each.file != 0 && each.kind == IFL_HELD_DESCRIPTOR) {
            files_[each.file][each.pid].push_back(each.fd);
        }
        if (each.kind == IFL_HELD_DESTROYING) {
            closing_.push_back(
                {.pid = each.pid, .tid = each.tid, .ctx_id = each.file, .family = Family::aio, .comm = {}});
        }
        if (each.kind == IFL_HELD_EXITING) {
            closing_.push_back({.pid = each.pid, .tid = each.tid, .ctx_id = {}, .family = {}, .comm = {}});
        }
        if (each.ring == 0) {
            continue;
        }
        RingHolder& holder = rings_[each.ring][each.pid];
        holder.pid = each.pid;
        holder.registered = holder.registered || each.kind == IFL_HELD_REGISTERED;
        holder.mapped = holder.mapped || each.kind == IFL_HELD_MAPPED;
        if (each.kind == IFL_HELD_DESCRIPTOR) {
            holder.fd = std::min(holder.fd.value_or(each.fd), each.fd);
        }
    }
    std::ranges::sort(closing_, {}, [](const Closing& each) { return std::pair(each.pid, each.tid); });
    for (auto& [file, processes] : files_) {
        for (auto& [pid, fds] : processes) {
            // Threads with tables of their own are told one by one.
            std::ranges::sort(fds);
            const auto again = std::ranges::unique(fds);
            fds.erase(again.begin(), again.end());
        }
    }
}

FileNow OpenFiles::of(std::uint32_t pid, std::uint64_t file) const {
    FileNow now;
    if (file == 0) {
        return now;
    }
    now.known = true;
    const auto found = files_.find(file);
    if (found == files_.end()) {
        return now;
    }
    for (const auto& [holder, fds] : found->second) {
        if (holder == pid) {
            now.fds = fds;
        } else {
            now.elsewhere.push_back(holder);
        }
    }
    return now;
}

std::vector<RingHolder> OpenFiles::holders_of(std::uint64_t ring) const {
    std::vector<RingHolder> holders;
    if (const auto found = rings_.find(ring); found != rings_.end()) {
        for (const auto& [pid, holder] : found->second) {
            holders.push_back(holder);
        }
    }
    return holders;
}

std::optional<std::int32_t> OpenFiles::descriptor_of(std::uint64_t ring, std::uint32_t pid) const {
    const auto found = rings_.find(ring);
    if (found == rings_.end()) {
        return std::nullopt;
    }
    const auto holder = found->second.find(pid);
    return holder == found->second.end() ? std::nullopt : holder->second.fd;
}

std::vector<std::uint32_t> OpenFiles::sharing_memory(std::uint32_t pid) const {
    std::vector<std::uint32_t> others;
    const auto own = memory_.find(pid);
    if (own == memory_.end()) {
        return others;
    }
    for (const auto& [other, memory] : memory_) {
        if (other != pid && memory == own->second) {
            others.push_back(other);
        }
    }
    return others;
}

Sharing sharing_of(const ifl_listed& one, const std::vector<ifl_listed>& list,
                   const std::vector<std::uint64_t>& chosen) {
    Sharing sharing;
    for (const ifl_listed& other : list) {
        if (other.req == one.req || other.user_data != one.user_data ||
            std::ranges::find(chosen, other.req) != chosen.end()) {
            continue;
        }
        sharing.others++;
        if (other.pid != one.pid) {
            sharing.other_process = other.pid;
        }
        const bool opcode_differs = other.opcode != one.opcode;
        sharing.opcode_differs = sharing.opcode_differs && opcode_differs;
        sharing.differs = sharing.differs && (opcode_differs || (one.file != 0 && other.file != one.file));
    }
    return sharing;
}

}  // namespace inflight::model
