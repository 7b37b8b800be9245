// SPDX-License-Identifier: Apache-2.0
// Records as the kernel side writes them, with defaults that make sense, and a sink that keeps what it is given.
//
//     Trace trace;
//     trace.feed(context().created(1), request(iocb).poll().submit(10), cancel(iocb).span(20, 21).ret(-EINVAL));
//     trace.finish(100);
//     EXPECT_EQ(trace.cancels.at(0).verdict, Verdict::completed_first);
#pragma once

#include "model/tracker.hpp"

#include <fmt/format.h>
#include <linux/aio_abi.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>
#include <string_view>
#include <vector>

namespace inflight::model {

// How a failed test shows them.
inline void PrintTo(const Request& request, std::ostream* out) {
    *out << fmt::format("{{iocb {:#x} {} {}..{} reaped {} res {}}}", request.address, name(request.outcome),
                        request.submit_ns.value_or(0), request.complete_ns.value_or(0), request.reap_ns.value_or(0),
                        request.result);
}
inline void PrintTo(const Cancel& cancel, std::ostream* out) {
    *out << fmt::format("{{iocb {:#x} {}..{} {}{}: {}}}", cancel.address, cancel.start_ns, cancel.end_ns,
                        name(cancel.verdict), cancel.certain ? "" : "?", cancel.reason);
}
inline void PrintTo(Outcome outcome, std::ostream* out) {
    *out << name(outcome);
}
inline void PrintTo(Verdict verdict, std::ostream* out) {
    *out << name(verdict);
}

}  // namespace inflight::model

namespace inflight::model::test {

inline constexpr std::uint32_t the_pid = 100;
inline constexpr std::uint32_t the_tid = 101;
inline constexpr std::uint32_t the_parent = 99;
inline constexpr std::uint64_t the_context = 7;
inline constexpr std::uint64_t the_ctx_id = 0x7f0000001000;
inline constexpr std::uint32_t the_capacity = 126;
inline constexpr std::uint64_t the_iocb = 0x5000;

inline constexpr std::uint64_t us = 1'000;
inline constexpr std::uint64_t ms = 1'000'000;
inline constexpr std::uint64_t second = 1'000'000'000;

template <typename Record>
void set_header(Record& record, std::uint16_t kind, std::uint64_t time_ns) {
    record.header.size_bytes = sizeof(Record);
    record.header.kind = kind;
    record.header.tier = IFL_TIER_FENTRY;
    record.header.time_ns = time_ns;
}

inline void set_comm(char (&comm)[IFL_COMM_BYTES], std::string_view text) {
    const auto length = std::min<std::size_t>(text.size(), IFL_COMM_BYTES - 1);
    std::fill(std::begin(comm), std::end(comm), '\0');
    std::copy_n(text.data(), length, std::begin(comm));
}

// A pread of one block, in flight. Its user data are its iocb's address, as most programs do it.
struct RequestRecord : ifl_request {
    explicit RequestRecord(std::uint64_t iocb_address) : ifl_request{} {
        set_header(static_cast<ifl_request&>(*this), IFL_REQUEST, 0);
        kiocb = 0xffff888000000000U + iocb_address;
        kioctx = 0xffff888100000000U;
        context_id = the_context;
        ctx_id = the_ctx_id;
        iocb = iocb_address;
        user_data = iocb_address;
        length = 4096;
        fd = 3;
        pid = the_pid;
        tid = the_tid;
        flags = IFL_REQ_KERNEL_IOCB | IFL_REQ_EXACT_END;
        set_comm(comm, "worker");
    }
    RequestRecord& op(std::uint16_t code) { return opcode = code, *this; }
    RequestRecord& poll() { return op(IOCB_CMD_POLL); }
    RequestRecord& fsync() { return op(IOCB_CMD_FSYNC); }
    RequestRecord& submit(std::uint64_t time_ns) { return submit_ns = time_ns, *this; }
    RequestRecord& complete(std::uint64_t time_ns, std::int64_t res = 0) {
        state = IFL_REQUEST_COMPLETED;
        header.time_ns = complete_ns = time_ns;
        result = res;
        return *this;
    }
    // As a snapshot that looks at `time_ns` shows it.
    RequestRecord& in_flight(std::uint64_t time_ns) {
        state = IFL_REQUEST_IN_FLIGHT;
        header.time_ns = time_ns;
        complete_ns = 0;
        return *this;
    }
    RequestRecord& flag(std::uint32_t bits) { return flags |= bits, *this; }
    RequestRecord& cancelled() { return flag(IFL_REQ_POLL_CANCELLED); }
    RequestRecord& context_dead() { return flag(IFL_REQ_CONTEXT_DEAD); }
    RequestRecord& existed() { return submit_ns = 0, flag(IFL_REQ_EXISTED); }
    RequestRecord& kernel_address(std::uint64_t address) { return kiocb = address, *this; }
    RequestRecord& data(std::uint64_t value) { return user_data = value, *this; }
    RequestRecord& in(std::uint64_t context) { return context_id = context, *this; }
    RequestRecord& of(std::uint32_t process) { return pid = process, *this; }
    RequestRecord& file(std::uint64_t id) { return file_id = id, *this; }
    RequestRecord& tier(std::uint8_t value) { return header.tier = value, *this; }
};

inline RequestRecord request(std::uint64_t iocb) {
    return RequestRecord(iocb);
}

struct CallRecord : ifl_call {
    explicit CallRecord(ifl_syscall number) : ifl_call{} {
        static std::uint64_t calls = 0;
        set_header(static_cast<ifl_call&>(*this), IFL_CALL, 0);
        call_id = ++calls;
        syscall = static_cast<ifl_u8>(number);
        task.pid = the_pid;
        task.tid = the_tid;
        task.ppid = the_parent;
        set_comm(task.comm, "worker");
    }
    CallRecord& span(std::uint64_t start, std::uint64_t end) { return start_ns = start, header.time_ns = end, *this; }
    CallRecord& returns(std::int64_t value) { return ret = value, *this; }
    CallRecord& flag(std::uint32_t bits) { return flags |= bits, *this; }
    CallRecord& unflag(std::uint32_t bits) { return flags &= ~bits, *this; }
    CallRecord& id(std::uint64_t value) { return call_id = value, *this; }
    CallRecord& argument(std::size_t index, std::uint64_t value) { return args[index] = value, *this; }
    CallRecord& by(std::uint32_t process, std::uint32_t thread, std::uint32_t parent = the_parent) {
        task.pid = process;
        task.tid = thread;
        task.ppid = parent;
        return *this;
    }
    CallRecord& in(std::uint64_t context, std::uint64_t user_id = the_ctx_id) {
        context_id = context;
        ctx_id = args[0] = user_id;
        return flag(IFL_CALL_CTX_AT_ENTRY | IFL_CALL_CTX_AT_EXIT);
    }
    CallRecord& no_context(std::uint64_t user_id) {
        context_id = 0;
        ctx_id = args[0] = user_id;
        return unflag(IFL_CALL_CTX_AT_ENTRY | IFL_CALL_CTX_AT_EXIT);
    }
    CallRecord& key(std::uint32_t value) { return aio_key = value, *this; }
};

inline CallRecord call(ifl_syscall number) {
    return CallRecord(number).in(the_context);
}

// io_cancel(the_ctx_id, iocb, 0x9000), which says EINVAL.
inline CallRecord cancel(std::uint64_t iocb) {
    CallRecord record = call(IFL_IO_CANCEL);
    record.argument(1, iocb).argument(2, 0x9000).returns(-EINVAL);
    record.key_state = IFL_READ_OK;
    return record;
}

// The same, and the kernel takes the request.
inline CallRecord accepted_cancel(std::uint64_t iocb) {
    return cancel(iocb).returns(-EINPROGRESS);
}

struct EventsRecord : ifl_io_events {
    EventsRecord(std::uint64_t time_ns, std::uint64_t context) : ifl_io_events{} {
        set_header(static_cast<ifl_io_events&>(*this), IFL_IO_EVENTS, time_ns);
        context_id = context;
        pid = the_pid;
        tid = the_tid;
    }
    EventsRecord& event(std::uint64_t iocb, std::int64_t res, std::uint64_t data) {
        events[count++] = {.data = data, .obj = iocb, .res = res, .res2 = 0};
        return *this;
    }
    EventsRecord& event(std::uint64_t iocb, std::int64_t res = 0) { return event(iocb, res, iocb); }
    EventsRecord& of_call(std::uint64_t id) { return call_id = id, *this; }
};

// What an io_getevents that returned at `time_ns` gave.
inline EventsRecord reaped(std::uint64_t time_ns, std::uint64_t context = the_context) {
    return {time_ns, context};
}

struct ContextRecord : ifl_context {
    explicit ContextRecord(std::uint64_t id) : ifl_context{} {
        set_header(static_cast<ifl_context&>(*this), IFL_CONTEXT, 0);
        context_id = id;
        ctx_id = the_ctx_id;
        pid = the_pid;
        capacity = the_capacity;
        max_reqs = 16;
        set_comm(comm, "worker");
    }
    ContextRecord& at(ifl_context_state what, std::uint64_t time_ns) {
        state = static_cast<ifl_u8>(what);
        header.time_ns = time_ns;
        return *this;
    }
    ContextRecord& created(std::uint64_t time_ns) { return created_ns = time_ns, at(IFL_CONTEXT_CREATED, time_ns); }
    ContextRecord& found(std::uint64_t time_ns) { return at(IFL_CONTEXT_FOUND, time_ns); }
    ContextRecord& destroyed(std::uint64_t time_ns) { return at(IFL_CONTEXT_DESTROYED, time_ns); }
    ContextRecord& counted(std::uint64_t time_ns) { return at(IFL_CONTEXT_SNAPSHOT, time_ns); }
    ContextRecord& of(std::uint32_t process, std::string_view name = "worker") {
        set_comm(comm, name);
        return pid = process, *this;
    }
    ContextRecord& user_id(std::uint64_t value) { return ctx_id = value, *this; }
    ContextRecord& room(std::uint32_t requests) { return capacity = requests, *this; }
};

inline ContextRecord context(std::uint64_t id = the_context) {
    return ContextRecord(id);
}

inline ifl_process_exit process_exit(std::uint64_t time_ns, std::uint32_t pid = the_pid) {
    ifl_process_exit record{};
    set_header(record, IFL_PROCESS_EXIT, time_ns);
    record.pid = pid;
    return record;
}

inline ifl_snapshot snapshot(std::uint64_t time_ns) {
    ifl_snapshot record{};
    set_header(record, IFL_SNAPSHOT, time_ns);
    return record;
}

inline ifl_snapshot final_snapshot(std::uint64_t time_ns) {
    ifl_snapshot record = snapshot(time_ns);
    record.final = 1;
    return record;
}

template <typename Record>
void set_names(Record& record, std::initializer_list<std::string_view> names) {
    for (const auto name : names) {
        std::copy(name.begin(), name.end(), &record.names[record.names_bytes]);
        record.names_bytes += static_cast<ifl_u32>(name.size()) + 1;
        record.names_count++;
    }
}

// A regular file; names from the file up to the root.
inline ifl_file file(std::uint64_t id, std::initializer_list<std::string_view> names) {
    ifl_file record{};
    set_header(record, IFL_FILE, 0);
    record.file_id = id;
    record.mode = 0100644;
    set_names(record, names);
    return record;
}

inline ifl_cgroup cgroup(std::uint64_t id, std::initializer_list<std::string_view> names) {
    ifl_cgroup record{};
    set_header(record, IFL_CGROUP, 0);
    record.cgroup_id = id;
    set_names(record, names);
    return record;
}

class Recorder : public Sink {
public:
    void on_request(const Request& request) override { requests.push_back(request); }
    void on_cancel(const Cancel& cancel) override { cancels.push_back(cancel); }
    void on_event(const Event& event) override { events.push_back(event); }
    void on_context(const Context& context) override { contexts.push_back(context); }
    void on_finding(const Finding& finding) override { findings.push_back(finding); }

    // Of the findings.
    [[nodiscard]] std::vector<std::string> codes() const {
        std::vector<std::string> all;
        for (const Finding& each : findings) {
            all.push_back(each.code);
        }
        return all;
    }

    std::vector<Request> requests;
    std::vector<Cancel> cancels;
    std::vector<Event> events;
    std::vector<Context> contexts;
    std::vector<Finding> findings;
};

// A tracker, and all that it has said.
class Trace : public Recorder {
public:
    explicit Trace(TrackerOptions options = {}) : tracker(options, *this) {}

    template <typename... Records>
    void feed(const Records&... records) {
        (tracker.on_record(records.header), ...);
    }

    // The end, with nothing left in flight.
    void finish(std::uint64_t end_ns) {
        feed(final_snapshot(end_ns));
        tracker.finish(end_ns);
    }

    Tracker tracker;
};

inline std::vector<Outcome> outcomes(const Trace& trace) {
    std::vector<Outcome> all;
    for (const Request& each : trace.requests) {
        all.push_back(each.outcome);
    }
    return all;
}

}  // namespace inflight::model::test
