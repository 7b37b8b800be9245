// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.hpp"

#include "base/result.hpp"
#include "base/waiting.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>

namespace inflight {

namespace {

constexpr int most_links = 16;
constexpr int most_tries = 16;

using Opened = std::expected<NewFile, NewFileError>;

std::unexpected<NewFileError> failed(int error) {
    return std::unexpected(NewFileError{.error = error, .why = describe_errno(error)});
}

std::unexpected<NewFileError> refused(std::string why) {
    return std::unexpected(NewFileError{.error = 0, .why = std::move(why)});
}

std::optional<unsigned> whole_number(std::string_view text) {
    unsigned number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    return bad == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// 1 for "/dev/stdout", 5 for "/dev/fd/5". To open such a name anew would begin at the front of a file that others write
// to as well, and does not work with sockets.
std::optional<int> named_descriptor(std::string_view path) {
    if (path == "/dev/stdout") {
        return STDOUT_FILENO;
    }
    if (path == "/dev/stderr") {
        return STDERR_FILENO;
    }
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        if (path.starts_with(folder)) {
            const auto number = whole_number(path.substr(folder.size()));
            return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
        }
    }
    return std::nullopt;
}

// One that was passed to us: ours are all closed at an exec.
Opened duplicate(int fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || (fd > STDERR_FILENO && (flags & FD_CLOEXEC) != 0)) {
        return failed(EBADF);
    }
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!copy.valid()) {
        return failed(errno);
    }
    return NewFile{.fd = std::move(copy), .from_begin = false};
}

// Who may prepare names for us. SUDO_UID is set by sudo, and who can set it for root has no need of our files.
bool trusted(uid_t owner) {
    if (owner == 0 || owner == ::geteuid() || owner == ::getuid()) {
        return true;
    }
    const char* const sudo = std::getenv("SUDO_UID");
    const auto caller = sudo != nullptr && ::geteuid() == 0 ? whole_number(sudo) : std::nullopt;
    return caller && owner == *caller;
}

// What the link at `path` leads to, by its name.
std::optional<std::string> target_of(const std::string& path) {
    std::array<char, 4096> target{};
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    if (size <= 0 || static_cast<std::size_t>(size) == target.size()) {
        return std::nullopt;
    }
    const std::string_view name(target.data(), static_cast<std::size_t>(size));
    const auto slash = path.rfind('/');
    return name.starts_with('/') || slash == std::string::npos ? std::string(name)
                                                               : path.substr(0, slash + 1) + std::string(name);
}

Opened make_new(const std::string& path, mode_t mode) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd.valid()) {
        return failed(errno);
    }
    return NewFile{.fd = std::move(fd), .from_begin = true};
}

// A file that stays, as its name cannot be given to a new one, or is to be appended to.
Opened take_over(const std::string& path, const struct stat& seen, Existing existing, mode_t mode) {
    UniqueFd fd(::open(path.c_str(),
                       O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (existing == Existing::append ? O_APPEND : 0)));
    struct stat info{};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
        return failed(errno);
    }
    if (info.st_ino != seen.st_ino || info.st_dev != seen.st_dev) {
        return refused("another file has got its name just now");
    }
    if (!trusted(info.st_uid)) {
        return refused(fmt::format("it belongs to another user (uid {})", info.st_uid));
    }
    if (info.st_nlink > 1) {
        return refused("it has other names too (hard links)");
    }
    const mode_t wanted = info.st_mode & mode & 07777;
    if (wanted != (info.st_mode & 07777) && ::fchmod(fd.get(), wanted) != 0) {
        return failed(errno);
    }
    if (existing == Existing::replace && ::ftruncate(fd.get(), 0) != 0) {
        return failed(errno);
    }
    return NewFile{.fd = std::move(fd), .from_begin = existing == Existing::replace};
}

Opened replace(const std::string& path, const struct stat& seen, mode_t mode) {
    if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) {
        return failed(errno);
    }
    if (::unlink(path.c_str()) != 0) {
        return take_over(path, seen, Existing::replace, mode);
    }
    auto made = make_new(path, mode);
    if (made && seen.st_uid != ::geteuid() && trusted(seen.st_uid)) {
        // It was the file of who called sudo, and stays his.
        [[maybe_unused]] const int given = ::fchown(made->fd.get(), seen.st_uid, seen.st_gid);
    }
    return made;
}

// A fifo or a character device.
Opened open_special(const std::string& path, const struct stat& seen) {
    if (S_ISFIFO(seen.st_mode) && !trusted(seen.st_uid)) {
        return refused(fmt::format("it is a fifo of another user (uid {})", seen.st_uid));
    }
    const Interrupting interrupting;
    for (;;) {
        UniqueFd fd(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC));
        struct stat info{};
        if (fd.valid() && ::fstat(fd.get(), &info) == 0) {
            const bool same = info.st_ino == seen.st_ino && info.st_dev == seen.st_dev;
            return same ? Opened(NewFile{.fd = std::move(fd), .from_begin = false})
                        : refused("another file has got its name just now");
        }
        if (errno != EINTR) {
            return failed(errno);
        }
        if (end_is_pending()) {
            return refused("nobody reads it, and a signal came");
        }
    }
}

Opened open_existing(const std::string& path, const struct stat& seen, Existing existing, mode_t mode) {
    switch (seen.st_mode & S_IFMT) {
        case S_IFREG:
            return existing == Existing::append ? take_over(path, seen, existing, mode) : replace(path, seen, mode);
        case S_IFIFO:
        case S_IFCHR:
            return open_special(path, seen);
        case S_IFBLK:
            return refused("it is a block device");
        case S_IFSOCK:
            return refused("it is a socket");
        default:
            return failed(EISDIR);
    }
}

// What a name leads to, so that two can be compared.
struct Place {
    dev_t device = 0;
    ino_t inode = 0;
    std::string name;  // of what is not there yet, in the folder that the numbers are of
    mode_t kind = 0;
    dev_t special = 0;
};

std::optional<Place> place_of(const std::string& path) {
    struct stat info{};
    const auto descriptor = path.empty() ? std::optional(STDOUT_FILENO) : named_descriptor(path);
    if (descriptor ? ::fstat(*descriptor, &info) == 0 : ::stat(path.c_str(), &info) == 0) {
        return Place{.device = info.st_dev,
                     .inode = info.st_ino,
                     .name = {},
                     .kind = info.st_mode & S_IFMT,
                     .special = info.st_rdev};
    }
    if (descriptor) {
        return std::nullopt;
    }
    std::string at = path;
    for (int links = 0; links < most_links && ::lstat(at.c_str(), &info) == 0 && S_ISLNK(info.st_mode); ++links) {
        const auto target = target_of(at);
        if (!target) {
            return std::nullopt;
        }
        at = *target;
    }
    const auto slash = at.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : at.substr(0, slash + 1);
    if (::stat(folder.c_str(), &info) != 0) {
        return std::nullopt;
    }
    return Place{.device = info.st_dev,
                 .inode = info.st_ino,
                 .name = slash == std::string::npos ? at : at.substr(slash + 1),
                 .kind = 0,
                 .special = 0};
}

}  // namespace

Opened open_for_writing(const std::string& path, Existing existing, mode_t mode) {
    std::string at = path;
    for (int tries = 0; tries < most_links + most_tries; ++tries) {
        if (const auto descriptor = named_descriptor(at)) {
            return duplicate(*descriptor);
        }
        struct stat info{};
        const bool there = ::lstat(at.c_str(), &info) == 0;
        if (!there && errno != ENOENT) {
            return failed(errno);
        }
        if (!there || existing == Existing::refuse) {
            auto made = make_new(at, mode);
            if (made || existing == Existing::refuse || made.error().error != EEXIST) {
                return made;
            }
            continue;  // somebody made it in between
        }
        if (!S_ISLNK(info.st_mode)) {
            auto opened = open_existing(at, info, existing, mode);
            if (!opened && opened.error().error == EEXIST) {
                continue;
            }
            return opened;
        }
        if (!trusted(info.st_uid)) {
            return refused(fmt::format("it is a symbolic link of another user (uid {})", info.st_uid));
        }
        const auto target = target_of(at);
        if (!target) {
            return failed(ENOENT);
        }
        at = *target;
    }
    return failed(ELOOP);
}

bool same_place(const std::string& left, const std::string& right) {
    const auto one = place_of(left);
    const auto other = place_of(right);
    if (!one || !other) {
        return false;
    }
    if (one->kind == S_IFCHR && other->kind == S_IFCHR) {
        return one->special == other->special && one->special != ::makedev(1, 3);
    }
    return one->device == other->device && one->inode == other->inode && one->name == other->name;
}

void remove_if_same(int fd, const std::string& path) {
    struct stat held{};
    struct stat named{};
    if (::fstat(fd, &held) == 0 && S_ISREG(held.st_mode) && ::lstat(path.c_str(), &named) == 0 &&
        named.st_dev == held.st_dev && named.st_ino == held.st_ino) {
        ::unlink(path.c_str());
    }
}

}  // namespace inflight
