// What a caller asks of the engine, and the checks that do not need to read a cell.
// Neither packing nor searching may live here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arrow_view.hpp"
#include "error.hpp"

namespace jaxsynth {

struct Request {
  std::vector<View> reference;     // one view per column
  std::vector<View> queries;       // the same columns in the same order
  std::vector<char> categorical;   // per column: compare codes for equality (1) or take a difference (0)
  std::vector<double> scale;       // per column: cost of a unit of difference, or of differing codes
  std::vector<double> null_cost;   // per column: cost of a null against a value
  std::int64_t k = 1;
  bool exclude_self = false;       // query row i does not see reference row i
  std::int64_t threads = 0;        // 0: as many as the machine runs at once
};

struct ArrowPair {
  const ArrowSchema* schema = nullptr;
  const ArrowArray* array = nullptr;
};

inline std::size_t row_count(const std::vector<View>& columns) noexcept {
  return columns.empty() ? 0 : columns.front().length;
}

// Views of all columns of one side; `side` ("reference" or "queries") begins the message of a failure.
Status view_columns(const std::string& side, std::span<const ArrowPair> arrays, std::vector<View>& views);

Status check(const Request& request);

}  // namespace jaxsynth
