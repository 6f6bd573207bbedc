// A tree of boxes over encoded rows: which order the rows get, and where a search may pass over many at once.
// Building and descending may live here; what is done with a leaf belongs to its caller.
//
// Every leaf is one block, full but for the last: places to cut are multiples of `block_rows`. Nodes are in
// pre-order, so that a node over n blocks and all below it take 2n - 1 places: the left child of node i is
// i + 1, the right one i + 2 * (blocks on the left).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "coarse.hpp"

namespace jaxsynth {

class Tree {
 public:
  Tree() = default;

  std::size_t nodes() const noexcept { return left_blocks_.size(); }
  std::uint32_t left_blocks(std::size_t node) const noexcept { return left_blocks_[node]; }
  BoxView box(std::size_t node) const noexcept {
    const float* numbers = numbers_.get() + node * 3 * number_lanes_;
    return {numbers, numbers + number_lanes_, numbers + 2 * number_lanes_, codes_.get() + node * code_lanes_};
  }

  // Orders `rows` and builds the tree over them, for these kernels to descend. Throws std::bad_alloc.
  static Status build(const Encoding& encoding, const Kernels& kernels, std::size_t threads,
                      const std::atomic<bool>& cancel, CoarseRows& rows, Tree& tree);

 private:
  friend class TreeBuilder;

  std::size_t number_lanes_ = 0;
  std::size_t code_lanes_ = 0;
  std::vector<std::uint32_t> left_blocks_;  // 0: a leaf
  Aligned<float> numbers_;
  Aligned<std::uint32_t> codes_;
};

// Calls `visit(block)`, which returns what bound a block must not exceed from now on, for the blocks whose box
// is not above it, near boxes first. Returns the boxes that were looked at. `bound` is the first such bound.
template <class Visit>
std::size_t descend(const Tree& tree, const Kernels& kernels, const QueryView& query, float bound,
                    const Visit& visit) {
  struct Pending {
    float least;
    std::uint32_t node;
    std::uint32_t block;
  };
  // One entry waits for each level above, and cuts keep an eighth of the blocks on either side.
  constexpr std::size_t deepest = 192;
  Pending stack[deepest + 2];
  std::size_t height = 0, looked = 1;
  stack[height++] = {0.0F, 0, 0};
  while (height > 0) {
    Pending now = stack[--height];
    if (now.least > bound) continue;
    for (std::uint32_t left; (left = tree.left_blocks(now.node)) != 0;) {
      const std::uint32_t right_node = now.node + 2 * left;
      const Pending a{kernels.box(query, tree.box(now.node + 1)), now.node + 1, now.block};
      const Pending b{kernels.box(query, tree.box(right_node)), right_node, now.block + left};
      looked += 2;
      const Pending& far = b.least < a.least ? a : b;
      if (far.least <= bound) stack[height++] = far;
      now = b.least < a.least ? b : a;
      if (now.least > bound) break;
    }
    if (now.least <= bound) bound = visit(now.block);
  }
  return looked;
}

}  // namespace jaxsynth
