// SPDX-License-Identifier: Apache-2.0
#include "probe/stat_loader.hpp"

#include "base/namespaces.hpp"
#include "probe/bpf.hpp"
#include "probe/features.hpp"
#include "probe/mapping.hpp"
#include "probe/stat_hooks.hpp"
#include "probe/trial.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "bpf/inflight_stat.skel.h"

namespace inflight::probe {

namespace {

struct StatSkeletonDeleter {
    void operator()(inflight_stat_bpf* skeleton) const { inflight_stat_bpf__destroy(skeleton); }
};

}  // namespace

struct StatProbes::State {
    std::unique_ptr<inflight_stat_bpf, StatSkeletonDeleter> skeleton;
    Mapping rows;
    Mapping slots;
    Mapping labels;
    std::vector<Link> links;
    std::vector<const bpf_program*> attached;
    StatReport report;
    KernelTypes types;
    Symbols symbols;
    Tier requests = Tier::none;  // of AIO
    Tier cancels = Tier::none;
    std::vector<std::string_view> others;  // programs that are the same in each tier
    GivenUp given_up;                      // before it loads

    [[nodiscard]] bpf_program* program(std::string_view name) const {
        return bpf_object__find_program_by_name(skeleton->obj, std::string(name).c_str());
    }
    void choose_others(const StatOptions& options);
    [[nodiscard]] Result<void> load(const StatOptions& options);
    void set_sizes(const StatOptions& options) const;
    void set_config(const StatOptions& options);
    [[nodiscard]] std::optional<RefusedProgram> attach_all(std::span<const StatPlace> places);
    void describe(const StatOptions& options);
};

void StatProbes::State::choose_others(const StatOptions& options) {
    const auto add = [this](std::string_view name, std::string_view tracepoint) {
        if (types.tracepoint_arguments(tracepoint) && !given_up.is_without(name)) {
            others.push_back(name);
        }
    };
    if (options.uring) {
        add("stat_complete", "io_uring_complete");
        add("stat_cqe_overflow", "io_uring_cqe_overflow");
        add("stat_register", "io_uring_register");
        add("stat_req_failed", "io_uring_req_failed");
        add("stat_submit_req", "io_uring_submit_req");
        add("stat_submit_sqe", "io_uring_submit_sqe");
        if (options.stat.by == IFL_STAT_BY_CONTEXT) {
            add("stat_create", "io_uring_create");
        }
    }
    if (options.common.config.by_pid != 0) {
        add("stat_exit", "sched_process_exit");
    }
    if (options.common.config.follow_children != 0) {
        add("stat_fork", "sched_process_fork");
    }
}

void StatProbes::State::set_sizes(const StatOptions& options) const {
    const auto& stat = report.config;
    auto& maps = skeleton->maps;
    const bool keyed = stat.by != IFL_STAT_BY_OP && stat.by != IFL_STAT_BY_OUTCOME;
    bpf_map__set_max_entries(maps.stat_rows, IFL_STAT_LANES * stat.cpus * stat.rows);
    bpf_map__set_max_entries(maps.stat_labels, keyed ? stat.rows : 1);
    bpf_map__set_max_entries(maps.stat_keys, keyed ? stat.rows : 1);
    bpf_map__set_max_entries(maps.stat_files, options.stat.by == IFL_STAT_BY_FILE ? stat.rows : 1);
    bpf_map__set_max_entries(maps.stat_remembered, stat.cpus);
    bpf_map* each = nullptr;
    bpf_object__for_each_map(each, skeleton->obj) {
        const std::string_view name = bpf_map__name(each);
        // The other tables belong to the tracer; what is shared with it only declares them.
        if (!name.starts_with("stat_") && name != "pids" && bpf_map__type(each) != BPF_MAP_TYPE_ARRAY) {
            bpf_map__set_autocreate(each, false);
        }
    }
}

void StatProbes::State::set_config(const StatOptions& options) {
    ifl_config& config = skeleton->rodata->config;
    ifl_stat_config& stat = report.config;
    config = options.common.config;
    config.pid_ns = own_pid_namespace();
    // The processes are looked up by stat's own programs, which remember the answer.
    stat.by_pid = config.by_pid;
    stat.follow_children = config.follow_children;
    config.by_pid = 0;
    stat.filtered = (stat.by_pid | config.by_comm | config.by_uid | config.by_cgroup) != 0 ? 1 : 0;
    // 6.1 and 6.12: (ctx, req, user_data, res, cflags, extra1, extra2); 6.18: (ctx, req, cqe)
    stat.cqe_by_pointer = types.tracepoint_arguments("io_uring_complete").value_or(0) == 3 ? 1 : 0;
    stat.aio_ops_wanted = with_pairs(stat.aio_ops_wanted);
    const auto start_of = [this](std::string_view name) { return symbols.range(name).value_or(AddressRange{}).start; };
    const auto submit_one = symbols.range("io_submit_one").value_or(AddressRange{});
    config.submit_one_start = submit_one.start;
    config.submit_one_end = submit_one.end;
    config.typed_reads = types.has_function("bpf_rdonly_cast") ? 1 : 0;
    config.rw_complete_address = start_of("aio_complete_rw");
    stat.fsync_work_address = start_of("aio_fsync_work");
    stat.poll_work_address = start_of("aio_poll_complete_work");
    skeleton->rodata->stat_config = stat;
}

Result<void> StatProbes::State::load(const StatOptions& options) {
    // As for the tracer: types that a kernel lacks are not looked for in its modules.
    LIBBPF_OPTS(bpf_object_open_opts, open_options);
    const std::string& types_path = options.common.types_path;
    open_options.btf_custom_path = types_path.empty() ? "/sys/kernel/btf/vmlinux" : types_path.c_str();
    skeleton.reset(inflight_stat_bpf__open_opts(&open_options));
    if (!skeleton) {
        return failure("open the kernel side", describe_errno(errno));
    }
    set_config(options);
    set_sizes(options);
    bpf_program* each = nullptr;
    bpf_object__for_each_program(each, skeleton->obj) {
        bpf_program__set_autoload(each, false);
    }
    const auto load_all = [this](std::span<const StatPlace> places) {
        for (const auto& place : places) {
            bpf_program__set_autoload(program(place.program), true);
        }
    };
    if (requests != Tier::none) {
        load_all(stat_request_places(requests));
    }
    if (cancels != Tier::none) {
        load_all(stat_cancel_places(cancels));
    }
    for (const auto name : others) {
        bpf_program__set_autoload(program(name), true);
    }
    static_cast<void>(take_libbpf_messages());
    if (const int error = inflight_stat_bpf__load(skeleton.get()); error != 0) {
        const auto refused = refused_program();
        return failure("load the kernel side", refused ? refused->reason : describe_errno(-error),
                       options.common.verbose ? "" : "--verbose writes what the kernel says of it to a file");
    }
    const std::uint8_t one = 1;
    for (const std::uint32_t pid : options.common.pids) {
        if (bpf_map__update_elem(skeleton->maps.pids, &pid, sizeof(pid), &one, sizeof(one), BPF_ANY) != 0) {
            return failure(fmt::format("filter for process {}", pid), describe_errno(errno));
        }
    }
    for (auto [mapping, map, protection] : {std::tuple(&rows, skeleton->maps.stat_rows, PROT_READ | PROT_WRITE),
                                            std::tuple(&slots, skeleton->maps.stat_slots, PROT_READ | PROT_WRITE),
                                            std::tuple(&labels, skeleton->maps.stat_labels, PROT_READ)}) {
        if (auto mapped = mapping->map(map, protection); !mapped) {
            return mapped;
        }
    }
    return {};
}

// The reason of the first that cannot be attached; those before it stay.
std::optional<RefusedProgram> StatProbes::State::attach_all(std::span<const StatPlace> places) {
    for (const auto& place : places) {
        bpf_program* what = program(place.program);
        bpf_link* link = nullptr;
        if (place.function.empty()) {
            link = bpf_program__attach(what);
        } else {
            LIBBPF_OPTS(bpf_kprobe_opts, kprobe);
            kprobe.retprobe = place.returns;
            link = bpf_program__attach_kprobe_opts(what, std::string(place.function).c_str(), &kprobe);
        }
        if (link == nullptr) {
            return RefusedProgram{.program = std::string(place.program),
                                  .reason = fmt::format("{}: {}", place.program, describe_errno(errno))};
        }
        links.emplace_back(link);
        attached.push_back(what);
    }
    return std::nullopt;
}

void StatProbes::State::describe(const StatOptions& options) {
    auto& limits = report.limits;
    std::vector<std::string_view> hooks;
    if (options.uring) {
        if (std::ranges::find(others, "stat_complete") != others.end()) {
            hooks.emplace_back("io_uring tracepoints");
        } else {
            limits.emplace_back(given_up.is_without("stat_complete")
                                    ? "only kernel AIO is counted"
                                    : "this kernel has no io_uring: only kernel AIO is counted");
        }
    }
    if (options.aio && requests != Tier::none) {
        hooks.push_back(name(requests));
    }
    report.hooks = fmt::format("{}", fmt::join(hooks, " and "));
    report.ops_known_late = requests == Tier::tracepoint;
    if (requests == Tier::tracepoint) {
        limits.emplace_back(
            "kernel AIO is seen at the slab allocator: a completion is timed at the free right after it, and pread "
            "cannot be told from preadv, pwrite from pwritev, fsync from fdsync");
    }
    if (cancels == Tier::tracepoint) {
        limits.emplace_back(
            "the hook on io_cancel slows every system call of the machine by about 0.1 µs; --family uring or "
            "--without-hook do_io_cancel does without it");
    }
    if (options.aio && requests != Tier::none && cancels == Tier::none) {
        limits.emplace_back("what io_cancel said is not seen");
    }
    report.lost = given_up.lost();
    for (const auto& each : report.lost) {
        limits.push_back(each.sentence());
    }
}

Result<StatProbes> StatProbes::attach(const StatOptions& options) {
    keep_libbpf_messages(options.common.verbose);
    const auto kernel = read_kernel_info();
    if (auto allowed = prepare_to_load(kernel); !allowed) {
        return std::unexpected(allowed.error());
    }
    auto without = tiers_without(options.common.without);
    if (!without) {
        return std::unexpected(without.error());
    }
    auto types = KernelTypes::load(options.common.types_path);
    if (!types) {
        return std::unexpected(types.error());
    }
    auto& refused_requests = without->requests;
    auto& refused_cancels = without->cancels;
    Symbols symbols;
    std::vector<std::string> reasons;
    if (options.aio) {
        auto read = Symbols::read({"io_submit_one", "aio_complete", "aio_complete_rw", "aio_fsync_work",
                                   "aio_poll_complete_work", "__x64_sys_io_cancel"});
        if (!read) {
            return std::unexpected(read.error());
        }
        symbols = std::move(*read);
        const auto refuse = [&](Tier tier, const std::string& reason) {
            refused_requests.push_back(tier);
            refused_cancels.push_back(tier);
            reasons.push_back(fmt::format("{}: {}", name(tier), reason));
        };
        if (!types->has_function("io_submit_one") || !types->has_function("aio_complete")) {
            refuse(Tier::fentry, "the kernel's BTF has no io_submit_one or aio_complete");
        } else if (auto reason = fentry_refused("io_submit_one")) {
            refuse(Tier::fentry, *reason);
        }
        if (auto reason = kprobe_refused("io_submit_one")) {
            refuse(Tier::kprobe, *reason);
        }
    }
    const auto choose = [&](const std::vector<Tier>& refused) {
        for (const Tier tier : {Tier::fentry, Tier::kprobe, Tier::tracepoint}) {
            const bool allowed = !options.common.forced || *options.common.forced == tier;
            if (allowed && std::ranges::find(refused, tier) == refused.end()) {
                return tier;
            }
        }
        return Tier::none;
    };
    GivenUp given_up;
    std::vector<std::string> verifier_logs;
    std::optional<std::string> aio_refused;  // by a kernel that does not take our programs for it
    // Takes away what the kernel refuses: a tier, or what a program is for. False: the program is needed.
    const auto do_without = [&](const State& state, const RefusedProgram& refused) {
        const auto take = [&](Tier tier, std::span<const StatPlace> places, std::vector<Tier>& refused_tiers) {
            if (tier == Tier::none || std::ranges::find(places, refused.program, &StatPlace::program) == places.end()) {
                return false;
            }
            refused_tiers.push_back(tier);
            reasons.push_back(fmt::format("{}: {}", name(tier), refused.reason));
            aio_refused = &refused_tiers == &refused_requests ? std::optional(refused.reason) : aio_refused;
            return true;
        };
        return take(state.requests, stat_request_places(state.requests), refused_requests) ||
               take(state.cancels, stat_cancel_places(state.cancels), refused_cancels) || given_up.give_up(refused);
    };
    // Each round that does not succeed takes something away.
    for (;;) {
        auto state = std::make_unique<State>();
        state->given_up = given_up;
        state->report.verifier_logs = verifier_logs;
        state->types = std::move(*types);
        state->symbols = symbols;
        state->report.kernel_release = kernel.release;
        state->report.config = options.stat;
        state->report.config.cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
        state->choose_others(options);
        if (options.aio && !given_up.is_without("stat_alloc")) {
            state->requests = choose(refused_requests);
            state->cancels = choose(refused_cancels);
            const bool others_left = options.uring && !state->others.empty() && !options.common.forced;
            if (state->requests == Tier::none && aio_refused && others_left &&
                given_up.give_up({.program = "stat_alloc", .reason = *aio_refused})) {
                types = std::move(state->types);
                continue;
            }
            if (state->requests == Tier::none) {
                return failure(
                    "attach the hooks on requests of kernel AIO",
                    reasons.empty() ? "left out with --without-hook" : fmt::format("{}", fmt::join(reasons, "; ")),
                    options.common.forced ? "leave out --hooks to let inflight choose another tier"
                                          : "count io_uring only: --family uring");
            }
        }
        const auto divided = divided_pair(options.stat.aio_ops_wanted);
        if (divided && state->requests == Tier::tracepoint) {
            return failure(fmt::format("count only one of {}", *divided),
                           "the hooks that this kernel allows cannot tell them apart",
                           fmt::format("count both: --op {}", *divided));
        }
        if (state->requests == Tier::none && state->others.empty()) {
            return failure("count requests of io_uring",
                           given_up.lost().empty() ? "this kernel has no io_uring" : given_up.lost().back().reason);
        }
        if (auto loaded = state->load(options); !loaded) {
            const auto refused = refused_program();
            if (auto path =
                    refused && options.common.verbose ? write_verifier_log() : Result<std::string>(std::string());
                path && !path->empty()) {
                verifier_logs.push_back(*path);
            }
            if (refused && do_without(*state, *refused)) {
                types = std::move(state->types);
                continue;
            }
            return std::unexpected(loaded.error());
        }
        std::vector<StatPlace> same_in_each;
        for (const auto each : state->others) {
            same_in_each.push_back({each, "", false});
        }
        if (const auto refused = state->attach_all(same_in_each)) {
            if (do_without(*state, *refused)) {
                types = std::move(state->types);
                continue;
            }
            return failure("attach a hook", refused->reason, "run `inflight doctor` to see what this kernel allows");
        }
        const auto place = [&](Tier tier, std::span<const StatPlace> places) {
            const auto refused = tier == Tier::none ? std::nullopt : state->attach_all(places);
            return !refused || !do_without(*state, *refused);
        };
        if (place(state->requests, stat_request_places(state->requests)) &&
            place(state->cancels, stat_cancel_places(state->cancels))) {
            state->describe(options);
            return StatProbes(std::move(state));
        }
        types = std::move(state->types);
    }
}

StatProbes::StatProbes(std::unique_ptr<State> state) : state_(std::move(state)) {}
StatProbes::StatProbes(StatProbes&&) noexcept = default;
StatProbes& StatProbes::operator=(StatProbes&&) noexcept = default;
StatProbes::~StatProbes() = default;

const StatReport& StatProbes::report() const {
    return state_->report;
}

std::span<const ifl_stat_row> StatProbes::rows() const {
    return {static_cast<const ifl_stat_row*>(state_->rows.at()),
            bpf_map__max_entries(state_->skeleton->maps.stat_rows)};
}

std::span<const ifl_stat_slot> StatProbes::slots() const {
    return {static_cast<const ifl_stat_slot*>(state_->slots.at()), IFL_STAT_SLOTS};
}

std::span<const ifl_stat_label> StatProbes::labels() const {
    return {static_cast<const ifl_stat_label*>(state_->labels.at()),
            bpf_map__max_entries(state_->skeleton->maps.stat_labels)};
}

ifl_stat_shared StatProbes::shared() const {
    return state_->skeleton->bss->stat_shared;
}

std::vector<ifl_stat_slot> StatProbes::collided() const {
    std::vector<ifl_stat_slot> found;
    const int fd = bpf_map__fd(state_->skeleton->maps.stat_collided);
    std::uint64_t key = 0;
    const std::uint64_t* before = nullptr;
    std::uint64_t next = 0;
    // Bounded: entries come and go while we walk.
    for (std::size_t steps = 0; steps < IFL_STAT_COLLIDED && bpf_map_get_next_key(fd, before, &next) == 0; steps++) {
        ifl_stat_slot slot{};
        if (bpf_map_lookup_elem(fd, &next, &slot) == 0) {
            found.push_back(slot);
        }
        key = next;
        before = &key;
    }
    return found;
}

std::optional<ifl_file> StatProbes::file(std::uint32_t row) const {
    ifl_file file{};
    if (state_->report.config.by != IFL_STAT_BY_FILE ||
        bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.stat_files), &row, &file) != 0) {
        return std::nullopt;
    }
    return file;
}

std::span<ifl_stat_slot> StatProbes::writable_slots() {
    return {static_cast<ifl_stat_slot*>(state_->slots.at()), IFL_STAT_SLOTS};
}

// As count_unseen() of bpf/stat.h does it.
void StatProbes::count_unseen(const ifl_stat_slot& slot) {
    const ifl_stat_config& config = report().config;
    const bool aio = (slot.flags & IFL_STAT_SLOT_AIO) != 0;
    const std::uint32_t first = aio ? IFL_STAT_AIO_ROWS : 0;
    std::uint32_t row = slot.row;
    if (row == IFL_STAT_ROW_LATE && config.by == IFL_STAT_BY_OP) {
        row = aio ? first + IFL_STAT_AIO_UNKNOWN : std::uint32_t{IFL_STAT_OP_OTHER};
    } else if (row == IFL_STAT_ROW_LATE && config.by == IFL_STAT_BY_OUTCOME) {
        row = first + IFL_STAT_OUTCOMES;
    } else if (row == IFL_STAT_ROW_LATE) {
        row = aio ? IFL_STAT_ROW_OTHERS_AIO : IFL_STAT_ROW_OTHERS_URING;
    }
    if (row < config.rows) {
        auto* const rows = static_cast<ifl_stat_row*>(state_->rows.at());
        const std::size_t place = std::size_t{IFL_STAT_LANE_REST} * config.cpus * config.rows + row;
        const ifl_u32 more = (slot.flags & IFL_STAT_SLOT_DOUBLED) != 0 ? slot.mark : 0;
        __atomic_fetch_add(&rows[place].unseen, 1 + more, __ATOMIC_RELAXED);
    }
    if ((slot.flags & IFL_STAT_SLOT_SKIP) == 0) {
        __atomic_fetch_add(&state_->skeleton->bss->stat_shared.unseen_unasked, 1, __ATOMIC_RELAXED);
    }
}

bool StatProbes::remove_collided(std::uint64_t id) {
    if (bpf_map_delete_elem(bpf_map__fd(state_->skeleton->maps.stat_collided), &id) != 0) {
        return false;
    }
    __atomic_fetch_sub(&state_->skeleton->bss->stat_shared.collided, 1, __ATOMIC_RELAXED);
    return true;
}

unsigned StatProbes::turn_maxima() {
    return state_->skeleton->bss->stat_shared.epoch++ & 1U;
}

void StatProbes::clear_maxima(unsigned parity) {
    auto* const rows = static_cast<ifl_stat_row*>(state_->rows.at());
    for (std::size_t i = 0; i < this->rows().size(); i++) {
        if (rows[i].max_ns[parity] != 0) {
            rows[i].max_ns[parity] = 0;
        }
    }
}

std::uint64_t StatProbes::programs_skipped() const {
    std::uint64_t skipped = 0;
    const bool preempted = preempts_tracepoints();
    for (const bpf_program* program : state_->attached) {
        // Where tracepoints are not preempted, allocations are skipped in interrupts only, and io_submit_one never runs
        // there. Elsewhere any of them may be the one that was missed.
        const std::string_view name = bpf_program__name(program);
        const bool harmless = name == "stat_alloc" ? !preempted : stat_has_twins(name);
        skipped += harmless ? 0 : recursion_misses(program);
    }
    return skipped;
}

void StatProbes::detach() {
    state_->links.clear();
}

}  // namespace inflight::probe
