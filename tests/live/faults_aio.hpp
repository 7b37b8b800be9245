// SPDX-License-Identifier: Apache-2.0
// Kernel AIO for tests that are themselves the traced program: bare system calls.
#pragma once

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace inflight::faults::aio {

inline aio_context_t setup(unsigned events) {
    aio_context_t context = 0;
    return ::syscall(SYS_io_setup, events, &context) == 0 ? context : 0;
}

inline long destroy(aio_context_t context) {
    return ::syscall(SYS_io_destroy, context);
}

inline iocb make(int opcode, int fd, std::uint64_t user_data) {
    iocb request{};
    request.aio_lio_opcode = static_cast<std::uint16_t>(opcode);
    request.aio_fildes = static_cast<std::uint32_t>(fd);
    request.aio_data = user_data;
    request.aio_buf = opcode == IOCB_CMD_POLL ? POLLIN : 0;
    return request;
}

inline iocb make_read(int fd, void* buffer, std::uint64_t bytes, std::uint64_t user_data) {
    iocb request = make(IOCB_CMD_PREAD, fd, user_data);
    request.aio_buf = reinterpret_cast<std::uintptr_t>(buffer);
    request.aio_nbytes = bytes;
    return request;
}

inline bool submit(aio_context_t context, iocb& request) {
    iocb* list = &request;
    return ::syscall(SYS_io_submit, context, 1, &list) == 1;
}

inline bool reap(aio_context_t context) {
    io_event event{};
    timespec timeout{.tv_sec = 20, .tv_nsec = 0};
    return ::syscall(SYS_io_getevents, context, 1, 1, &event, &timeout) == 1;
}

}  // namespace inflight::faults::aio
