// SPDX-License-Identifier: Apache-2.0
#include "probe/messages.hpp"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace inflight::probe {

namespace {

std::string& kept_messages() {
    thread_local std::string messages;
    return messages;
}

int keep_message(libbpf_print_level level, const char* format, va_list arguments) {
    constexpr std::size_t keep_bytes = 1500;
    if (level == LIBBPF_DEBUG) {
        return 0;
    }
    char* line = nullptr;
    const int length = ::vasprintf(&line, format, arguments);
    if (length < 0) {
        return length;
    }
    auto& kept = kept_messages();
    kept += line;
    std::free(line);
    if (kept.size() > keep_bytes) {
        kept.erase(0, kept.size() - keep_bytes);
    }
    return length;
}

}  // namespace

void keep_libbpf_messages() {
    libbpf_set_print(keep_message);
}

std::string take_libbpf_messages() {
    return std::exchange(kept_messages(), {});
}

}  // namespace inflight::probe
