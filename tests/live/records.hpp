// SPDX-License-Identifier: Apache-2.0
// What inflight wrote, as the values that expectations speak of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::live {

enum class Kind { request, cancel, completion, context, event, finding };

std::optional<Kind> kind_of(std::string_view name);
std::string_view name_of(Kind kind);

// Keys of expectations, and after `buffers` some that only the tests themselves look at.
enum class Key {
    op,
    fd,
    file,
    address,
    user_data,
    offset,
    length,
    result,
    error,
    outcome,
    reaped,
    pid,
    tid,  // requests
    ret,
    verdict,
    target_op,  // cancels
    context,
    in_flight_max,
    capacity_at_least,  // contexts
    event,
    abi,   // events
    code,  // findings
    family,
    path,
    path_origin,
    new_path,
    sockaddr,
    peer,
    xattr_name,
    timeout_ns,
    cqes,
    cause,
    skipped,
    multishot,
    overflowed,  // of contexts a number
    prep_failed,
    punted,
    armed,
    deferred,
    linked,
    sqpoll,
    notified,
    fixed,
    command,
    big_cqe,
    integrity,
    write_stream,
    sockopt,
    notification,  // requests of io_uring
    stamped,       // completions
    arguments,     // events
    way,
    key,
    taken,  // cancels of io_uring
    sq_entries,
    cq_entries,
    setup,
    files,
    buffers,  // rings
    comm,
    file_kind,
    existed,
    first_user_data,
    appended,
    breaks_chain,
    timeout_clock,
    ring_fd,
    refused,
    refused_error,
    driven_by_bpf,
    completer,  // the thread that completed a request, "none": nobody is named
};
constexpr std::size_t key_count = static_cast<std::size_t>(Key::completer) + 1;

std::optional<Key> key_of(std::string_view name);
std::string_view name_of(Key key);

// One record. A value that it does not have, or that is null, is empty; addresses are hexadecimal.
struct Record {
    Kind kind{};
    std::uint64_t at_ns = 0;  // begin of what it tells; 0: not known
    std::array<std::string, key_count> values;

    [[nodiscard]] const std::string& operator[](Key key) const { return values[static_cast<std::size_t>(key)]; }
    std::string& operator[](Key key) { return values[static_cast<std::size_t>(key)]; }
    // As an expectation, of all that it has.
    [[nodiscard]] std::string text() const;
};

// A whole trace. Calls that were still in progress are left out, and of each context all but its last record.
struct Trace {
    std::vector<Record> records;
    std::size_t lines = 0;
    std::vector<std::string> faults;           // lines that are no JSON, or not what the schema says; the first few
    std::map<std::string, std::int64_t> loss;  // fields of the loss line
    std::int64_t summary_requests = -1;
    std::string ended_by;
};

// Reads what `inflight trace -o json` wrote, and validates lines against the schema: of each type the first
// `validated`, which is what takes the time.
Trace read_trace(const std::filesystem::path& file, const std::filesystem::path& schema,
                 std::size_t validated = std::numeric_limits<std::size_t>::max());

}  // namespace inflight::live
