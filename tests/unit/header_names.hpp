// SPDX-License-Identifier: Apache-2.0
// The names that a header of the kernel defines, with their numbers: a reader of C that knows as much of the language
// as the constants of such headers use. The compiler cannot help, because it has the headers of the build machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inflight::test {

struct HeaderName {
    std::string name;
    std::optional<std::uint64_t> value;  // empty: a macro whose expansion is no constant that we can read
    std::string file;                    // "linux/io_uring.h"
};

class Headers {
public:
    // `folder` holds "linux/io_uring.h".
    explicit Headers(std::filesystem::path folder) : folder_(std::move(folder)) {}

    // Of #define and enum, in their order. A file that is not there defines nothing.
    std::vector<HeaderName> names_of(const std::string& file);
    // "7.3.4", from linux/version.h; "of an unknown version".
    [[nodiscard]] std::string version() const;
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

private:
    std::filesystem::path folder_;
    std::map<std::string, std::uint64_t> known_;  // what a later expression may refer to
};

// INFLIGHT_KERNEL_HEADERS if it is set, what tests/kernels/fetch left in the build folder, else those of the system.
[[nodiscard]] Headers newest_headers();

}  // namespace inflight::test
