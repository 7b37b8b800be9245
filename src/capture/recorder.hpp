// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "capture/account.hpp"
#include "capture/consumer.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace inflight::capture {

// What came of a recording.
struct Kept {
    std::uint64_t bytes = 0;  // written to files
    std::uint64_t files = 0;
    std::uint64_t files_removed = 0;  // the oldest ones, because only the newest N are kept
    std::uint64_t names_missing = 0;  // in the last file: CaptureInfo
    bool everything = true;           // false: what went by and was not asked for is in no file
};

// What keeps all that comes, in one file or several, or in memory.
class Recorder : public Consumer {
public:
    using AskAccount = std::function<Account()>;

    // How the recording stands is asked for now and then. To be set before the first record; must outlive the recorder.
    void set_account(AskAccount account) { ask_account_ = std::move(account); }

    // Whether a call has come whose verdict needs to know what is in flight.
    [[nodiscard]] bool wants_snapshot() const override { return snapshot_due_; }
    [[nodiscard]] bool failed() const override { return error_.has_value(); }

    // After finish(): the last account, and everything on its way to the disk.
    virtual void close(const Account& account) = 0;

    // After the first error nothing more is taken.
    [[nodiscard]] const std::optional<Error>& error() const { return error_; }
    [[nodiscard]] std::uint64_t records() const { return records_; }
    [[nodiscard]] std::uint64_t requests() const { return requests_; }  // that ended
    [[nodiscard]] virtual Kept kept() const = 0;

protected:
    // Counts a record, and sees whether it calls for a snapshot.
    void count(const ifl_header& record);
    [[nodiscard]] Account ask_account() const { return ask_account_ ? ask_account_() : Account{}; }
    void fail(const Error& error) {
        if (!error_) {
            error_ = error;
        }
    }

private:
    AskAccount ask_account_;
    std::optional<Error> error_;
    std::uint64_t records_ = 0;
    std::uint64_t requests_ = 0;
    bool snapshot_due_ = false;
};

}  // namespace inflight::capture
