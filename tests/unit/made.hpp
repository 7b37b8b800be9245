// SPDX-License-Identifier: Apache-2.0
// Finished values, as the trackers hand them out.
#pragma once

#include "records.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace inflight::model::test {

inline constexpr std::uint64_t second_ns = 1'000'000'000;

inline FilePtr file_of_kind(std::string kind, std::uint64_t inode = 1) {
    auto made = std::make_shared<File>();
    made->name = "/data/file";
    made->kind = std::move(kind);
    made->inode = inode;
    made->device_major = 8;
    return made;
}

// An io_uring request of ring 7 on a regular file; its SQE is known.
class UringMade {
public:
    explicit UringMade(std::uint16_t opcode) {
        request_.family = Family::uring;
        request_.opcode = opcode;
        request_.origin = Origin::user;
        request_.outcome = Outcome::completed;
        request_.context_id = 7;
        request_.ctx_id = 3;
        request_.fd = 5;
        request_.pid = 100;
        request_.tid = 101;
        request_.comm = "worker";
        request_.file = file_of_kind("regular file");
        part_.request_id = ++numbers;
        part_.sqe_known = true;
    }
    UringMade& memory(std::uint64_t address, std::uint64_t length) {
        request_.buffer = address;
        request_.length = length;
        return *this;
    }
    UringMade& at(std::int64_t offset) {
        request_.offset = offset;
        return *this;
    }
    UringMade& time(std::uint64_t submit_ns, std::uint64_t complete_ns) {
        request_.submit_ns = submit_ns;
        request_.complete_ns = complete_ns;
        return *this;
    }
    UringMade& moved(std::uint64_t bytes) {
        request_.result = static_cast<std::int64_t>(bytes);
        return *this;
    }
    UringMade& from(std::uint64_t submit_ns) {
        request_.submit_ns = submit_ns;
        request_.outcome = Outcome::in_flight;
        return *this;
    }
    UringMade& on(FilePtr file) {
        request_.file = std::move(file);
        return *this;
    }
    UringMade& outcome(Outcome outcome) {
        request_.outcome = outcome;
        return *this;
    }
    UringMade& registered(std::uint16_t index) {
        std::memcpy(part_.sqe.data() + 40, &index, sizeof(index));
        return *this;
    }
    Request& request() { return request_; }
    UringPart& part() { return part_; }
    [[nodiscard]] Request done() const {
        Request made = request_;
        made.uring = std::make_shared<const UringPart>(part_);
        return made;
    }

private:
    static inline std::uint64_t numbers = 0;
    Request request_;
    UringPart part_;
};

// A kernel AIO request on a regular file.
inline Request aio_made(std::uint16_t opcode, std::uint64_t iocb, std::uint64_t submit_ns, std::uint64_t complete_ns) {
    Request made;
    made.opcode = opcode;
    made.origin = Origin::kernel;
    made.outcome = Outcome::completed;
    made.context_id = 1;
    made.address = iocb;
    made.fd = 5;
    made.pid = 100;
    made.tid = 101;
    made.comm = "worker";
    made.file = file_of_kind("regular file");
    made.submit_ns = submit_ns;
    made.complete_ns = complete_ns;
    made.reap_ns = complete_ns + 1;
    return made;
}

}  // namespace inflight::model::test
