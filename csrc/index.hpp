// The reference rows of a request, ready to be searched: cells, encoded rows and, where it pays, a tree.
// What a search needs to share between its queries may live here; nothing of one query does.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "coarse.hpp"
#include "measure.hpp"
#include "tree.hpp"

namespace jaxsynth {

struct Index {
  std::vector<ColumnRule> rules;
  Side reference;
  Side queries;
  Encoding encoding;
  CoarseRows rows;
  Tree tree;              // without nodes where none was built
  bool use_tree = false;
  const Kernels* kernels = nullptr;
};

}  // namespace jaxsynth
