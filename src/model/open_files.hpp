// SPDX-License-Identifier: Apache-2.0
// Who has the files of requests, and rings, open: what the kernel's own tables said in one look. No I/O.
#pragma once

#include "contract/held.h"
#include "model/in_flight.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace inflight::model {

// A process that can submit to a ring.
struct RingHolder {
    std::uint32_t pid = 0;
    std::optional<std::int32_t> fd;  // the lowest of its descriptors that are this ring; nothing: it has none
    bool registered = false;         // one of its threads has registered the ring for itself
    bool mapped = false;             // it has the queues in its memory
};

// A thread that waits for requests in flight before it can go on: in io_destroy, or at its end.
struct Closing {
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::optional<std::uint64_t> ctx_id;  // of io_destroy, as its program names it; nothing: the thread is exiting
    std::optional<Family> family;         // nothing: an exiting thread may wait for something else
    std::string comm;                     // empty: not known
};

class OpenFiles {
public:
    OpenFiles() = default;
    explicit OpenFiles(const std::vector<ifl_held>& held);

    // Of a request of process `pid` that works on `file` (its struct file; 0: none).
    [[nodiscard]] FileNow of(std::uint32_t pid, std::uint64_t file) const;

    // By pid. `ring` is a struct io_ring_ctx.
    [[nodiscard]] std::vector<RingHolder> holders_of(std::uint64_t ring) const;
    // The lowest descriptor of this process that is this ring now.
    [[nodiscard]] std::optional<std::int32_t> descriptor_of(std::uint64_t ring, std::uint32_t pid) const;
    // Other processes that use the memory of this one (CLONE_VM), by pid. They share its AIO contexts too.
    [[nodiscard]] std::vector<std::uint32_t> sharing_memory(std::uint32_t pid) const;

    // Sorted by pid and tid. The names are empty, and so are the families of threads that exit: the kernel's table of
    // open files does not tell them.
    [[nodiscard]] const std::vector<Closing>& closing() const { return closing_; }

private:
    std::vector<Closing> closing_;
    std::map<std::uint64_t, std::map<std::uint32_t, std::vector<std::int32_t>>> files_;  // by file and pid
    std::map<std::uint64_t, std::map<std::uint32_t, RingHolder>> rings_;                 // by ring and pid
    std::map<std::uint32_t, std::uint64_t> memory_;                                      // by pid
};

// What stands in the way of cancelling one request by a name (user_data, iocb) that others may have too.
struct Sharing {
    std::size_t others = 0;                      // requests of its ring with the same user_data that are not chosen
    std::optional<std::uint32_t> other_process;  // of one of them, if it is not the chosen one's
    bool opcode_differs = true;                  // ... of each of them from the chosen one's
    bool differs = true;                         // opcode, file or both differ
};
// `list`: all requests on the lists of the ring, on which `one` need not be; `chosen`: kernel addresses.
[[nodiscard]] Sharing sharing_of(const ifl_listed& one, const std::vector<ifl_listed>& list,
                                 const std::vector<std::uint64_t>& chosen);

}  // namespace inflight::model
