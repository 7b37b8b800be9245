// SPDX-License-Identifier: Apache-2.0
// The board that driver, canceller and target share.
#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"
#include "unharmed/board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>

namespace inflight::unharmed {

template <typename Number>
[[nodiscard]] Number load(Number& place) {
    return std::atomic_ref(place).load();
}
template <typename Number>
void store(Number& place, Number value) {
    std::atomic_ref(place).store(value);
}
template <typename Number>
void increase(Number& place) {
    std::atomic_ref(place).fetch_add(1);
}

class SharedBoard {
public:
    [[nodiscard]] static Result<SharedBoard> open(const std::string& path) {
        const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        return file.valid() ? map(file, path) : failure(path, describe_errno(errno));
    }
    // Empty, and nobody else's.
    [[nodiscard]] static Result<SharedBoard> create(const std::string& path) {
        ::unlink(path.c_str());
        const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file.valid() || ::ftruncate(file.get(), sizeof(board)) != 0) {
            return failure(path, describe_errno(errno));
        }
        return map(file, path);
    }
    [[nodiscard]] board& get() const { return *memory_; }

private:
    struct Unmap {
        void operator()(board* memory) const { ::munmap(memory, sizeof(board)); }
    };
    explicit SharedBoard(board* memory) : memory_(memory) {}
    static Result<SharedBoard> map(const UniqueFd& file, const std::string& path) {
        void* const memory = ::mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        if (memory == MAP_FAILED) {
            return failure(path, describe_errno(errno));
        }
        return SharedBoard(static_cast<board*>(memory));
    }
    std::unique_ptr<board, Unmap> memory_;
};

}  // namespace inflight::unharmed
