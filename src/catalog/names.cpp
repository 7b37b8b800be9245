// SPDX-License-Identifier: Apache-2.0
#include "catalog/names.hpp"

#include "catalog/events.hpp"
#include "catalog/uring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

namespace inflight::catalog {
namespace {

// include/uapi/linux/fs.h
constexpr Name rw_flag_table[] = {
    {0x001, "RWF_HIPRI"},  {0x002, "RWF_DSYNC"},     {0x004, "RWF_SYNC"},
    {0x008, "RWF_NOWAIT"}, {0x010, "RWF_APPEND"},    {0x020, "RWF_NOAPPEND"},
    {0x040, "RWF_ATOMIC"}, {0x080, "RWF_DONTCACHE"}, {0x100, "RWF_NOSIGNAL"},
};

// include/uapi/linux/aio_abi.h
constexpr Name iocb_flag_table[] = {
    {1, "IOCB_FLAG_RESFD"},
    {2, "IOCB_FLAG_IOPRIO"},
};

// include/uapi/asm-generic/poll.h
constexpr Name poll_event_table[] = {
    {0x0001, "POLLIN"},     {0x0002, "POLLPRI"},    {0x0004, "POLLOUT"},    {0x0008, "POLLERR"},
    {0x0010, "POLLHUP"},    {0x0020, "POLLNVAL"},   {0x0040, "POLLRDNORM"}, {0x0080, "POLLRDBAND"},
    {0x0100, "POLLWRNORM"}, {0x0200, "POLLWRBAND"}, {0x0400, "POLLMSG"},    {0x1000, "POLLREMOVE"},
    {0x2000, "POLLRDHUP"},
};

// include/uapi/linux/aio_abi.h, IOCB_CMD_*. 4 was IOCB_CMD_PREADX, which no release kept.
constexpr Name aio_opcode_table[] = {
    {0, "pread"}, {1, "pwrite"}, {2, "fsync"}, {3, "fdsync"}, {5, "poll"}, {6, "noop"}, {7, "preadv"}, {8, "pwritev"},
};

NameTable aio_opcodes() {
    return aio_opcode_table;
}

NameTable uring_opcodes() {
    static const auto names = [] {
        std::vector<Name> all;
        for (const UringOp& op : uring_ops()) {
            all.push_back({.value = op.opcode, .name = op.name});
        }
        return all;
    }();
    return names;
}

struct OpcodeTable {
    std::string_view family;
    NameTable (*names)();
};
constexpr OpcodeTable opcode_tables[] = {
    {family_aio, aio_opcodes},
    {family_uring, uring_opcodes},
};

// include/linux/errno.h: never returned to user space, hence unknown to the C library.
constexpr Name kernel_errno_table[] = {
    {512, "ERESTARTSYS"},
    {513, "ERESTARTNOINTR"},
    {514, "ERESTARTNOHAND"},
    {515, "ENOIOCTLCMD"},
    {516, "ERESTART_RESTARTBLOCK"},
    {517, "EPROBE_DEFER"},
    {518, "EOPENSTALE"},
    {519, "ENOPARAM"},
    {521, "EBADHANDLE"},
    {522, "ENOTSYNC"},
    {523, "EBADCOOKIE"},
    {524, "ENOTSUPP"},
    {525, "ETOOSMALL"},
    {526, "ESERVERFAULT"},
    {527, "EBADTYPE"},
    {528, "EJUKEBOX"},
    {529, "EIOCBQUEUED"},
    {530, "ERECALLCONFLICT"},
    {531, "ENOGRACE"},
};

// include/uapi/linux/ioprio.h: class in the upper 3 bits, then 10 bits of hint, then 3 bits of level.
constexpr unsigned ioprio_class_shift = 13;
constexpr unsigned ioprio_hint_shift = 3;
constexpr unsigned ioprio_hint_mask = 0x3ff;
constexpr unsigned ioprio_level_mask = 0x7;
constexpr unsigned ioprio_class_none = 0;
constexpr unsigned ioprio_class_idle = 3;
constexpr Name ioprio_class_table[] = {
    {ioprio_class_none, "none"},
    {1, "rt"},
    {2, "be"},
    {ioprio_class_idle, "idle"},
};
// IOPRIO_HINT_DEV_DURATION_LIMIT_n: command duration limits
constexpr Name ioprio_hint_table[] = {
    {1, "cdl-1"}, {2, "cdl-2"}, {3, "cdl-3"}, {4, "cdl-4"}, {5, "cdl-5"}, {6, "cdl-6"}, {7, "cdl-7"},
};

// include/uapi/asm-generic/signal.h
constexpr Name signal_table[] = {
    {1, "HUP"},   {2, "INT"},     {3, "QUIT"},  {4, "ILL"},    {5, "TRAP"},  {6, "ABRT"},  {7, "BUS"},   {8, "FPE"},
    {9, "KILL"},  {10, "USR1"},   {11, "SEGV"}, {12, "USR2"},  {13, "PIPE"}, {14, "ALRM"}, {15, "TERM"}, {16, "STKFLT"},
    {17, "CHLD"}, {18, "CONT"},   {19, "STOP"}, {20, "TSTP"},  {21, "TTIN"}, {22, "TTOU"}, {23, "URG"},  {24, "XCPU"},
    {25, "XFSZ"}, {26, "VTALRM"}, {27, "PROF"}, {28, "WINCH"}, {29, "IO"},   {30, "PWR"},  {31, "SYS"},  {32, "RTMIN"},
};
constexpr unsigned signal_count = 64;
constexpr unsigned first_realtime_signal = 32;

std::optional<std::string_view> find_name(NameTable table, std::uint64_t value) {
    const auto found = std::ranges::find(table, value, &Name::value);
    if (found == table.end()) {
        return std::nullopt;
    }
    return found->name;
}

std::string signal_name(unsigned signal) {
    if (const auto name = find_name(signal_table, signal)) {
        return std::string{*name};
    }
    return fmt::format("RT_{}", signal - first_realtime_signal);
}

}  // namespace

NameTable rw_flags() {
    return rw_flag_table;
}

NameTable iocb_flags() {
    return iocb_flag_table;
}

NameTable poll_events() {
    return poll_event_table;
}

std::string flag_names(NameTable table, std::uint64_t flags) {
    std::string text;
    std::uint64_t unknown = flags;
    for (const Name& flag : table) {
        if (flag.value != 0 && (unknown & flag.value) == flag.value) {
            fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : "|", flag.name);
            unknown &= ~flag.value;
        }
    }
    if (unknown != 0) {
        fmt::format_to(std::back_inserter(text), "{}{:#x}", text.empty() ? "" : "|", unknown);
    }
    return text.empty() ? "0" : text;
}

NameTable opcodes(std::string_view family) {
    const auto* found = std::ranges::find(opcode_tables, family, &OpcodeTable::family);
    return found == std::end(opcode_tables) ? NameTable{} : found->names();
}

std::string opcode_name(std::string_view family, unsigned opcode) {
    if (const auto name = find_name(opcodes(family), opcode)) {
        return std::string{*name};
    }
    return fmt::format("op {}", opcode);
}

std::optional<unsigned> opcode_by_name(std::string_view family, std::string_view name) {
    const NameTable table = opcodes(family);
    const auto found = std::ranges::find(table, name, &Name::name);
    if (found == table.end()) {
        return std::nullopt;
    }
    return static_cast<unsigned>(found->value);
}

std::string errno_name(int number) {
    if (number > 0) {
        if (const char* name = strerrorname_np(number)) {
            return name;
        }
        if (const auto name = find_name(kernel_errno_table, static_cast<std::uint64_t>(number))) {
            return std::string{*name};
        }
    }
    return fmt::format("errno {}", number);
}

std::string ioprio_name(std::uint16_t priority) {
    const unsigned value = priority;
    const unsigned io_class = value >> ioprio_class_shift;
    const unsigned hint = (value >> ioprio_hint_shift) & ioprio_hint_mask;
    const unsigned level = value & ioprio_level_mask;

    const auto class_name = find_name(ioprio_class_table, io_class);
    std::string text = class_name ? std::string{*class_name} : fmt::format("class {}", io_class);
    const bool has_no_levels = io_class == ioprio_class_none || io_class == ioprio_class_idle;
    if (level != 0 || !has_no_levels) {
        fmt::format_to(std::back_inserter(text), "/{}", level);
    }
    if (hint != 0) {
        const auto hint_name = find_name(ioprio_hint_table, hint);
        text += " hint " + (hint_name ? std::string{*hint_name} : fmt::to_string(hint));
    }
    return text;
}

std::string signal_set(std::uint64_t mask) {
    const bool inverted = std::popcount(mask) > static_cast<int>(signal_count / 2);
    const std::uint64_t listed = inverted ? ~mask : mask;
    std::string text = inverted ? "~[" : "[";
    std::string_view separator;
    for (unsigned signal = 1; signal <= signal_count; ++signal) {
        if ((listed >> (signal - 1) & 1) != 0) {
            text.append(separator).append(signal_name(signal));
            separator = " ";
        }
    }
    return text + "]";
}

}  // namespace inflight::catalog
