// SPDX-License-Identifier: Apache-2.0
#include "signals.hpp"

#include "sys.hpp"

namespace inflight::aio {

namespace {

constexpr std::int32_t no_file = -1;
constexpr unsigned entries = 4;

void change_file(io_uring_sqe& sqe, const std::int32_t& descriptor) {
    sqe.opcode = IORING_OP_FILES_UPDATE;
    sqe.addr = address_of(&descriptor);
    sqe.len = 1;
    sqe.off = 0;
    sqe.user_data = ignored_data;
}

}  // namespace

void Signals::reset() {
    ring_ = Uring{};
    held_ = no_file;
    one_ = 1;
}

bool Signals::prepare() {
    if (ring_.is_open()) {
        return ring_.attach();
    }
    if (ring_.create(entries, 2 * entries, IORING_SETUP_SUBMIT_ALL) < 0) {
        return false;
    }
    io_uring_rsrc_register files{};
    files.nr = 1;
    files.flags = IORING_RSRC_REGISTER_SPARSE;
    if (ring_.register_new(IORING_REGISTER_FILES2, &files, sizeof files) >= 0) {
        return true;
    }
    ring_.destroy();
    return false;
}

bool Signals::hold(int eventfd) {
    if (!prepare()) {
        return false;
    }
    held_ = eventfd;
    change_file(*ring_.next_sqe(), held_);
    if (ring_.submit() != 1) {
        ring_.take_back();
        return false;
    }
    io_uring_cqe cqes[2 * entries];
    std::int32_t result = 0;
    for (unsigned count = 0; (count = ring_.take(cqes, 2 * entries)) != 0;) {
        result = cqes[count - 1].res;
    }
    return result == 1;
}

void Signals::raise() {
    io_uring_sqe& write = *ring_.next_sqe();
    write.opcode = IORING_OP_WRITE;
    write.flags = IOSQE_FIXED_FILE;
    write.fd = 0;
    write.addr = address_of(&one_);
    write.len = sizeof one_;
    write.off = ~std::uint64_t{0};
    write.user_data = ignored_data;
    change_file(*ring_.next_sqe(), no_file);
    (void)ring_.submit();
    io_uring_cqe cqes[2 * entries];
    (void)ring_.take(cqes, 2 * entries);
}

}  // namespace inflight::aio
