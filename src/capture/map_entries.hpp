// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <vector>

namespace inflight::capture {

// All entries of a hash map. An entry that goes while we look may be missed, one that comes may be seen.
template <typename Key, typename Value, typename Visit>
void for_each_entry(int map, Visit visit) {
    constexpr __u32 batch = 256;
    std::vector<Key> keys(batch);
    std::vector<Value> values(batch);
    Key position{};
    bool first = true;
    for (;;) {
        __u32 count = batch;
        LIBBPF_OPTS(bpf_map_batch_opts, options);
        const int error = bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), values.data(),
                                               &count, &options);
        const bool last = error != 0 && errno == ENOENT;
        if (error != 0 && errno == ENOSPC && count == 0) {
            // One bucket holds more than fits: take more at once.
            keys.resize(keys.size() * 2);
            values.resize(values.size() * 2);
            continue;
        }
        if (error != 0 && !last) {
            return;
        }
        for (__u32 i = 0; i < count; i++) {
            visit(keys[i], values[i]);
        }
        if (last) {
            return;
        }
        first = false;
    }
}

}  // namespace inflight::capture
