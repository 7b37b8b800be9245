// SPDX-License-Identifier: Apache-2.0
//
// Names of the kernel's numbers. The unknown is printed raw and never dropped: a newer kernel may mean something by it.
// All functions are pure and may be called from any thread. Values are those of asm-generic, as on x86 and arm64.
#ifndef INFLIGHT_CATALOG_NAMES_HPP
#define INFLIGHT_CATALOG_NAMES_HPP

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace inflight::catalog {

struct Name {
    std::uint64_t value;
    std::string_view name;
};
using NameTable = std::span<const Name>;

NameTable rw_flags();     // RWF_*, iocb.aio_rw_flags
NameTable iocb_flags();   // IOCB_FLAG_*, iocb.aio_flags
NameTable poll_events();  // POLL*, iocb.aio_buf and io_event.res of a poll

// "RWF_DSYNC|RWF_APPEND|0x4000"; "0" when no bit is set. A name may stand for several bits: of names that share bits
// the first one in the table gets them.
std::string flag_names(NameTable table, std::uint64_t flags);

// The opcodes of a family of events; empty for a family that is not known.
NameTable opcodes(std::string_view family);

// "pread"; "op 9" for one that has no name.
std::string opcode_name(std::string_view family, unsigned opcode);

// Takes the names that opcodes() lists, nothing else.
std::optional<unsigned> opcode_by_name(std::string_view family, std::string_view name);

// For the positive number: "EINVAL" for 22. Knows the codes too that stay inside the kernel and that a hook sees all
// the same: "ERESTARTNOHAND" for 514. "errno N" for any other number.
std::string errno_name(int number);

// iocb.aio_reqprio where IOCB_FLAG_IOPRIO is set: "none", "rt/0", "be/4", "idle". A hint follows ("be/4 hint cdl-2",
// "be/4 hint 9"); a class without a name is "class 5/4".
std::string ioprio_name(std::uint16_t priority);

// A kernel sigset of 64 signals: "[INT TERM]", "[]"; "~[KILL STOP]" where more than half of them are set.
std::string signal_set(std::uint64_t mask);

}  // namespace inflight::catalog

#endif
