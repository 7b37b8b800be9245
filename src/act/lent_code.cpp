// SPDX-License-Identifier: Apache-2.0
#include "act/lent_code.hpp"

#include "act/tracing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace inflight::act {
namespace {

constexpr std::size_t word_bytes = sizeof(std::uint64_t);
constexpr std::uint64_t page_bytes = 4096;
// The last bytes of a page stay as they are: code that was cut off may end in zeros of its own.
constexpr std::size_t margin_bytes = 16;
static_assert(lent_code_bytes % word_bytes == 0 && lent_memory_offset % word_bytes == 0);

// Appends bytes to a fixed array.
class Assembler {
public:
    void bytes(std::initializer_list<unsigned> all) {
        for (const unsigned each : all) {
            code_.at(used_++) = static_cast<std::byte>(each);
        }
    }
    void number(std::uint64_t value) {
        std::memcpy(&code_.at(used_), &value, sizeof(value));
        used_ += sizeof(value);
    }
    void mark() { std::memcpy(&code_.at(lent_mark_offset), "inflight", word_bytes); }
    [[nodiscard]] const std::array<std::byte, lent_code_bytes>& code() const { return code_; }

private:
    std::array<std::byte, lent_code_bytes> code_{};
    std::size_t used_ = 0;
};

struct Mapping {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool is_vdso = false;
};

// What is mapped from a file or by the kernel, private, and can be executed but not written. Code that a program makes
// itself is left out: the program may use all of that memory.
std::vector<Mapping> executable_mappings(pid_t tid) {
    std::vector<Mapping> found;
    std::ifstream maps(fmt::format("/proc/{}/maps", tid));
    std::string line;
    while (std::getline(maps, line)) {
        Mapping mapping;
        char dash = 0;
        std::string rights;
        std::string offset;
        std::string device;
        std::uint64_t inode = 0;
        std::istringstream fields(line);
        fields >> std::hex >> mapping.begin >> dash >> mapping.end >> rights >> offset >> device >> std::dec >> inode;
        mapping.is_vdso = line.ends_with("[vdso]");
        if (rights == "r-xp" && (inode != 0 || mapping.is_vdso)) {
            found.push_back(mapping);
        }
    }
    std::ranges::stable_sort(found, {}, [](const Mapping& each) { return each.is_vdso ? 0 : 1; });
    return found;
}

// The zeros at the end of a mapping's last page.
std::optional<std::uint64_t> room_at_end(pid_t tid, const Mapping& mapping) {
    std::array<std::byte, page_bytes> page{};
    if (mapping.end - mapping.begin < page_bytes || !read_memory(tid, mapping.end - page_bytes, page)) {
        return std::nullopt;
    }
    const auto last = std::find_if(page.rbegin(), page.rend(), [](std::byte each) { return each != std::byte{0}; });
    const auto zeros = static_cast<std::size_t>(last - page.rbegin());
    if (zeros < lent_code_bytes + margin_bytes) {
        return std::nullopt;
    }
    return (mapping.end - zeros + margin_bytes + word_bytes - 1) / word_bytes * word_bytes;
}

}  // namespace

std::array<std::byte, lent_code_bytes> compose_lent_code(const user_regs_struct& after) {
    Assembler code;
    code.bytes({0x0f, 0x05});  // syscall
    const auto load = [&code](unsigned prefix, unsigned opcode, std::uint64_t value) {
        code.bytes({prefix, opcode});
        code.number(value);
    };
    load(0x48, 0xb8, after.rax);
    load(0x48, 0xb9, after.rcx);
    load(0x48, 0xba, after.rdx);
    load(0x48, 0xbe, after.rsi);
    load(0x48, 0xbf, after.rdi);
    load(0x49, 0xb8, after.r8);
    load(0x49, 0xb9, after.r9);
    load(0x49, 0xba, after.r10);
    load(0x49, 0xbb, after.r11);
    code.bytes({0xff, 0x25, 0, 0, 0, 0});  // jmp [rip]: the address comes next
    code.number(after.rip);
    code.mark();
    return code.code();
}

Result<LentCode> LentCode::find(pid_t tid) {
    for (const Mapping& mapping : executable_mappings(tid)) {
        const auto place = room_at_end(tid, mapping);
        if (place && *place + lent_code_bytes <= mapping.end) {
            return LentCode(*place);
        }
    }
    return failure(fmt::format("make a call in thread {}", tid),
                   "no page of its code has room left at its end for the instructions of the call",
                   "nothing was changed");
}

Result<void> LentCode::write(pid_t tid, const user_regs_struct& after) const {
    return poke(tid, address_, compose_lent_code(after));
}

Result<void> LentCode::write_argument(pid_t tid, std::span<const std::byte> bytes) const {
    std::array<std::byte, lent_memory_bytes> whole{};
    std::ranges::copy(bytes.first(std::min(bytes.size(), whole.size())), whole.begin());
    return poke(tid, argument_address(), whole);
}

void LentCode::erase(pid_t tid) const {
    // What cannot be erased is never run again.
    [[maybe_unused]] const auto erased = poke(tid, address_, std::array<std::byte, lent_code_bytes>{});
}

}  // namespace inflight::act
