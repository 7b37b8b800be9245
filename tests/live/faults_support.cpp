// SPDX-License-Identifier: Apache-2.0
#include "faults_support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace inflight::faults {

namespace {

std::string from_environment(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

// Everything is built into one folder.
std::string build_folder() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

const Value* member(const Value& value, const char* key) {
    const auto found = value.FindMember(key);
    if (found == value.MemberEnd()) {
        ADD_FAILURE() << "a record has no member " << key;
        return nullptr;
    }
    return &found->value;
}

}  // namespace

std::string inflight_path() {
    return from_environment("INFLIGHT_BIN", build_folder() + "/inflight");
}

std::string workload(std::string_view name) {
    return from_environment("INFLIGHT_WORKLOADS", build_folder() + "/workloads") + "/" + std::string(name);
}

std::optional<std::string> find_program(const std::string& name) {
    std::istringstream folders(from_environment("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::string path = folder + "/" + name;
        if (::access(path.c_str(), X_OK) == 0) {
            return path;
        }
    }
    return std::nullopt;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::uint64_t read_number(const std::string& path) {
    std::ifstream file(path);
    std::uint64_t value = 0;
    file >> value;
    return value;
}

void write_file(const std::string& path, std::string_view content) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << content;
    file.close();
    EXPECT_TRUE(file) << "cannot write " << path;
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

std::vector<std::string> lines_of(std::string_view content) {
    std::vector<std::string> lines;
    while (!content.empty()) {
        const auto end = std::min(content.find('\n'), content.size());
        lines.emplace_back(content.substr(0, end));
        content.remove_prefix(std::min(end + 1, content.size()));
    }
    return lines;
}

std::size_t count_of(std::string_view content, std::string_view part) {
    std::size_t count = 0;
    for (auto at = content.find(part); at != std::string_view::npos; at = content.find(part, at + part.size())) {
        count++;
    }
    return count;
}

Words operator+(Words left, const Words& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

bool wait_until(const std::function<bool()>& condition, Milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

Folder::Folder(const std::string& parent) {
    std::string pattern = (parent.empty() ? from_environment("INFLIGHT_TEST_DIR", "/tmp") : parent) + "/faults-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("no temporary folder " + pattern);
    }
    path_ = pattern;
    ::chmod(path_.c_str(), 0777);
}

Folder::~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
}

SmallDisk::SmallDisk(std::string path, const std::string& size) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
        refusal_ = std::string("no tmpfs can be mounted: ") + std::strerror(errno);
    }
}

SmallDisk::~SmallDisk() {
    if (refusal_.empty()) {
        EXPECT_EQ(::umount(path_.c_str()), 0) << std::strerror(errno);
    }
}

Ended run(Start start, std::string_view input) {
    Process process(std::move(start));
    process.send(input);
    process.wait();
    return {.status = process.status(), .out = process.out(), .err = process.err()};
}

Ended run(Words command) {
    return run(Start{.command = std::move(command)});
}

Ended run_inflight(Words arguments, std::function<void()> in_child) {
    return run(Start{.command = Words{inflight_path()} + arguments, .in_child = std::move(in_child)});
}

Lines::Lines(const std::string& content) : memory_(std::make_shared<rapidjson::MemoryPoolAllocator<>>()) {
    for (const auto& line : lines_of(content)) {
        rapidjson::Document document(memory_.get());
        document.Parse<rapidjson::kParseValidateEncodingFlag>(line.c_str(), line.size());
        if (document.HasParseError() || !document.IsObject() || !document.HasMember("type")) {
            ADD_FAILURE() << "not a line of JSON: " << line;
            continue;
        }
        static_cast<Value&>(document).Swap(values_.emplace_back());
    }
}

std::vector<const Value*> Lines::of(std::string_view type) const {
    std::vector<const Value*> found;
    for (const auto& value : values_) {
        if (text(value, "type") == type) {
            found.push_back(&value);
        }
    }
    return found;
}

const Value& Lines::one(std::string_view type) const {
    static const Value none(rapidjson::kObjectType);
    const auto found = of(type);
    EXPECT_EQ(found.size(), 1U) << "records of type " << type;
    return found.size() == 1 ? *found.front() : none;
}

std::vector<const Value*> Lines::requests_of(pid_t pid) const {
    auto found = of("request");
    std::erase_if(found, [pid](const Value* value) { return number(*value, "pid") != pid; });
    return found;
}

std::vector<const Value*> Lines::requests_with(std::string_view key, std::string_view value) const {
    auto found = of("request");
    std::erase_if(found, [&](const Value* each) { return text(*each, std::string(key).c_str()) != value; });
    return found;
}

std::string text(const Value& value, const char* key) {
    const Value* found = member(value, key);
    return found != nullptr && found->IsString() ? std::string(found->GetString(), found->GetStringLength())
                                                 : std::string();
}

std::int64_t number(const Value& value, const char* key) {
    const Value* found = member(value, key);
    return found != nullptr && found->IsInt64() ? found->GetInt64() : -1;
}

std::int64_t number(const Value& value, const char* key, const char* inner) {
    const Value* found = member(value, key);
    return found != nullptr && found->IsObject() ? number(*found, inner) : -1;
}

std::set<std::int64_t> pids_of(const std::vector<const Value*>& records) {
    std::set<std::int64_t> pids;
    for (const auto* record : records) {
        pids.insert(number(*record, "pid"));
    }
    return pids;
}

Traced trace(Words arguments, Words command) {
    const Folder folder;
    const std::string file = folder / "trace.json";
    Traced traced;
    traced.ended = run_inflight(Words{"trace", "-o", "json", "--output", file} + arguments + Words{"--"} + command);
    traced.lines = Lines(read_file(file));
    return traced;
}

Tracer::Tracer(Words arguments)
    : process_(std::make_unique<Process>(Words{inflight_path(), "trace", "-o", "json"} + arguments)) {
    EXPECT_TRUE(wait_until([this] { return !process_->running() || process_->out().find('\n') != std::string::npos; }));
    EXPECT_TRUE(process_->running()) << process_->err();
}

Lines Tracer::end() {
    process_->signal(SIGINT);
    process_->wait();
    EXPECT_EQ(process_->status(), 0) << process_->err();
    return Lines(process_->out());
}

Gated::Gated(std::string_view name, const std::string& folder, std::function<void()> in_child)
    : process_(Start{.command = {"sh", "-c", "read line; exec \"$0\" \"$@\"", workload(name), folder},
                     .in_child = std::move(in_child)}) {}

void Gated::go() {
    process_.send("go\n");
    process_.wait();
    EXPECT_EQ(process_.status(), 0) << process_.err();
}

Totals totals_of(const std::string& out) {
    Totals totals;
    const auto at = out.rfind("expect totals ");
    if (at == std::string::npos || std::sscanf(out.c_str() + at, "expect totals requests=%ld cancels=%ld",
                                               &totals.requests, &totals.cancels) != 2) {
        ADD_FAILURE() << "the workload printed no totals: " << out.substr(0, 1000);
    }
    return totals;
}

std::int64_t expected_requests(const std::string& out, std::string_view op) {
    return static_cast<std::int64_t>(count_of(out, fmt::format("expect request op={} ", op)));
}

Diagnosis diagnose(Words arguments) {
    Diagnosis diagnosis;
    const auto ended = run_inflight(Words{"doctor", "-o", "json"} + arguments);
    diagnosis.status = ended.status;
    diagnosis.json.Parse<rapidjson::kParseValidateEncodingFlag>(ended.out.c_str(), ended.out.size());
    if (diagnosis.json.HasParseError() || !diagnosis.json.IsObject()) {
        ADD_FAILURE() << "doctor's JSON does not parse: " << ended.out << ended.err;
        diagnosis.json.SetObject();
    }
    return diagnosis;
}

std::string tier_of(const Diagnosis& diagnosis, std::string_view hook) {
    if (!diagnosis.json.HasMember("hooks")) {
        return "";
    }
    for (const auto& each : diagnosis.json["hooks"].GetArray()) {
        if (text(each, "name") == hook) {
            return text(each, "tier");
        }
    }
    return "";
}

void expect_error(const std::string& err, std::string_view part) {
    EXPECT_NE(err.find(part), std::string::npos) << "no \"" << part << "\" in: " << err;
    EXPECT_TRUE(err.starts_with("inflight: ")) << err;
    EXPECT_EQ(count_of(err, "inflight: "), 1U) << err;
    EXPECT_LE(lines_of(err).size(), 3U) << err;
}

std::vector<std::string> all_workloads() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(workload(""))) {
        names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace inflight::faults
