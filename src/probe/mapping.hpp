// SPDX-License-Identifier: Apache-2.0
// A BPF map's values in our memory.
#pragma once

#include "base/result.hpp"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace inflight::probe {

// An array of the kernel side in our memory.
class Mapping {
public:
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (bytes_ != 0) {
            ::munmap(at_, bytes_);
        }
    }
    [[nodiscard]] Result<void> map(const bpf_map* what, int protection) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t wanted = std::size_t{bpf_map__value_size(what)} * bpf_map__max_entries(what);
        const std::size_t bytes = (wanted + page - 1) / page * page;
        void* at = ::mmap(nullptr, bytes, protection, MAP_SHARED, bpf_map__fd(what), 0);
        if (at == MAP_FAILED) {
            return failure(fmt::format("map the table {}", bpf_map__name(what)), describe_errno(errno));
        }
        at_ = at;
        bytes_ = bytes;
        return {};
    }
    [[nodiscard]] void* at() const { return at_; }

private:
    void* at_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace inflight::probe
