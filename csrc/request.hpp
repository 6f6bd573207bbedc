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

// How rows are looked for: all one after the other, by a tree, or by whichever costs less here.
enum class Strategy : std::uint8_t { automatic, scan, tree };

struct Request {
  std::vector<View> reference;     // one view per column
  std::vector<View> queries;       // the same columns in the same order
  std::vector<char> categorical;   // per column: compare codes for equality (1) or take a difference (0)
  std::vector<double> scale;       // per column: cost of a unit of difference, or of differing codes
  std::vector<double> null_cost;   // per column: cost of a null against a value
  std::int64_t k = 1;
  std::vector<std::int64_t> parts; // rows of each consecutive part of the reference; k are found in every one
  bool exclude_self = false;       // query row i is row i of the first part, and does not see it
  std::int64_t threads = 0;        // 0: as many as the machine runs at once
  Strategy strategy = Strategy::automatic;
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

// Everything but what follows.
Status check(const Request& request);

// What the k nearest rows need: k, parts and exclude_self.
Status check_neighbours(const Request& request);

}  // namespace jaxsynth
