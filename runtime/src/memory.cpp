// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include "sys.hpp"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <initializer_list>

// glibc's end of the heap, which its brk() and sbrk() keep. Exported since 2.2.5.
extern "C" void* __curbrk;  // NOLINT(bugprone-reserved-identifier)

namespace inflight::aio {

namespace {

constexpr std::size_t mask_bytes = 8;  // what the kernel reads or writes of a signal mask

// rt_sigprocmask() copies the new mask before it looks at `how`, so a wrong `how` reads and changes nothing. NULL means
// no mask to it; there is never anything in the first page.
[[gnu::hot]] bool can_read(std::uint64_t address) {
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

enum class Answer : std::uint8_t { unasked, works, fails };
std::atomic<Answer> pairs{Answer::unasked};

// semtimedop() copies its time limit, 16 bytes, and its operations, 6, before it looks which semaphores are meant, and
// none is. -EINVAL then says that both can be read; anything else (-EFAULT, or a kernel or a filter that does not want
// the call) says nothing of either.
bool copies_both(std::uint64_t limit, std::uint64_t operation) {
    constexpr int no_semaphores = -1;
    return sys(SYS_semtimedop, no_semaphores, operation, 1, limit) == -EINVAL;
}

// Kernels before the ones that have what the rings need looked at the semaphores first.
bool pairs_work() {
    const Answer known = pairs.load(std::memory_order_relaxed);
    if (known != Answer::unasked) {
        return known == Answer::works;
    }
    constexpr std::uint64_t nowhere = 8;
    const std::uint64_t here[2] = {};
    const bool works = copies_both(address_of(here), address_of(here)) && !copies_both(address_of(here), nowhere) &&
                       !copies_both(nowhere, address_of(here));
    pairs.store(works ? Answer::works : Answer::fails, std::memory_order_relaxed);
    return works;
}

[[gnu::hot]] bool can_read_both_pages(std::uint64_t one, std::uint64_t other) {
    return one != 0 && other != 0 && pairs_work() && copies_both(one * page_bytes, other * page_bytes);
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

namespace {

// Set before main(), or when the library is loaded later; not changed after.
struct Lasting {
    std::uint64_t data_begin;  // the main program's segment for writing
    std::uint64_t data_end;
    std::uint64_t heap_begin;  // where the heap, in one piece, ended then
};
Lasting lasting;

int find_data(dl_phdr_info* program, std::size_t, void*) {
    for (unsigned i = 0; i < program->dlpi_phnum; ++i) {
        const auto& segment = program->dlpi_phdr[i];
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0) {
            const std::uint64_t begin = program->dlpi_addr + segment.p_vaddr;
            lasting.data_begin = begin / page_bytes * page_bytes;
            lasting.data_end = begin + segment.p_memsz;
        }
    }
    return 1;  // the main program comes first, and is all
}

[[gnu::constructor]] void find_lasting() {
    dl_iterate_phdr(find_data, nullptr);
    lasting.heap_begin = address_of(__curbrk == nullptr ? sbrk(0) : __curbrk);
}

// The last page of each is there whole.
[[gnu::hot]] bool lasts(std::uint64_t page) {
    const std::uint64_t begin = page * page_bytes;
    return (begin >= lasting.data_begin && begin < lasting.data_end) ||
           (begin >= lasting.heap_begin && begin < address_of(__curbrk));
}

}  // namespace

ProgramMemory::ProgramMemory(const void* frame, std::uint64_t next_page)
    : stack_page_(address_of(frame) / page_bytes), next_page_(next_page) {}

[[gnu::hot]] bool ProgramMemory::knows(std::uint64_t page) {
    for (unsigned i = 0; i < 2; ++i) {
        if (page == known_pages_[i]) {
            oldest_ = i ^ 1;
            return true;
        }
    }
    return page == stack_page_ || lasts(page);
}

[[gnu::hot]] bool ProgramMemory::ask(std::uint64_t page) {
    const std::uint64_t next = next_page_;
    next_page_ = 0;
    if (next != page && !knows(next) && can_read_both_pages(page, next)) {
        known_pages_[0] = page;
        known_pages_[1] = next;
        return true;
    }
    if (!can_read(page * page_bytes)) {
        return false;
    }
    known_pages_[oldest_] = page;
    oldest_ ^= 1;
    return true;
}

[[gnu::hot]] bool ProgramMemory::copy(void* to, std::uint64_t from, std::size_t bytes) {
    const std::uint64_t first = from / page_bytes;
    const std::uint64_t last = (from + bytes - 1) / page_bytes;
    for (const std::uint64_t page : {first, last}) {
        if (!knows(page) && !ask(page)) {
            return false;
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
