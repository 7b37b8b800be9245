// SPDX-License-Identifier: Apache-2.0
// Cancels requests of a target, one after the other, as `inflight cancel` does, but without looking for them first: it
// reads them from the target's board. A process of its own, for the driver to kill.
#include "act/cancelling.hpp"
#include "unharmed/shared_board.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <random>
#include <span>
#include <string_view>

namespace inflight::unharmed {
namespace {

std::uint64_t number_of(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// Which of the three ways to cancel are tried.
struct Choice {
    bool ring = true;
    bool inject = true;
    bool no_stop = true;
};

act::Order order_for(pid_t pid, const board_order& request, const Choice& choice, std::mt19937_64& random) {
    const bool aio = request.ctx_id != 0;
    const bool must_inject = aio || request.only_thread != 0;
    const bool inject = must_inject || !choice.ring || (choice.inject && random() % 2 == 0);
    return {.pid = pid,
            .aio = aio,
            .way = inject ? act::Way::inject : act::Way::ring,
            .ctx_id = request.ctx_id,
            .iocb = request.iocb,
            .ring_fd = request.ring_fd,
            .user_data = request.user_data,
            .only_thread = request.only_thread,
            .hold_all = !choice.no_stop || random() % 3 != 0,
            .sq_thread = false,
            .still_in_flight = [] { return true; },
            .timeout_ns = 1'000'000};
}

bool ended_it(const act::Order& order, std::int64_t ret) {
    return order.aio ? ret == -EINPROGRESS : ret >= 0;
}

int run(std::span<char*> arguments) {
    if (arguments.size() < 5) {
        fmt::print(stderr, "usage: unharmed_canceller BOARD PID COUNT SEED [ring] [inject] [no-stop]\n");
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto shared = SharedBoard::open(arguments[1]);
    if (!shared) {
        fmt::print(stderr, "{}\n", shared.error().message());
        return 2;
    }
    board& its = shared->get();
    const auto pid = static_cast<pid_t>(number_of(arguments[2]));
    const std::uint64_t count = number_of(arguments[3]);
    std::mt19937_64 random(number_of(arguments[4]));
    const auto has = [&](std::string_view word) {
        return std::ranges::find(arguments.subspan(5), word, [](const char* each) { return std::string_view(each); }) !=
               arguments.end();
    };
    const Choice choice{.ring = has("ring"), .inject = has("inject"), .no_stop = has("no-stop")};
    for (std::uint64_t done = 0; done < count; done++) {
        const auto orders = std::min<std::uint32_t>(load(its.orders_count), board_orders_max);
        if (orders == 0) {
            const timespec pause{.tv_sec = 0, .tv_nsec = 2'000'000};
            ::nanosleep(&pause, nullptr);
            continue;
        }
        const board_order request = std::span(its.orders)[random() % orders];
        const act::Order order = order_for(pid, request, choice, random);
        increase(its.cancels_begun);
        const auto answer = act::cancel(order);
        if (!answer || !answer->tried) {
            const std::string why = answer ? answer->refusal : answer.error().message();
            std::strncpy(&its.last_refusal[0], why.c_str(), sizeof(its.last_refusal) - 1);
            increase(its.cancels_refused);
            const timespec pause{.tv_sec = 0, .tv_nsec = 500'000};
            ::nanosleep(&pause, nullptr);
            continue;
        }
        increase(its.cancels_made);
        if (ended_it(order, answer->ret)) {
            increase(its.cancels_ended);
        }
    }
    return 0;
}

}  // namespace
}  // namespace inflight::unharmed

int main(int argc, char** argv) {
    return inflight::unharmed::run({argv, static_cast<std::size_t>(argc)});
}
