// SPDX-License-Identifier: Apache-2.0
#include "catalog/uring.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace inflight::catalog {
namespace {

// The front of T that the bytes fill; nothing if they do not reach to `needed`.
template <typename T>
std::optional<T> load(std::string_view bytes, std::size_t needed) {
    if (bytes.size() < needed) {
        return std::nullopt;
    }
    std::array<char, sizeof(T)> raw{};
    bytes.copy(raw.data(), raw.size());
    return std::bit_cast<T>(raw);
}

std::optional<std::string> inet_name(std::string_view bytes) {
    const auto address = load<sockaddr_in>(bytes, offsetof(sockaddr_in, sin_zero));
    if (!address) {
        return std::nullopt;
    }
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(address->sin_port));
}

std::optional<std::string> inet6_name(std::string_view bytes) {
    // The scope came late to the structure; the kernel takes addresses without it.
    const auto address = load<sockaddr_in6>(bytes, offsetof(sockaddr_in6, sin6_scope_id));
    if (!address) {
        return std::nullopt;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size());
    const std::string scope = address->sin6_scope_id == 0 ? "" : fmt::format("%{}", address->sin6_scope_id);
    return fmt::format("[{}{}]:{}", text.data(), scope, ntohs(address->sin6_port));
}

std::optional<std::string> unix_name(std::string_view bytes) {
    std::string_view path = bytes.substr(offsetof(sockaddr_un, sun_path));
    if (path.empty()) {
        return "unix: unnamed";
    }
    if (path.front() != '\0') {
        return fmt::format("unix:{}", path.substr(0, path.find('\0')));
    }
    // An abstract name is all the bytes that were passed, NULs too.
    std::string name{path};
    std::ranges::replace(name, '\0', '@');
    return "unix:" + name;
}

std::optional<std::string> netlink_name(std::string_view bytes) {
    const auto address = load<sockaddr_nl>(bytes, sizeof(sockaddr_nl));
    if (!address) {
        return std::nullopt;
    }
    return fmt::format("netlink {}:{}", address->nl_pid, address->nl_groups);
}

struct AddressFamily {
    sa_family_t family;
    std::optional<std::string> (*name)(std::string_view bytes);
};
constexpr AddressFamily address_families[] = {
    {AF_INET, inet_name},
    {AF_INET6, inet6_name},
    {AF_UNIX, unix_name},
    {AF_NETLINK, netlink_name},
};

}  // namespace

namespace {

std::string counted_bytes(std::size_t bytes) {
    return fmt::format("{} byte{}", bytes, bytes == 1 ? "" : "s");
}

}  // namespace

std::string sockaddr_name(std::string_view bytes) {
    const auto family = load<sa_family_t>(bytes, sizeof(sa_family_t));
    if (!family) {
        return counted_bytes(bytes.size());
    }
    const auto* found = std::ranges::find(address_families, *family, &AddressFamily::family);
    if (found != std::end(address_families)) {
        if (auto name = found->name(bytes)) {
            return *name;
        }
    }
    return fmt::format("family {}, {}", *family, counted_bytes(bytes.size()));
}

}  // namespace inflight::catalog
