// SPDX-License-Identifier: Apache-2.0
#include "unharmed/driver/tormentor.hpp"

#include <csignal>
#include <ctime>
#include <span>

namespace inflight::unharmed {

using namespace std::chrono_literals;

Excused::~Excused() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    store(its_.torment_over_ns,
          static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec));
    increase(its_.torments_over);
}

Tormentor::Tormentor(TargetProgram& target, const TargetKind& kind, const std::vector<std::string>& names,
                     Torments& torments, std::uint64_t seed)
    : target_(target), kind_(kind), names_(names), torments_(torments), random_(seed) {
    if (!kind.queued_signals) {
        std::erase(names_, "queued");
    }
    if (!names_.empty()) {
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
}

void Tormentor::send(int number) const {
    ::kill(target_.pid(), number);
}

void Tormentor::queue() {
    board& its = target_.its();
    const auto kind = static_cast<unsigned>(random_() % board_queued_kinds);
    const sigval value{.sival_int = 0};
    if (::sigqueue(target_.pid(), SIGRTMIN + board_first_queued_signal + static_cast<int>(kind), value) == 0) {
        increase(std::span(its.queued_sent)[kind]);
    }
}

void Tormentor::torment() {
    const std::string& name = names_[random_() % names_.size()];
    const Excused excused(target_.its());
    if (name == "stop" || name == "tstp") {
        send(name == "stop" ? SIGSTOP : SIGTSTP);
        sleep_for(std::chrono::microseconds(random_() % 4 == 0 ? random_() % 20000 : random_() % 1000));
        send(SIGCONT);
        torments_.stops++;
        return;
    }
    if (name == "queued") {
        queue();
    } else {
        send(name == "usr1" ? SIGUSR1 : name == "usr2" ? SIGUSR2 : name == "alrm" ? SIGALRM : SIGCONT);
    }
    torments_.signals++;
}

void Tormentor::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        {
            const auto held = pause();
            torment();
        }
        sleep_for(std::chrono::microseconds(random_() % (1000UL * kind_.torments_each_ms_most)));
    }
}

}  // namespace inflight::unharmed
