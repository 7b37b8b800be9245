// SPDX-License-Identifier: Apache-2.0
// What the repository and the build have: tables, kernels, and the objects of our programs.
#pragma once

#include "gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace inflight::kernels {

inline const std::string folder = INFLIGHT_SOURCE_DIR "/tests/kernels/";

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result) << result.error().message();
    return result ? std::move(*result) : T{};
}

// INFLIGHT_KERNEL_TYPES: those of kernels that are not in the repository yet (tests/kernels/next).
inline std::string types_folder() {
    const char* other = std::getenv("INFLIGHT_KERNEL_TYPES");
    return other != nullptr ? std::string(other) + "/" : folder + "btf/";
}

inline std::vector<std::string> all_series() {
    std::vector<std::string> all;
    for (const auto& file : std::filesystem::directory_iterator(types_folder())) {
        if (file.path().extension() == ".btf") {
            all.push_back(file.path().stem());
        }
    }
    std::ranges::sort(all);
    return all;
}

inline Kernel kernel_of(const std::string& name) {
    return {.series = must(series(name)), .name = name, .types = must(Types::read(types_folder() + name + ".btf"))};
}

inline const Knowledge& knowledge() {
    static const Knowledge all{.lost = must(read_table(folder + "lost.tsv", 3)),
                               .prototypes = must(read_table(folder + "prototypes.tsv", 4)),
                               .names = must(Names::read(folder + "btf/names"))};
    return all;
}

inline const std::vector<Object>& objects() {
    static const std::vector<Object> both = [] {
        std::vector<Object> read;
        for (const auto* name : {"inflight.bpf.o", "inflight_stat.bpf.o"}) {
            read.push_back(must(Object::read(std::string(INFLIGHT_BPF_DIR "/") + name)));
        }
        return read;
    }();
    return both;
}

}  // namespace inflight::kernels
