// SPDX-License-Identifier: Apache-2.0
#include "compare.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_map>

namespace inflight::live {

namespace {

constexpr std::size_t kept = 50;

using rapidjson::Value;

struct Logged {
    unsigned ring = 0;
    std::uint32_t sequence = 0;
    std::string op;
    std::optional<std::int64_t> result;  // none: no CQE
    std::string outcome;
    std::uint64_t cqes = 0;
    bool seen = false;
};

std::string text_of(const Value& object, const char* name) {
    const auto member = object.FindMember(name);
    return member != object.MemberEnd() && member->value.IsString() ? member->value.GetString() : "";
}

class Comparer {
public:
    void log(const std::string& line) {
        std::istringstream words(line);
        Logged entry;
        std::string user_data;
        std::string result;
        words >> entry.ring >> entry.sequence >> entry.op >> user_data >> result >> entry.outcome >> entry.cqes;
        if (!words) {
            disagree(fmt::format("no line of a log: {}", line));
            return;
        }
        if (result != "-") {
            entry.result = std::stoll(result);
        }
        logged_.emplace(std::stoull(user_data, nullptr, 16), std::move(entry));
    }

    void trace(const std::string& line) {
        if (!line.starts_with(R"({"type":"request")")) {
            return;
        }
        rapidjson::Document object;
        object.Parse(line.c_str());
        if (object.HasParseError() || !object.IsObject()) {
            disagree(fmt::format("not JSON: {}", line));
            return;
        }
        const auto uring = object.FindMember("uring");
        if (text_of(object, "family") != "uring" || uring == object.MemberEnd() || !uring->value.IsObject()) {
            return;
        }
        result_.traced++;
        check(object, uring->value, line);
    }

    Comparison finish() {
        result_.logged = logged_.size();
        for (const auto& [user_data, entry] : logged_) {
            if (!entry.seen) {
                disagree(fmt::format("{:#x}: {} number {} of ring {}, result {}: not in the trace", user_data, entry.op,
                                     entry.sequence, entry.ring, show(entry.result)));
            }
        }
        return std::move(result_);
    }

private:
    static std::string show(const std::optional<std::int64_t>& number) {
        return number ? std::to_string(*number) : "none";
    }

    void disagree(std::string text) {
        result_.disagreeing++;
        if (result_.disagreements.size() < kept) {
            result_.disagreements.push_back(std::move(text));
        }
    }

    void check(const Value& object, const Value& uring, const std::string& line) {
        const std::string user_data = text_of(object, "user_data");
        const auto found = user_data.empty() ? logged_.end() : logged_.find(std::stoull(user_data, nullptr, 16));
        if (found == logged_.end()) {
            disagree(fmt::format("not in the log: {}", line));
            return;
        }
        Logged& entry = found->second;
        std::string wrong = entry.seen ? " it is there twice;" : "";
        entry.seen = true;
        const auto differ = [&](const char* what, const std::string& is, const std::string& ought) {
            if (is != ought) {
                wrong += fmt::format(" {} is {}, not {};", what, is, ought);
            }
        };
        if (entry.op != "unknown") {
            differ("op", text_of(object, "op"), entry.op);
        }
        const auto result = object.FindMember("result");
        const bool has_result = result != object.MemberEnd() && result->value.IsInt64();
        if (entry.outcome != "abandoned") {
            differ("result", show(has_result ? std::optional(result->value.GetInt64()) : std::nullopt),
                   show(entry.result));
            const auto cqes = uring.FindMember("cqe_count");
            const bool counted = cqes != uring.MemberEnd() && cqes->value.IsUint64();
            differ("cqe_count", counted ? std::to_string(cqes->value.GetUint64()) : "none", std::to_string(entry.cqes));
        }
        differ("outcome", text_of(object, "outcome"), entry.outcome);
        const std::string ring = text_of(object, "context_id");
        const std::string& same = rings_.emplace(entry.ring, ring).first->second;
        differ("ring", ring, same);
        if (!wrong.empty()) {
            disagree(
                fmt::format("{}: number {} of ring {}:{}\n    {}", user_data, entry.sequence, entry.ring, wrong, line));
        }
    }

    Comparison result_;
    std::unordered_map<std::uint64_t, Logged> logged_;  // by user_data
    std::map<unsigned, std::string> rings_;             // the log's number and inflight's
};

}  // namespace

Comparison compare(const std::filesystem::path& log, const std::filesystem::path& trace) {
    Comparer comparer;
    std::string line;
    std::ifstream log_lines(log);
    while (std::getline(log_lines, line)) {
        comparer.log(line);
    }
    std::ifstream trace_lines(trace);
    while (std::getline(trace_lines, line)) {
        comparer.trace(line);
    }
    return comparer.finish();
}

}  // namespace inflight::live
