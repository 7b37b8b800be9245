// SPDX-License-Identifier: Apache-2.0
#include "model/story.hpp"

#include "catalog/names.hpp"

#include <fmt/format.h>

namespace inflight::model {

std::string operation_of(const Request& request) {
    return request.opcode ? catalog::opcode_name(name(request.family), *request.opcode)
                          : "an operation that is not known";
}

std::string words_for(const Request& request) {
    std::string text = operation_of(request);
    if (request.origin != Origin::unknown && request.fd >= 0) {
        const bool index = request.uring && request.uring->fixed_file;
        text += fmt::format(" on {} {}", index ? "fixed file" : "fd", request.fd);
    }
    if (request.file && !request.file->name.empty()) {
        text += " " + request.file->name;
    }
    if (request.family == Family::aio && request.address != 0) {
        text += fmt::format(", iocb {:#x}", request.address);
    }
    if (request.user_data_known) {
        text += fmt::format(", user_data {:#x}", request.user_data);
    }
    return text;
}

}  // namespace inflight::model
