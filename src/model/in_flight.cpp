// SPDX-License-Identifier: Apache-2.0
#include "model/in_flight.hpp"

#include "model/tracker.hpp"
#include "model/uring_abi.hpp"

#include <fmt/format.h>
#include <linux/aio_abi.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <unordered_map>
#include <utility>

namespace inflight::model {
namespace {

struct StageRow {
    Stage stage;
    std::string_view name;
    std::string_view text;
    bool can_cancel;
    std::string_view why;  // not; or a remark
};

constexpr std::array stage_rows{
    StageRow{Stage::issued, "issued", "with the file system or device", false,
             "a file system or device works on it, and the kernel has no way to call it back"},
    StageRow{Stage::iopoll, "iopoll", "with a polled device", false,
             "a device works on it, or has done so: it ends when its program polls the device (io_uring_enter with "
             "IORING_ENTER_GETEVENTS)"},
    StageRow{Stage::poll, "poll", "armed on poll", true, ""},
    StageRow{Stage::work, "work", "ready, waits for its thread", true,
             "it ends as soon as its thread enters the kernel (io_uring_enter with IORING_ENTER_GETEVENTS)"},
    StageRow{Stage::timer, "timer", "timer runs", true, ""},
    StageRow{Stage::futex, "futex", "waits on a futex", true, ""},
    StageRow{Stage::child, "child", "waits for a child", true, ""},
    StageRow{Stage::command, "command", "with a driver", true, "whether it gives it up is the driver's choice"},
    StageRow{Stage::wq_queued, "io-wq-queued", "queued in io-wq", true, ""},
    StageRow{Stage::wq_running, "io-wq-running", "running in io-wq", true,
             "it is interrupted, and ends when what it works on can be"},
    StageRow{Stage::drain, "drain", "held back by drain", false,
             "it has not begun: what was submitted before it must end first"},
    StageRow{Stage::link, "link", "waits on a link", false,
             "it has not begun: cancel what it is linked to, and it is cancelled with it"},
    StageRow{Stage::kworker, "kworker", "running in a kworker", false,
             "the kernel can cancel polls of kernel AIO and nothing else"},
    StageRow{Stage::unreaped, "unreaped", "completed, not reaped", false,
             "it has completed, and waits to be taken by its program"},
    StageRow{Stage::backlog, "backlog", "completed, in the backlog", false,
             "it has completed; the ring was full, and an io_uring_enter that waits for completions moves it there"},
};

const StageRow& row_of(Stage stage) {
    for (const StageRow& row : stage_rows) {
        if (row.stage == stage) {
            return row;
        }
    }
    return stage_rows.front();
}

constexpr std::array place_stages{Stage::issued, Stage::poll,    Stage::timer,     Stage::futex,
                                  Stage::child,  Stage::command, Stage::wq_queued, Stage::wq_running,
                                  Stage::drain,  Stage::link,    Stage::work,      Stage::iopoll};
static_assert(place_stages.size() == IFL_PLACE_COUNT, "one for each place");

// One step of splitmix64.
std::uint64_t mixed(std::uint64_t value) {
    value += 0x9E3779B97F4A7C15U;
    value = (value ^ value >> 30U) * 0xBF58476D1CE4E5B9U;
    value = (value ^ value >> 27U) * 0x94D049BB133111EBU;
    return value ^ value >> 31U;
}

}  // namespace

std::string_view describe(Stage stage) {
    return row_of(stage).text;
}

std::string_view name(Stage stage) {
    return row_of(stage).name;
}

std::string_view reason(Stage stage) {
    return row_of(stage).why;
}

Stage stage_of(const Request& request) {
    if (request.family == Family::uring) {
        return request.uring ? place_stages.at(request.uring->place) : Stage::issued;
    }
    switch (request.opcode.value_or(IOCB_CMD_NOOP)) {
        case IOCB_CMD_POLL:
            return Stage::poll;
        case IOCB_CMD_FSYNC:
        case IOCB_CMD_FDSYNC:
            return Stage::kworker;
        default:
            return Stage::issued;
    }
}

std::string_view name(CancelMeans means) {
    constexpr std::array<std::string_view, 3> names{"none", "ring", "inject"};
    return names.at(static_cast<std::size_t>(means));
}

Cancellable cancellable(const Request& request, const RingPart* ring) {
    const Stage stage = stage_of(request);
    const StageRow& row = row_of(stage);
    if (!row.can_cancel) {
        const bool aio = request.family == Family::aio;
        return {.means = CancelMeans::none, .why = aio ? row_of(Stage::kworker).why : row.why};
    }
    if (request.family == Family::aio) {
        return {.means = CancelMeans::inject, .why = ""};
    }
    if (ring != nullptr && ring->closing) {
        return {.means = CancelMeans::none, .why = "its ring is being freed: the kernel has cancelled it already"};
    }
    if (request.opcode == uring::op_link_timeout) {
        return {.means = CancelMeans::none, .why = "it is the timeout of another: cancel that one, and it ends too"};
    }
    if (stage == Stage::work && request.opcode == uring::op_timeout) {
        return {.means = CancelMeans::none,
                .why = "its timer has fired, and its thread has not entered the kernel yet"};
    }
    if (ring != nullptr && (ring->setup_flags & uring::setup_sqpoll) != 0 &&
        (stage == Stage::wq_queued || stage == Stage::wq_running)) {
        return {.means = CancelMeans::none,
                .why = "io-wq work of a ring with a SQ thread is that thread's, and nobody else can reach it"};
    }
    if (ring != nullptr && (ring->setup_flags & uring::setup_single_issuer) != 0) {
        return {.means = CancelMeans::inject, .why = row.why};
    }
    return {.means = CancelMeans::ring, .why = row.why};
}

std::string id_of(const Request& request) {
    std::uint64_t digest = 0;
    for (const std::uint64_t part :
         {request.kernel_address, request.user_data, request.address, std::uint64_t{request.opcode.value_or(0)},
          static_cast<std::uint64_t>(request.family)}) {
        digest = mixed(digest ^ part);
    }
    constexpr unsigned kept_bits = 40;
    return fmt::format("{}-{:010x}", request.pid, digest & ((std::uint64_t{1} << kept_bits) - 1));
}

std::vector<InFlight> list_in_flight(const Tracker& tracker, std::uint64_t start_ns, std::uint64_t now_ns) {
    std::unordered_map<std::uint64_t, RingPart> rings;
    tracker.each_context([&rings](const Context& context) {
        if (context.ring) {
            rings.emplace(context.context_id, *context.ring);
        }
    });
    std::vector<InFlight> list;
    tracker.each_in_flight([&](const Request& request) {
        InFlight each;
        each.request = request;
        each.id = id_of(request);
        each.stage = stage_of(request);
        const auto ring = rings.find(request.context_id);
        if (request.family == Family::uring && ring != rings.end()) {
            each.ring = ring->second;
        }
        each.cancellable = cancellable(request, each.ring ? &*each.ring : nullptr);
        each.age_known = request.submit_ns.has_value();
        const std::uint64_t since_ns = request.submit_ns.value_or(start_ns);
        each.age_ns = now_ns - std::min(now_ns, since_ns);
        list.push_back(std::move(each));
    });
    std::ranges::sort(list, [](const InFlight& a, const InFlight& b) {
        return a.age_known != b.age_known ? b.age_known : a.age_ns != b.age_ns ? a.age_ns > b.age_ns : a.id < b.id;
    });
    return list;
}

}  // namespace inflight::model
