// SPDX-License-Identifier: Apache-2.0
#include "capture/carried.hpp"

#include "contract/uring.h"

#include <cstring>

namespace inflight::capture {

namespace {

template <typename Record>
const Record& as(const ifl_header& record) {
    return reinterpret_cast<const Record&>(record);
}

// Created or found: what a trace that begins later finds.
template <typename Record>
void make_found(std::vector<std::uint64_t>& words, std::uint64_t time_ns) {
    auto& record = *reinterpret_cast<Record*>(words.data());
    record.header.time_ns = time_ns;
    record.state = IFL_CONTEXT_FOUND;
    record.created_ns = 0;
}

}  // namespace

bool Carried::wants(const ifl_header& record) {
    switch (record.kind) {
        case IFL_FILE:
        case IFL_CGROUP:
        case IFL_PROCESS:
        case IFL_CONTEXT:
        case IFL_RING:
        case IFL_PROCESS_EXIT:
            return true;
        case IFL_URING_REQUEST: {
            const auto& request = as<ifl_uring_request>(record);
            if (request.state == IFL_UREQ_ANNOUNCED) {
                announced_.insert(request.request_id);
                return true;
            }
            return request.state == IFL_UREQ_ENDED && !announced_.empty() && announced_.erase(request.request_id) != 0;
        }
        default:
            return false;
    }
}

void Carried::keep(Key key, const ifl_header& record) {
    Words& words = records_[key];
    words.assign((record.size_bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t), 0);
    std::memcpy(words.data(), &record, record.size_bytes);
}

void Carried::forget_contexts_of(std::uint32_t pid) {
    std::erase_if(records_, [pid](const auto& each) {
        return each.first.first == IFL_CONTEXT && reinterpret_cast<const ifl_context*>(each.second.data())->pid == pid;
    });
}

void Carried::note(const ifl_header& record) {
    const auto keep_or_end = [&](Key key, std::uint8_t state) {
        if (state == IFL_CONTEXT_CREATED || state == IFL_CONTEXT_FOUND) {
            keep(key, record);
        } else if (state == IFL_CONTEXT_DESTROYED) {
            records_.erase(key);
        }
    };
    const auto keep_name = [&](Key key) {
        if (!records_.contains(key)) {
            names_.push_back(key);
        }
        keep(key, record);
        if (names_.size() > names_limit) {
            records_.erase(names_.front());
            names_.pop_front();
            names_dropped_++;
        }
    };
    switch (record.kind) {
        case IFL_FILE:
            keep_name({IFL_FILE, as<ifl_file>(record).file_id});
            return;
        case IFL_CGROUP:
            keep_name({IFL_CGROUP, as<ifl_cgroup>(record).cgroup_id});
            return;
        case IFL_PROCESS:
            keep_name({IFL_PROCESS, as<ifl_process>(record).pid});
            return;
        case IFL_CONTEXT:
            keep_or_end({IFL_CONTEXT, as<ifl_context>(record).context_id}, as<ifl_context>(record).state);
            return;
        case IFL_RING:
            keep_or_end({IFL_RING, as<ifl_ring>(record).context_id}, as<ifl_ring>(record).state);
            return;
        case IFL_PROCESS_EXIT:
            forget_contexts_of(as<ifl_process_exit>(record).pid);
            return;
        case IFL_URING_REQUEST: {
            const Key key{IFL_URING_REQUEST, as<ifl_uring_request>(record).request_id};
            if (as<ifl_uring_request>(record).state == IFL_UREQ_ANNOUNCED) {
                keep(key, record);
            } else {
                records_.erase(key);
            }
            return;
        }
        default:
            return;
    }
}

void Carried::for_each(std::uint64_t time_ns, const std::function<void(const ifl_header&)>& visit) const {
    // Names first: contexts and requests refer to them.
    for (const bool names : {true, false}) {
        for (const auto& [key, kept] : records_) {
            if ((key.first == IFL_FILE || key.first == IFL_CGROUP || key.first == IFL_PROCESS) != names) {
                continue;
            }
            Words words = kept;
            if (key.first == IFL_CONTEXT) {
                make_found<ifl_context>(words, time_ns);
            } else if (key.first == IFL_RING) {
                make_found<ifl_ring>(words, time_ns);
            }
            reinterpret_cast<ifl_header*>(words.data())->time_ns = time_ns;
            visit(*reinterpret_cast<const ifl_header*>(words.data()));
        }
    }
}

Result<void> write_carried(BlockFile& file, const Carried& carried, std::uint64_t time_ns) {
    BlockMaker block;
    Result<void> written;
    const auto write = [&] { written = write_block(file, block, format::BlockKind::carried); };
    carried.for_each(time_ns, [&](const ifl_header& record) {
        block.add(record);
        if (block.full() && written) {
            write();
        }
    });
    if (!block.empty() && written) {
        write();
    }
    return written;
}

}  // namespace inflight::capture
