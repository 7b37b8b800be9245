// SPDX-License-Identifier: Apache-2.0
#include "probe/loader.hpp"

#include "base/namespaces.hpp"
#include "catalog/syscalls.hpp"
#include "contract/held.h"
#include "contract/tables.h"
#include "probe/bpf.hpp"
#include "probe/concessions.hpp"
#include "probe/features.hpp"
#include "probe/programs.hpp"
#include "probe/trial.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <iterator>
#include <ranges>
#include <string>

#include "bpf/inflight.skel.h"

namespace inflight::probe {

namespace {

struct TraceSkeletonDeleter {
    void operator()(inflight_bpf* skeleton) const { inflight_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<inflight_bpf, TraceSkeletonDeleter>;

std::size_t memory_bytes() {
    return static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Result<void> run_iterator(const Link& link) {
    const UniqueFd run(bpf_iter_create(bpf_link__fd(link.get())));
    if (!run.valid()) {
        return failure("look up the contexts that exist", describe_errno(errno));
    }
    std::array<char, 256> nothing{};
    ssize_t got = 0;
    do {
        got = ::read(run.get(), nothing.data(), nothing.size());
    } while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)));
    if (got < 0) {
        return failure("look up the contexts that exist", describe_errno(errno));
    }
    return {};
}

// Known to nobody whose data may come to stand in a buffer.
Result<void> make_key(ifl_u64& key) {
    if (::getrandom(&key, sizeof(key), 0) != sizeof(key)) {
        return failure("get a random number", describe_errno(errno));
    }
    key &= ~ifl_u64{7};
    return {};
}

}  // namespace

std::size_t choose_buffer_bytes(std::size_t asked, std::size_t cpus, std::size_t memory) {
    constexpr std::size_t mib = 1U << 20U;
    if (asked != 0) {
        return std::bit_ceil(std::max(asked, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))));
    }
    // With few CPUs the reader shares one with a producer, and stays away for longer.
    const std::size_t few = std::min(128 * mib / cpus, 64 * mib);
    const std::size_t many = std::min(256 * mib / cpus, 16 * mib);
    return std::bit_floor(std::max(std::min(std::max(few, many), memory / 32 / cpus), mib));
}

struct Probes::State {
    Skeleton skeleton;
    std::vector<Link> links;
    std::vector<const bpf_program*> attached;
    Link iterator;
    Link ring_iterator;
    Link ring_task_iterator;          // after that one
    Link left_iterator;               // before the lists
    Link task_census;                 // none: not wanted, or refused
    bpf_program* surveyor = nullptr;  // null: no io_uring, as the next two
    bpf_program* lists_walker = nullptr;
    bpf_program* ring_census = nullptr;
    HeldPrograms held;
    Report report;
    GivenUp given_up;  // before it loads

    Result<void> load(const Options& options, const KernelTypes& types, const Symbols& symbols);
    // The hook that could not be attached, if any, and its program.
    struct NotAttached {
        std::string program;
        Refusal refusal;
    };
    std::optional<NotAttached> attach(const KernelTypes& types, const Symbols& symbols, const ifl_config& config);
    [[nodiscard]] std::vector<std::string> programs_of_tracepoints(const KernelTypes& types,
                                                                   const ifl_config& config) const {
        auto programs = tracepoint_programs(report.plan, types, config);
        std::erase_if(programs, [this](const std::string& name) { return given_up.is_without(name); });
        return programs;
    }
    // Where a program is kept that no hook runs; null: one does.
    [[nodiscard]] bpf_program** run_by_hand(std::string_view name) {
        return name == "uring_survey"   ? &surveyor
               : name == "uring_lists"  ? &lists_walker
               : name == "census_rings" ? &ring_census
                                        : held.named(name);
    }
    // The same of an iterator.
    [[nodiscard]] Link* iterator_of(std::string_view name) {
        return name == "process_iterator"      ? &iterator
               : name == "uring_iterator"      ? &ring_iterator
               : name == "uring_task_iterator" ? &ring_task_iterator
               : name == "uring_left_iterator" ? &left_iterator
               : name == "census_tasks"        ? &task_census
                                               : nullptr;
    }
    [[nodiscard]] bpf_program* program(const std::string& program_name) const {
        return bpf_object__find_program_by_name(skeleton->obj, program_name.c_str());
    }
};

Result<void> Probes::State::load(const Options& options, const KernelTypes& types, const Symbols& symbols) {
    const Plan& plan = report.plan;
    // Some structures are not in every kernel. libbpf would look for them in the modules too, which needs
    // CAP_SYS_ADMIN; with a file that is given it does not.
    LIBBPF_OPTS(bpf_object_open_opts, open_options);
    open_options.btf_custom_path = options.types_path.empty() ? "/sys/kernel/btf/vmlinux" : options.types_path.c_str();
    skeleton.reset(inflight_bpf__open_opts(&open_options));
    if (!skeleton) {
        return failure("open the kernel side", describe_errno(errno));
    }
    ifl_config& config = skeleton->rodata->config;
    config = options.config;
    config.calls_by_tracepoint = plan.calls_by_tracepoint;
    config.pid_ns = own_pid_namespace();
    config.buffer_bytes = static_cast<std::uint32_t>(report.buffer_bytes_per_cpu);
    config.census_cpus = config.census_cpus != 0 ? static_cast<std::uint32_t>(report.cpus) : 0;
    if (auto made = make_key(config.buffer_key); !made) {
        return made;
    }
    if (plan.requests_by_tracepoint) {
        const auto range = symbols.range("io_submit_one").value_or(AddressRange{});
        config.submit_one_start = range.start;
        config.submit_one_end = range.end;
    }
    // 6.1 and 6.12: (ctx, req, user_data, res, cflags, extra1, extra2); 6.18: (ctx, req, cqe)
    config.cqe_by_pointer = types.tracepoint_arguments("io_uring_complete").value_or(0) == 3 ? 1 : 0;
    config.without_details = given_up.is_without_details() ? 1 : 0;
    config.compat_flag = types.constant("IO_RING_F_COMPAT").value_or(0);
    config.typed_reads = types.has_function("bpf_rdonly_cast") ? 1 : 0;
    config.rw_complete_address = symbols.range("aio_complete_rw").value_or(AddressRange{}).start;
    config.ring_exit_address = symbols.range("io_ring_exit_work").value_or(AddressRange{}).start;
    config.poll_cancel_address = symbols.range("aio_poll_cancel").value_or(AddressRange{}).start;

    bpf_map__set_max_entries(skeleton->maps.buffers, static_cast<__u32>(report.cpus));
    bpf_map__set_value_size(skeleton->maps.buffers, config.buffer_bytes);
    bpf_map__set_max_entries(skeleton->maps.buffer_positions, static_cast<__u32>(report.cpus));
    // A context accepts at least twice what io_setup takes from aio-max-nr for it (fs/aio.c, ioctx_alloc).
    const auto spilled =
        std::clamp<std::size_t>(2 * report.kernel.aio_max_nr, IFL_AIO_SPILLED_LEAST, IFL_AIO_SPILLED_MOST);
    bpf_map__set_max_entries(skeleton->maps.requests, static_cast<__u32>(spilled));
    report.tables = {.aio_requests = bpf_map__max_entries(skeleton->maps.request_slots) + spilled,
                     .uring_requests = std::size_t{bpf_map__max_entries(skeleton->maps.uring_slots)} +
                                       bpf_map__max_entries(skeleton->maps.uring_requests),
                     .contexts = bpf_map__max_entries(skeleton->maps.contexts),
                     .rings = bpf_map__max_entries(skeleton->maps.uring_rings)};
    bpf_map__set_max_entries(skeleton->maps.listed_requests, config.census_cpus != 0 ? IFL_LISTED_MAX : 1);

    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, skeleton->obj) {
        bpf_program__set_autoload(each, false);
    }
    for (const auto& hook : plan.hooks) {
        for (const auto& attachment : attachments(hook, types, symbols)) {
            bpf_program__set_autoload(program(attachment.program), true);
        }
    }
    for (const auto& name : programs_of_tracepoints(types, config)) {
        bpf_program__set_autoload(program(name), true);
    }
    static_cast<void>(take_libbpf_messages());
    if (const int error = inflight_bpf__load(skeleton.get()); error != 0) {
        if (error == -ENOMEM) {
            return failure(
                fmt::format("make buffers of {} bytes for {} CPUs", report.buffer_bytes_per_cpu, report.cpus),
                describe_errno(ENOMEM), "choose smaller ones with --buffer");
        }
        const auto refused = refused_program();
        return failure("load the kernel side", refused ? refused->reason : describe_errno(-error));
    }
    const std::uint8_t one = 1;
    for (const std::uint32_t pid : options.pids) {
        if (bpf_map__update_elem(skeleton->maps.pids, &pid, sizeof(pid), &one, sizeof(one), BPF_ANY) != 0) {
            return failure(fmt::format("filter for process {}", pid), describe_errno(errno));
        }
    }
    return {};
}

std::optional<Probes::State::NotAttached> Probes::State::attach(const KernelTypes& types, const Symbols& symbols,
                                                                const ifl_config& config) {
    const auto keep = [this](bpf_program* attached_program, bpf_link* link) {
        if (link == nullptr) {
            return false;
        }
        links.emplace_back(link);
        attached.push_back(attached_program);
        return true;
    };
    // Ends before beginnings: what begins is then sure to be seen ending.
    for (const auto& name : programs_of_tracepoints(types, config)) {
        bpf_program* tracepoint = program(name);
        if (bpf_program** const by_hand = run_by_hand(name); by_hand != nullptr) {
            *by_hand = tracepoint;
            continue;
        }
        if (Link* const link = iterator_of(name); link != nullptr) {
            link->reset(bpf_program__attach_iter(tracepoint, nullptr));
            if (*link || link == &task_census) {
                continue;
            }
        } else if (keep(tracepoint, bpf_program__attach(tracepoint))) {
            continue;
        }
        const int error = errno;
        return NotAttached{name, Refusal{std::string(hook_of_program(name)), Tier::tracepoint,
                                         fmt::format("{}: {}", name, describe_errno(error)), false}};
    }
    for (const auto& hook : report.plan.hooks | std::views::reverse) {
        auto list = attachments(hook, types, symbols);
        std::ranges::reverse(list);
        for (const auto& attachment : list) {
            bpf_program* attached_program = program(attachment.program);
            bpf_link* link = nullptr;
            if (hook.tier == Tier::kprobe) {
                LIBBPF_OPTS(bpf_kprobe_opts, kprobe);
                kprobe.bpf_cookie = attachment.cookie;
                kprobe.retprobe = attachment.returns;
                link = bpf_program__attach_kprobe_opts(attached_program, attachment.function.c_str(), &kprobe);
            } else {
                link = bpf_program__attach(attached_program);
            }
            if (!keep(attached_program, link)) {
                return NotAttached{attachment.program,
                                   Refusal{std::string(hook.spec->name), hook.tier,
                                           fmt::format("{}: {}", attachment.function, describe_errno(errno)), false}};
            }
        }
    }
    return std::nullopt;
}

Result<Probes> Probes::attach(const Options& options) {
    keep_libbpf_messages(options.verbose);
    if (auto names = check_hook_names(options.without); !names) {
        return std::unexpected(names.error());
    }
    auto kernel = read_kernel_info();
    if (auto prepared = prepare_to_load(kernel); !prepared) {
        return std::unexpected(prepared.error());
    }
    auto types = KernelTypes::load(options.types_path);
    if (!types) {
        return std::unexpected(types.error());
    }
    std::vector<std::string_view> wanted{"aio_complete_rw", "aio_poll_cancel", "io_ring_exit_work"};
    for (const auto& spec : hook_specs()) {
        wanted.push_back(spec.function);
    }
    for (const auto& function : catalog::syscall_entries) {
        wanted.push_back(function.function);
    }
    auto symbols = Symbols::read(wanted);
    if (!symbols) {
        return std::unexpected(symbols.error());
    }

    auto refusals = refusals_for(options.without);
    if (auto reason = fentry_refused("io_submit_one")) {
        refusals.push_back({.hook = "*", .tier = Tier::fentry, .reason = *reason});
    }
    if (auto reason = kprobe_refused("io_submit_one")) {
        refusals.push_back({.hook = "*", .tier = Tier::kprobe, .reason = *reason});
    }
    const Possible why_not = [&](Tier tier, std::string_view function) -> std::optional<std::string> {
        if (tier == Tier::fentry && !types->has_function(function)) {
            return fmt::format("the kernel's BTF has no function {}", function);
        }
        if (tier == Tier::tracepoint && function.starts_with("io_uring_") && !has_tracepoint(*types, function)) {
            return fmt::format("the kernel has no tracepoint {}", function);
        }
        if (tier == Tier::kprobe && !symbols->contains(function)) {
            return fmt::format("the kernel has no function {}", function);
        }
        return std::nullopt;
    };
    Concessions concessions(std::move(refusals), options.verbose);
    // Each round that does not succeed takes something away.
    constexpr std::size_t rounds = 150;
    for (std::size_t round = 0; round < rounds; round++) {
        auto plan = plan_hooks(options.forced, concessions.refusals(), why_not);
        if (!plan) {
            return std::unexpected(plan.error());
        }
        auto state = std::make_unique<State>();
        state->report.kernel = kernel;
        state->report.plan = std::move(*plan);
        state->report.cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
        state->report.buffer_bytes_per_cpu =
            choose_buffer_bytes(options.buffer_bytes_per_cpu, state->report.cpus, memory_bytes());
        state->given_up = concessions.given_up();
        if (auto loaded = state->load(options, *types, *symbols); !loaded) {
            if (concessions.after_load(state->report.plan, *types, *symbols)) {
                continue;
            }
            Error error = loaded.error();
            if (error.hint.empty()) {
                error.hint = concessions.verifier_logs().empty()
                                 ? "--verbose writes what the kernel says of it to a file"
                                 : "what the kernel says of it is in " + concessions.verifier_logs().back();
            }
            return std::unexpected(error);
        }
        if (auto failed = state->attach(*types, *symbols, options.config)) {
            if (!concessions.give_up({.program = failed->program, .reason = failed->refusal.reason})) {
                concessions.refuse(std::move(failed->refusal));
            }
            continue;
        }
        state->report.lost = concessions.given_up().lost();
        std::ranges::move(lost_with_fields(*types), std::back_inserter(state->report.lost));
        state->report.verifier_logs = concessions.verifier_logs();
        state->held.maps = {.sought_files = bpf_map__fd(state->skeleton->maps.sought_files),
                            .sought_all = &state->skeleton->bss->sought_all,
                            .listed = bpf_map__fd(state->skeleton->maps.listed_requests),
                            .listed_count = &state->skeleton->bss->listed_count,
                            .walk_lost = &state->skeleton->bss->walk_lost};
        Probes probes(std::move(state));
        if (auto walked = probes.iterate(); !walked) {
            return std::unexpected(walked.error());
        }
        for (const Link* each : {&probes.state_->ring_iterator, &probes.state_->ring_task_iterator}) {
            if (auto walked = *each ? run_iterator(*each) : Result<void>(); !walked) {
                return std::unexpected(walked.error());
            }
        }
        return probes;
    }
    return failure("attach the hooks", "each tier was refused", "run `inflight doctor`");
}

Probes::Probes(std::unique_ptr<State> state) : state_(std::move(state)) {}
Probes::Probes(Probes&&) noexcept = default;
Probes& Probes::operator=(Probes&&) noexcept = default;
Probes::~Probes() = default;

const Report& Probes::report() const {
    return state_->report;
}
Buffers Probes::buffers() const {
    const auto& config = state_->skeleton->rodata->config;
    return {.data = bpf_map__fd(state_->skeleton->maps.buffers),
            .positions = bpf_map__fd(state_->skeleton->maps.buffer_positions),
            .bytes_per_cpu = config.buffer_bytes,
            .cpus = state_->report.cpus,
            .key = config.buffer_key};
}
int Probes::counters_fd() const {
    return bpf_map__fd(state_->skeleton->maps.counters);
}
int Probes::request_slots_fd() const {
    return bpf_map__fd(state_->skeleton->maps.request_slots);
}
int Probes::requests_fd() const {
    return bpf_map__fd(state_->skeleton->maps.requests);
}
int Probes::unbound_fd() const {
    return bpf_map__fd(state_->skeleton->maps.unbound);
}
int Probes::contexts_fd() const {
    return bpf_map__fd(state_->skeleton->maps.contexts);
}
int Probes::call_slots_fd() const {
    return bpf_map__fd(state_->skeleton->maps.call_slots);
}
int Probes::calls_fd() const {
    return bpf_map__fd(state_->skeleton->maps.calls);
}
int Probes::uring_slots_fd() const {
    return bpf_map__fd(state_->skeleton->maps.uring_slots);
}
int Probes::uring_requests_fd() const {
    return bpf_map__fd(state_->skeleton->maps.uring_requests);
}
int Probes::rings_of_uring_fd() const {
    return bpf_map__fd(state_->skeleton->maps.uring_rings);
}
HeldPrograms Probes::held_programs() const {
    return state_->held;
}
int Probes::pids_fd() const {
    return bpf_map__fd(state_->skeleton->maps.pids);
}

void Probes::detach() {
    // Beginnings before ends, as in attach().
    while (!state_->links.empty()) {
        state_->links.pop_back();
    }
}

Result<std::uint32_t> Probes::iterate() {
    const std::uint32_t pass = ++state_->skeleton->bss->iterator_pass;
    if (state_->iterator) {
        if (auto run = run_iterator(state_->iterator); !run) {
            return std::unexpected(run.error());
        }
    }
    return pass;
}

namespace {

// `program` null: there is nothing to look at.
Result<void> run_once(const bpf_program* program) {
    LIBBPF_OPTS(bpf_test_run_opts, options);
    const int error = program == nullptr ? 0 : bpf_prog_test_run_opts(bpf_program__fd(program), &options);
    if (error != 0) {
        return failure("look at the rings", describe_errno(-error));
    }
    return {};
}

}  // namespace

Result<void> Probes::survey() {
    state_->skeleton->bss->survey_number++;
    state_->skeleton->bss->survey_all = 0;
    return run_once(state_->surveyor);
}

void Probes::begin_last_survey() {
    state_->skeleton->bss->survey_number++;
    state_->skeleton->bss->survey_all = 1;
}

Result<std::size_t> Probes::go_on_with_last_survey() {
    if (auto surveyed = run_once(state_->surveyor); !surveyed) {
        return std::unexpected(surveyed.error());
    }
    return state_->surveyor == nullptr ? 0 : state_->skeleton->bss->survey_left;
}

Result<std::uint32_t> Probes::walk_lists() {
    const std::uint32_t walk = ++state_->skeleton->bss->walk_number;
    if (auto walked = state_->left_iterator ? run_iterator(state_->left_iterator) : Result<void>(); !walked) {
        return std::unexpected(walked.error());
    }
    constexpr int most_runs = 5;
    std::uint32_t& lost = state_->skeleton->bss->walk_lost;
    for (int runs = 0; runs < most_runs && (runs == 0 || lost != 0); runs++) {
        lost = 0;
        if (auto walked = run_once(state_->lists_walker); !walked) {
            return std::unexpected(walked.error());
        }
    }
    return walk;
}

Result<void> Probes::count_tasks() {
    return state_->task_census ? run_iterator(state_->task_census) : Result<void>();
}

Result<void> Probes::read_completions() {
    return run_once(state_->ring_census);
}

std::uint64_t Probes::programs_skipped() const {
    std::uint64_t skipped = 0;
    const bool preempted = preempts_tracepoints();
    for (const bpf_program* program : state_->attached) {
        // What one of the twins skips another one sees; what all miss shows when the memory or the event comes back.
        // Unless preempted, allocations are skipped in interrupts only, where io_submit_one never runs.
        const std::string_view name = bpf_program__name(program);
        const bool harmless = name == "tracepoint_alloc" ? !preempted : has_twins(name);
        skipped += harmless ? 0 : recursion_misses(program);
    }
    return skipped;
}

}  // namespace inflight::probe
