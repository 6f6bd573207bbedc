// One request from start to finish: check, pack both sides, search. The engine's only entry.
#pragma once

#include <atomic>

#include "error.hpp"
#include "nearest.hpp"
#include "request.hpp"

namespace jaxsynth {

// `output` holds queries x k cells. Does not throw.
Status search(const Request& request, const std::atomic<bool>& cancel, const NearestOutput& output) noexcept;

}  // namespace jaxsynth
