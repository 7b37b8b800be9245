// SPDX-License-Identifier: Apache-2.0
// Everything that is read out of text or of bytes that a person or another program gives: conditions, times, durations,
// sizes, what a capture says of itself, seccomp filters. The first byte chooses.
#include "act/seccomp.hpp"
#include "base/units.hpp"
#include "capture/account.hpp"
#include "harness.hpp"
#include "model/grouping.hpp"
#include "model/where.hpp"
#include "model/where_time.hpp"

#include <cstring>
#include <string>
#include <string_view>

namespace {

using namespace inflight;

void read_condition(std::string_view text) {
    const auto where = model::Where::parse(text);
    if (!where) {
        fuzz::require(!where.error().why.empty());
        return;
    }
    model::Request request;
    request.comm = "fuzz";
    request.submit_ns = 1;
    request.complete_ns = 5;
    (void)where->matches(request);
}

void read_time(std::string_view text) {
    const model::CaptureClock clock{.start_ns = 1000, .wall_offset_ns = 1'700'000'000'000'000'000};
    (void)model::time_point("--since", std::string(text), clock);
}

// What was read is written so that it can be read again.
void read_amounts(std::string_view text) {
    if (const auto duration_ns = parse_duration_ns(text)) {
        fuzz::require(parse_duration_ns(std::to_string(*duration_ns) + "ns").has_value());
        (void)format_duration(*duration_ns);
    }
    if (const auto bytes = parse_size_bytes(text)) {
        fuzz::require(parse_size_bytes(std::to_string(*bytes)).has_value());
        (void)format_bytes(*bytes);
        (void)format_bytes_exact(*bytes);
    }
}

void read_info(std::string_view text) {
    if (const auto info = capture::info_from_json(text)) {
        fuzz::require(capture::info_from_json(capture::to_json(*info)).has_value());
    }
}

void read_account(std::string_view text) {
    if (const auto account = capture::account_from_json(text)) {
        fuzz::require(capture::account_from_json(capture::to_json(*account)).has_value());
    }
}

void ask_filter(std::string_view bytes) {
    seccomp_data call{};
    std::memcpy(&call, bytes.data(), std::min(sizeof(call), bytes.size()));
    bytes.remove_prefix(std::min(sizeof(call), bytes.size()));
    act::SeccompFilter filter(bytes.size() / sizeof(sock_filter));
    if (!filter.empty()) {
        std::memcpy(filter.data(), bytes.data(), filter.size() * sizeof(sock_filter));
    }
    if (const auto answer = act::seccomp_answer(filter, call)) {
        (void)act::passes_seccomp(*answer);
        (void)act::describe_seccomp(*answer);
    }
}

constexpr void (*readers[])(std::string_view) = {read_condition, read_time,    read_amounts,
                                                 read_info,      read_account, ask_filter};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size != 0) {
        readers[data[0] % std::size(readers)]({reinterpret_cast<const char*>(data) + 1, size - 1});
    }
    return 0;
}
