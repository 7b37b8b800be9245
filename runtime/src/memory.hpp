// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace inflight::aio {

// Memory of the program that may not be there. The kernel is asked, because a fault in here would be the program's end.
// Each answer holds as long as no thread of the program unmaps the memory.

// Whether all of it can be read. One cheap system call for each page.
[[nodiscard]] bool readable(const void* memory, std::size_t bytes);
// Whether all of it can be written. It keeps what it held. `bytes` is at least 8.
[[nodiscard]] bool writable(void* memory, std::size_t bytes);
// The same for memory that is about to be written: its first bytes may be anything afterwards.
[[nodiscard]] bool writable_for_output(void* memory, std::size_t bytes);
// Whether a program can have memory there at all: the kernel looks at that before the transfer, at what is there in it.
[[nodiscard]] inline bool is_program_memory(std::uint64_t begin, std::uint64_t bytes) {
    constexpr std::uint64_t end = 0x7ffffffff000;
    return begin <= end && bytes <= end - begin;
}
// Copies it, or says false.
[[nodiscard]] bool copy_in(void* to, const void* from, std::size_t bytes);

// For the many small reads of one call: the pages that were asked about last need not be asked about again, nor the one
// of the stack that the call stands on, nor what is there as long as the program runs: its static data, and its heap up
// to where libc says that it ends at present.
class ProgramMemory {
public:
    // `next_page` is the number of one that will perhaps be read too, or 0: two are asked about at the price of one,
    // and one that was guessed wrong costs little.
    ProgramMemory(const void* frame, std::uint64_t next_page);
    // Copies it, or says false. At most a page.
    [[nodiscard]] bool copy(void* to, std::uint64_t from, std::size_t bytes);

private:
    [[nodiscard]] bool knows(std::uint64_t page);
    [[nodiscard]] bool ask(std::uint64_t page);

    static constexpr std::uint64_t no_page = UINT64_MAX;
    std::uint64_t stack_page_;
    std::uint64_t next_page_;
    std::uint64_t known_pages_[2] = {no_page, no_page};
    unsigned oldest_ = 0;
};

constexpr std::uint64_t page_bytes = 4096;

// Pages straight from the kernel, zeroed; nullptr when there are none. A library inside another's program does not
// take part in its heap: it may be called where malloc is being replaced.
[[nodiscard]] void* take_pages(std::size_t bytes);
void give_pages(void* memory, std::size_t bytes);

}  // namespace inflight::aio
