// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include "sys.hpp"

#include <sys/mman.h>

#include <csignal>
#include <cstring>
#include <initializer_list>

namespace inflight::aio {

namespace {

constexpr std::size_t mask_bytes = 8;  // what the kernel reads or writes of a signal mask

// rt_sigprocmask() copies the new mask before it looks at `how`, so a wrong `how` reads and changes nothing. NULL means
// no mask to it; there is never anything in the first page.
bool can_read(std::uint64_t address) {
    constexpr int no_such_way = -1;
    return address >= page_bytes && sys(SYS_rt_sigprocmask, no_such_way, address, nullptr, mask_bytes) != -EFAULT;
}

bool can_overwrite(std::uint64_t address) {
    return address >= page_bytes && sys(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, address, mask_bytes) == 0;
}

bool can_write(std::uint64_t address) {
    auto* memory = pointer_to<unsigned char>(address);
    unsigned char kept[mask_bytes];
    if (!can_read(address)) {
        return false;
    }
    std::memcpy(kept, memory, sizeof kept);
    if (!can_overwrite(address)) {
        return false;
    }
    std::memcpy(memory, kept, sizeof kept);
    return true;
}

template <typename Probe>
bool each_page(std::uint64_t begin, std::size_t bytes, Probe probe) {
    const std::uint64_t last = begin + bytes - mask_bytes;
    if (begin + bytes < begin || !probe(begin)) {
        return false;
    }
    for (std::uint64_t page = (begin | (page_bytes - 1)) + 1; page < begin + bytes; page += page_bytes) {
        if (!probe(page < last ? page : last)) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool readable(const void* memory, std::size_t bytes) {
    const std::uint64_t begin = address_of(memory);
    if (bytes == 0) {
        return true;
    }
    if (begin + bytes < begin) {
        return false;
    }
    for (std::uint64_t page = begin & ~(page_bytes - 1); page < begin + bytes; page += page_bytes) {
        if (!can_read(page < begin ? begin & ~std::uint64_t{7} : page)) {
            return false;
        }
    }
    return true;
}

bool writable(void* memory, std::size_t bytes) {
    return each_page(address_of(memory), bytes, can_write);
}

bool writable_for_output(void* memory, std::size_t bytes) {
    return each_page(address_of(memory), bytes, can_overwrite);
}

bool copy_in(void* to, const void* from, std::size_t bytes) {
    if (!readable(from, bytes)) {
        return false;
    }
    std::memcpy(to, from, bytes);
    return true;
}

ProgramMemory::ProgramMemory(const void* frame) : stack_page_(address_of(frame) / page_bytes) {}

bool ProgramMemory::copy(void* to, std::uint64_t from, std::size_t bytes) {
    const std::uint64_t first = from / page_bytes;
    const std::uint64_t last = (from + bytes - 1) / page_bytes;
    for (const std::uint64_t page : {first, last}) {
        if (page != stack_page_ && page != known_page_) {
            if (!can_read(page == first ? from & ~std::uint64_t{7} : page * page_bytes)) {
                return false;
            }
            known_page_ = page;
        }
    }
    std::memcpy(to, pointer_to<const void>(from), bytes);
    return true;
}

void* take_pages(std::size_t bytes) {
    const long memory = sys(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory < 0 && memory > -4096 ? nullptr : pointer_to<void>(static_cast<std::uint64_t>(memory));
}

void give_pages(void* memory, std::size_t bytes) {
    if (memory != nullptr) {
        (void)sys(SYS_munmap, memory, bytes);
    }
}

}  // namespace inflight::aio
