// Where each query begins its search, and in which order queries are asked.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "error.hpp"
#include "index.hpp"

namespace jaxsynth {

struct Start {
  std::size_t query;
  std::size_t block;  // the first that is looked at
};

// The leaf that lies nearest at every turn; 0 without a tree.
std::size_t nearest_leaf(const Index& index, const QueryView& query);

// One start a query. With a tree, queries of one leaf follow one another: the rows, boxes and cells that one
// has touched are then still in cache for the next. Throws std::bad_alloc.
Status find_starts(const Index& index, std::size_t threads, const std::atomic<bool>& cancel,
                   std::vector<Start>& starts);

}  // namespace jaxsynth
