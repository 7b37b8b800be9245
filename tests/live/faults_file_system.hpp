// SPDX-License-Identifier: Apache-2.0
// A file system of the test's own.
#pragma once

#include "faults_support.hpp"

#include <sys/stat.h>

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

}  // namespace inflight::faults
