// SPDX-License-Identifier: Apache-2.0
#include "base/namespaces.hpp"
#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/filters.hpp"
#include "probe/loader.hpp"
#include "view/escape.hpp"

#include <fmt/format.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

namespace inflight::cli {

namespace {

// Exit statuses of doctor.
constexpr int exit_all = 0;
constexpr int exit_degraded = 1;

using Writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

// In which namespaces we run, and what follows.
std::vector<std::string> namespaces() {
    std::vector<std::string> said;
    if (own_pid_namespace() != 0) {
        said.push_back(
            "pid namespace of its own: processes have the numbers that they have here; one that is not visible here is "
            "shown as host:NUMBER, and what it had in flight before the start is not found");
    }
    if (!proc_is_own()) {
        said.push_back(
            "/proc shows the processes of another pid namespace: --pid, cancel and names of files need the own one "
            "(mount -t proc proc /proc)");
    }
    if (in_cgroup_namespace()) {
        said.push_back("cgroup namespace of its own: --cgroup takes paths as they are seen here");
    }
    if (in_user_namespace()) {
        said.push_back(
            "user namespace of its own: its root has no right over the kernel, and nothing can be traced from here");
    }
    return said;
}

void write_string(Writer& writer, std::string_view text) {
    const std::string quoted = '"' + view::json_escaped(text) + '"';
    writer.RawValue(quoted.data(), quoted.size(), rapidjson::kStringType);
}

void write_member(Writer& writer, std::string_view key, std::string_view text) {
    writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
    write_string(writer, text);
}

bool loses_more_than_details(const probe::Report& report) {
    constexpr std::array<std::string_view, 4> large{"io_uring", "aio", "calls", "refused-sqes"};
    return std::ranges::any_of(report.lost, [&](const model::LostFeature& each) {
        return std::ranges::find(large, each.name) != large.end();
    });
}

class Doctor final : public Command {
public:
    CLI::App* declare(CLI::App& root) override;
    int run() override;

private:
    static std::string as_text(const probe::KernelInfo& kernel, const probe::Report* report, const Error* error,
                               int status);
    static std::string as_json(const probe::KernelInfo& kernel, const probe::Report* report, const Error* error,
                               int status);

    HookOptions hooks_;
    std::string format_ = "text";
};

CLI::App* Doctor::declare(CLI::App& root) {
    CLI::App* app =
        root.add_subcommand("doctor", "Show what this kernel allows, which hooks are used, and what is lost by it");
    app->add_option("-o,--format", format_, "Write text or json")
        ->check(CLI::IsMember({"text", "json"}).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    declare_hooks(*app, hooks_);
    app->footer("Exit status: 0 everything is seen, 1 something is lost (degraded), 2 usage, 3 cannot trace here.\n\n" +
                examples_footer({{"inflight doctor", "try the hooks and print what was found"},
                                 {"inflight doctor --hooks kprobe", "the same for one tier"}}));
    return app;
}

int Doctor::run() {
    probe::Options options;
    std::optional<Error> error;
    if (auto applied = apply_hooks(hooks_, options); !applied) {
        print_error(applied.error());
        return exit_usage;
    }
    const auto probes = probe::Probes::attach(options);
    const auto kernel = probes ? probes->report().kernel : probe::read_kernel_info();
    const probe::Report* report = probes ? &probes->report() : nullptr;
    const Error* failed = probes ? nullptr : &probes.error();
    const int status = report == nullptr ? exit_cannot_trace : report->degraded() ? exit_degraded : exit_all;
    return print_text(
        format_ == "json" ? as_json(kernel, report, failed, status) : as_text(kernel, report, failed, status), status);
}

std::string Doctor::as_text(const probe::KernelInfo& kernel, const probe::Report* report, const Error* error,
                            int status) {
    std::string out;
    const auto put = [&out]<typename... Values>(fmt::format_string<Values...> format, Values&&... values) {
        fmt::format_to(std::back_inserter(out), format, std::forward<Values>(values)...);
    };
    const auto yes = [](bool value) { return value ? "yes" : "no"; };
    put("kernel         {}\n", view::printable(kernel.release));
    put("BTF            {}\n", yes(kernel.has_btf));
    put("may load BPF   {}   read memory with it {}   read symbols {}\n", yes(kernel.effective_bpf),
        yes(kernel.effective_perfmon), yes(kernel.effective_syslog));
    for (const auto& each : namespaces()) {
        put("namespace      {}\n", each);
    }
    put("lockdown       {}\n", kernel.lockdown.empty() ? "this kernel has none" : view::printable(kernel.lockdown));
    const double share = kernel.aio_max_nr == 0
                             ? 0.0
                             : 100.0 * static_cast<double>(kernel.aio_nr) / static_cast<double>(kernel.aio_max_nr);
    put("aio-nr         {} of aio-max-nr {} ({:.1f}%)\n", kernel.aio_nr, kernel.aio_max_nr, share);
    if (report == nullptr) {
        put("\nThis machine cannot be traced: {}: {}\n", view::printable(error->what), view::printable(error->why));
        if (!error->hint.empty()) {
            put("  {}\n", view::printable(error->hint));
        }
        return out;
    }
    put("buffers        {} for each of {}\n", format_bytes(report->buffer_bytes_per_cpu), counted(report->cpus, "CPU"));
    put("in flight      up to {} requests of kernel AIO and {} of io_uring at a time; those beyond count as lost\n",
        report->tables.aio_requests, report->tables.uring_requests);
    put("known          up to {} contexts and {} rings at a time\n", report->tables.contexts, report->tables.rings);
    put("\n{:<20} {:<11} {}\n", "hook", "tier", "shows");
    for (const auto& hook : report->plan.hooks) {
        put("{:<20} {:<11} {}\n", hook.spec->name, name(hook.tier), hook.spec->purpose);
    }
    // Most hooks have the same reason and the same loss: say each once.
    std::vector<std::string> said;
    const auto say = [&said, &put](std::string_view heading, const std::string& text, bool& first) {
        if (text.empty() || std::ranges::find(said, text) != said.end()) {
            return;
        }
        said.push_back(text);
        if (std::exchange(first, false)) {
            put("\n{}\n", heading);
        }
        put("  {}\n", view::printable(text));
    };
    bool first = true;
    for (const auto& hook : report->plan.hooks) {
        for (const auto& refused : hook.refused) {
            say("refused", refused, first);
        }
    }
    first = true;
    for (const auto& hook : report->plan.hooks) {
        say("lost by it", hook.lost, first);
    }
    for (const auto& each : report->lost) {
        say("lost by it", each.sentence(), first);
    }
    for (const auto& path : report->verifier_logs) {
        put("\nWhat the kernel says of a program that it refuses is in {}\n", view::printable(path));
    }
    put("\n{}\n", status == exit_all                 ? "Everything is seen."
                  : loses_more_than_details(*report) ? "What is named above is not seen; the rest is."
                                                     : "Requests, outcomes and verdicts are all seen; the details "
                                                       "above are not.");
    return out;
}

std::string Doctor::as_json(const probe::KernelInfo& kernel, const probe::Report* report, const Error* error,
                            int status) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    writer.StartObject();
    write_member(writer, "status", status == exit_all ? "all" : status == exit_degraded ? "degraded" : "cannot-trace");
    write_member(writer, "kernel", kernel.release);
    writer.Key("btf");
    writer.Bool(kernel.has_btf);
    writer.Key("may_load_bpf");
    writer.Bool(kernel.effective_bpf);
    writer.Key("may_read_memory");
    writer.Bool(kernel.effective_perfmon);
    writer.Key("may_read_symbols");
    writer.Bool(kernel.effective_syslog);
    write_member(writer, "lockdown", kernel.lockdown);
    writer.Key("namespaces");
    writer.StartArray();
    for (const auto& each : namespaces()) {
        write_string(writer, each);
    }
    writer.EndArray();
    writer.Key("aio_nr");
    writer.Uint64(kernel.aio_nr);
    writer.Key("aio_max_nr");
    writer.Uint64(kernel.aio_max_nr);
    if (report != nullptr) {
        writer.Key("buffer_bytes_per_cpu");
        writer.Uint64(report->buffer_bytes_per_cpu);
        writer.Key("cpus");
        writer.Uint64(report->cpus);
        for (const auto& [key, most] : {std::pair{"most_aio_requests", report->tables.aio_requests},
                                        {"most_uring_requests", report->tables.uring_requests},
                                        {"most_contexts", report->tables.contexts},
                                        {"most_rings", report->tables.rings}}) {
            writer.Key(key);
            writer.Uint64(most);
        }
        writer.Key("hooks");
        writer.StartArray();
        for (const auto& hook : report->plan.hooks) {
            writer.StartObject();
            write_member(writer, "name", hook.spec->name);
            write_member(writer, "tier", name(hook.tier));
            write_member(writer, "shows", hook.spec->purpose);
            writer.Key("refused");
            writer.StartArray();
            for (const auto& refused : hook.refused) {
                write_string(writer, refused);
            }
            writer.EndArray();
            write_member(writer, "lost", hook.lost);
            writer.EndObject();
        }
        writer.EndArray();
        writer.Key("lost_features");
        writer.StartArray();
        for (const auto& each : report->lost) {
            writer.StartObject();
            write_member(writer, "name", each.name);
            write_member(writer, "reason", each.reason);
            write_member(writer, "meaning", each.meaning);
            writer.EndObject();
        }
        writer.EndArray();
        writer.Key("verifier_logs");
        writer.StartArray();
        for (const auto& path : report->verifier_logs) {
            write_string(writer, path);
        }
        writer.EndArray();
    } else {
        write_member(writer, "error", error->message());
    }
    writer.EndObject();
    return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

}  // namespace

std::unique_ptr<Command> make_doctor() {
    return std::make_unique<Doctor>();
}

}  // namespace inflight::cli
