// SPDX-License-Identifier: Apache-2.0
// A file system of the test's own.
#pragma once

#include "faults_support.hpp"
#include "faults_uring.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

namespace inflight::faults {

// An ext4 of its own, that can be frozen without anybody else noticing.
class OwnFileSystem {
public:
    OwnFileSystem() {
        const std::string image = folder_ / "image";
        const bool made = run({"truncate", "-s", "32M", image}).status == 0 &&
                          run({"mkfs.ext4", "-q", image}).status == 0 && ::mkdir(path().c_str(), 0700) == 0;
        mounted_ = made && run({"mount", "-o", "loop", image, path()}).status == 0;
    }
    ~OwnFileSystem() {
        if (mounted_) {
            static_cast<void>(run({"umount", path()}));
        }
    }
    OwnFileSystem(const OwnFileSystem&) = delete;
    OwnFileSystem& operator=(const OwnFileSystem&) = delete;
    [[nodiscard]] bool mounted() const { return mounted_; }
    [[nodiscard]] std::string path() const { return folder_ / "mnt"; }

private:
    Folder folder_;
    bool mounted_ = false;
};

// Freezes the file system of a folder, and submits a write to a file there, in which an io-wq worker then stands still.
// For a child process, which ends with status 1 if that is not possible.
class WriteToFrozen {
public:
    WriteToFrozen(const std::string& folder, std::uint64_t user_data)
        : directory_(::open(folder.c_str(), O_RDONLY)), ring_(4) {
        static const std::array<char, 4096> bytes{};
        const int file = ::open((folder + "/file").c_str(), O_RDWR | O_CREAT, 0600);
        if (directory_ < 0 || file < 0 || ring_.fd() < 0 || ::ioctl(directory_, FIFREEZE, 0) != 0) {
            ::_exit(1);
        }
        io_uring_sqe sqe{};
        sqe.opcode = IORING_OP_WRITE;
        sqe.flags = IOSQE_ASYNC;
        sqe.fd = file;
        sqe.addr = reinterpret_cast<std::uint64_t>(bytes.data());
        sqe.len = bytes.size();
        sqe.user_data = user_data;
        ring_.put(sqe);
        if (!ring_.submit(1)) {
            thaw();
            ::_exit(1);
        }
    }
    [[nodiscard]] uring::Ring& ring() { return ring_; }
    void thaw() const { ::ioctl(directory_, FITHAW, 0); }

private:
    int directory_;
    uring::Ring ring_;
};

}  // namespace inflight::faults
