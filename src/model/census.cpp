// SPDX-License-Identifier: Apache-2.0
#include "model/census.hpp"

#include "model/known_names.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

namespace inflight::model {

namespace {

Family family_of(ifl_u8 family) {
    return family == IFL_FAMILY_AIO ? Family::aio : Family::uring;
}

// Of io_uring by process, of AIO by context.
std::uint64_t group_of(Family family, std::uint32_t pid, std::uint64_t context_id) {
    return family == Family::uring ? pid : context_id;
}

Outcome outcome_of(std::int64_t result) {
    return result == -ECANCELED ? Outcome::cancelled : result < 0 ? Outcome::failed : Outcome::completed;
}

bool is_completion(const ifl_unreaped& record) {
    return (record.flags & (IFL_UNREAPED_UNREAD | IFL_UNREAPED_LEFT_OUT)) == 0;
}

Request request_of(const ifl_unreaped& record) {
    Request request;
    request.family = family_of(record.family);
    request.outcome = outcome_of(record.result);
    request.context_id = record.context_id;
    request.ctx_id = record.ctx_id;
    request.address = record.iocb;
    request.user_data = record.user_data;
    request.user_data_known = true;
    request.pid = record.pid;
    request.uid = record.uid;
    request.cgroup_id = record.cgroup_id;
    request.comm = comm_of(record.comm);
    request.result = record.result;
    request.existed = true;
    if (request.family == Family::uring) {
        UringPart part;
        part.cqe_flags = record.cqe_flags;
        request.uring = std::make_shared<const UringPart>(std::move(part));
    }
    return request;
}

}  // namespace

void Census::on_record(const ifl_header& record) {
    if (record.kind == IFL_TALLY && record.size_bytes >= sizeof(ifl_tally)) {
        const auto& tally = reinterpret_cast<const ifl_tally&>(record);
        Tallied& known = next_.tallies[tally.object];
        if (known.looks == 0 || tally.in_flight < known.tally.in_flight) {
            known.tally = tally;
        }
        known.looks++;
    } else if (record.kind == IFL_UNREAPED && record.size_bytes >= sizeof(ifl_unreaped)) {
        next_.unreaped.push_back(reinterpret_cast<const ifl_unreaped&>(record));
    } else if (record.kind == IFL_SNAPSHOT) {
        last_ = std::exchange(next_, {});
    }
}

std::vector<Unlisted> Census::unlisted(const std::vector<InFlight>& listed) const {
    std::map<std::pair<Family, std::uint64_t>, std::int64_t> shown;
    for (const InFlight& each : listed) {
        const Request& request = each.request;
        shown[{request.family, group_of(request.family, request.pid, request.context_id)}]++;
    }
    std::map<std::pair<Family, std::uint64_t>, Unlisted> groups;
    for (const auto& [object, known] : last_.tallies) {
        const ifl_tally& tally = known.tally;
        // What was there in one look only has come or gone meanwhile.
        if (known.looks < 2 || tally.in_flight <= 0) {
            continue;
        }
        const Family family = family_of(tally.family);
        Unlisted& group = groups[{family, group_of(family, tally.pid, tally.context_id)}];
        group.family = family;
        group.pid = tally.pid;
        group.comm = comm_of(tally.comm);
        group.ctx_id = tally.ctx_id;
        group.requests += static_cast<std::uint64_t>(tally.in_flight);
    }
    std::vector<Unlisted> result;
    for (auto& [key, group] : groups) {
        const auto there = shown.find(key);
        const auto known = there == shown.end() ? 0 : static_cast<std::uint64_t>(there->second);
        if (group.requests > known) {
            group.requests -= known;
            result.push_back(std::move(group));
        }
    }
    return result;
}

std::vector<InFlight> Census::unreaped(const std::vector<Context>& contexts) const {
    std::vector<InFlight> list;
    for (const ifl_unreaped& record : last_.unreaped) {
        if (!is_completion(record)) {
            continue;
        }
        InFlight each;
        each.request = request_of(record);
        // Its place in the ring is what tells it from others: its request is gone.
        Request named = each.request;
        named.kernel_address = record.context + record.position;
        each.id = id_of(named);
        each.stage = (record.flags & IFL_UNREAPED_OVERFLOWED) != 0 ? Stage::backlog : Stage::unreaped;
        each.cancellable = {.means = CancelMeans::none, .why = reason(each.stage)};
        const auto context = std::ranges::find(contexts, record.context_id, &Context::context_id);
        if (context != contexts.end()) {
            each.ring = context->ring;
        }
        list.push_back(std::move(each));
    }
    return list;
}

std::optional<std::uint64_t> Census::unreaped_of(std::uint64_t context_id) const {
    std::uint64_t count = 0;
    for (const ifl_unreaped& record : last_.unreaped) {
        if (record.context_id != context_id) {
            continue;
        }
        if ((record.flags & IFL_UNREAPED_UNREAD) != 0) {
            return std::nullopt;
        }
        count += is_completion(record) ? 1 : static_cast<std::uint64_t>(record.result);
    }
    return count;
}

std::uint64_t Census::rings_unread() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(
        last_.unreaped, [](const ifl_unreaped& record) { return (record.flags & IFL_UNREAPED_UNREAD) != 0; }));
}

std::uint64_t Census::completions_left_out() const {
    std::uint64_t count = 0;
    for (const ifl_unreaped& record : last_.unreaped) {
        count += (record.flags & IFL_UNREAPED_LEFT_OUT) != 0 ? static_cast<std::uint64_t>(record.result) : 0;
    }
    return count;
}

}  // namespace inflight::model
