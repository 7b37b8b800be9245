// SPDX-License-Identifier: Apache-2.0
// Model values that scenarios are made of: each function gives an ordinary one, which the scenario then changes.
#pragma once

#include "scenarios.hpp"

#include <linux/aio_abi.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace inflight::golden::parts {

using namespace model;

inline constexpr std::uint64_t ms = 1'000'000;
inline constexpr std::uint64_t us = 1'000;
inline constexpr std::uint64_t start_ns = 5'000'000'000'000;
inline constexpr std::uint64_t end_ns = start_ns + 2'500 * ms;
inline constexpr std::uint64_t context = 0x7f5a'1e60'0000;

constexpr std::uint64_t at(std::uint64_t after_start_ns) {
    return start_ns + after_start_ns;
}

inline view::TraceInfo trace_info() {
    return {.version = "0.1.0",
            .host_name = "db1",
            .kernel_release = "6.1.0-32-cloud-amd64",
            .start_ns = start_ns,
            .wall_offset_ns = 1'700'000'000'000'000'000,
            .hooks = "fentry",
            .limits = {},
            .lost = {},
            .command = {}};
}

inline FilePtr file(std::string name, std::string kind = "regular file") {
    File result;
    result.name = std::move(name);
    result.kind = std::move(kind);
    result.inode = 4711;
    result.device_major = 259;
    result.device_minor = 2;
    return std::make_shared<const File>(std::move(result));
}

inline const FilePtr& table_file() {
    static const FilePtr result = file("/var/lib/postgresql/15/main/base/16384/16397");
    return result;
}

inline const FilePtr& pipe_file() {
    static const FilePtr result = file("pipe:[48213]", "pipe");
    return result;
}

// A finished read of 4 KiB at 8 KiB, of which each case changes what it is about.
inline Request request(std::uint16_t opcode, std::uint64_t submit, std::uint64_t latency) {
    Request result;
    result.tier = Tier::fentry;
    result.outcome = Outcome::completed;
    result.kernel_address = 0xffff'8881'0420'0000 + submit / us;
    result.context_id = 0x10001;
    result.ctx_id = context;
    result.address = 0x55d0'c0ff'ee00;
    result.call_id = 7;
    result.opcode = opcode;
    result.origin = Origin::kernel;
    result.fd = 7;
    result.buffer = 0x7f5a'2000'0000;
    result.length = 4096;
    result.offset = 8192;
    result.user_data = 0x1;
    result.user_data_known = true;
    result.file = table_file();
    result.pid = 4242;
    result.tid = 4243;
    result.uid = 1000;
    result.cgroup_id = 5650;
    result.comm = "postgres";
    result.completer_pid = 17;
    result.completer_tid = 17;
    result.submit_ns = at(submit);
    result.complete_ns = at(submit + latency);
    result.reap_ns = at(submit + latency + 5 * us);
    result.result = 4096;
    return result;
}

inline Request poll_request(std::uint64_t submit, std::uint64_t latency, std::uint64_t mask = POLLIN) {
    Request result = request(IOCB_CMD_POLL, submit, latency);
    result.fd = 9;
    result.buffer = mask;
    result.length = 0;
    result.offset = 0;
    result.address = 0x55d0'c0ff'ee40;
    result.user_data = 0xfeed'beef'0000'0001;
    result.user_data_known = true;
    result.file = pipe_file();
    result.result = POLLIN | POLLRDNORM;
    return result;
}

inline Request still(Request result) {
    result.outcome = Outcome::in_flight;
    result.complete_ns.reset();
    result.reap_ns.reset();
    result.completer_pid = 0;
    result.completer_tid = 0;
    result.result = 0;
    return result;
}

inline Request failed(Request result, int error) {
    result.outcome = Outcome::failed;
    result.result = -error;
    return result;
}

inline Cancel cancel(Verdict verdict, std::int64_t ret, std::uint64_t time, std::string reason) {
    Cancel result;
    result.tier = Tier::fentry;
    result.call_id = 9;
    result.start_ns = at(time) - 2 * us;
    result.end_ns = at(time);
    result.pid = 4242;
    result.tid = 4243;
    result.uid = 1000;
    result.comm = "postgres";
    result.cgroup_id = 5650;
    result.ctx_id = context;
    result.context_id = 0x10001;
    result.address = 0x55d0'c0ff'ee40;
    result.result_address = 0x7ffd'0000'1000;
    result.ret = ret;
    result.verdict = verdict;
    result.reason = std::move(reason);
    return result;
}

inline Event event(ifl_syscall syscall, std::uint64_t time, std::uint64_t duration, std::int64_t ret,
                   std::vector<std::uint64_t> arguments) {
    Event result;
    result.tier = Tier::fentry;
    ifl_call& call = result.call;
    call.header.cpu = 1;
    call.header.time_ns = at(time);
    call.start_ns = at(time) - duration;
    call.ret = ret;
    std::ranges::copy(arguments, call.args);
    call.task = {.pid = 4242,
                 .tid = 4243,
                 .ppid = 4100,
                 .uid = 1000,
                 .ns_pid = 12,
                 .ns_tid = 13,
                 .ns_ppid = 1,
                 .pid_ns = 4'026'532'201,
                 .mnt_ns = 4'026'532'198,
                 .reserved = 0,
                 .cgroup_id = 5650,
                 .comm = "postgres"};
    call.ctx_id = context;
    call.context_id = 0x10001;
    call.syscall = static_cast<ifl_u8>(syscall);
    call.abi = IFL_ABI_X86_64;
    result.container_id = "3f4a9c2b7d10";
    result.cgroup_path = "/system.slice/docker-3f4a9c2b7d10.scope";
    return result;
}

inline IocbArgument iocb_argument(std::uint32_t index, const struct iocb& block, FilePtr open_file) {
    IocbArgument result;
    result.index = index;
    result.address = 0x55d0'c0ff'ee00 + index * 0x40;
    result.readable = true;
    std::memcpy(result.bytes.data(), &block, sizeof block);
    result.file = std::move(open_file);
    return result;
}

inline Context kioctx(std::uint64_t id, ContextChange change) {
    Context result;
    result.change = change;
    result.time_ns = at(10 * us);
    result.context_id = 0x10000 + id;
    result.ctx_id = context + (id - 1) * 0x3000;
    result.pid = 4242;
    result.uid = 1000;
    result.comm = "postgres";
    result.in_flight = 2;
    result.in_flight_max = 64;
    result.submitted = 1234;
    result.completed = 1232;
    result.capacity = 253;
    result.max_requests = 128;
    return result;
}

inline Summary summary() {
    Summary result;
    result.start_ns = start_ns;
    result.end_ns = end_ns;
    result.aio_nr = 137;
    result.aio_max_nr = 65536;
    result.ended_by = "SIGINT";
    return result;
}

}  // namespace inflight::golden::parts
