// Each query goes down the tree once; then a counting sort by leaf, which keeps the queries of a leaf in order.
#include "starts.hpp"

#include <algorithm>

#include "pool.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t chunk = 4096;

Status find_leaves(const Index& index, std::size_t threads, const std::atomic<bool>& cancel,
                   std::vector<std::size_t>& leaves) {
  const std::size_t chunks = (leaves.size() + chunk - 1) / chunk;
  const auto worker = [&](BlockQueue& queue) -> Status {
    CoarseQuery query(index.encoding, index.rules.size());
    for (std::size_t number = 0; queue.take(number);)
      for (std::size_t row = number * chunk; row < std::min(leaves.size(), (number + 1) * chunk); ++row) {
        encode_query(index.encoding, index.queries, row, query);
        leaves[row] = nearest_leaf(index, query.view());
      }
    return {};
  };
  return run_blocks(thread_count(threads, chunks), chunks, cancel, worker);
}

}  // namespace

std::size_t nearest_leaf(const Index& index, const QueryView& query) {
  std::size_t node = 0, block = 0;
  if (index.tree.nodes() == 0) return block;
  for (std::size_t left; (left = index.tree.left_blocks(node)) != 0;) {
    const float a = index.kernels->box(query, index.tree.box(node + 1));
    const float b = index.kernels->box(query, index.tree.box(node + 2 * left));
    block += b < a ? left : 0;
    node += b < a ? 2 * left : 1;
  }
  return block;
}

Status find_starts(const Index& index, std::size_t threads, const std::atomic<bool>& cancel,
                   std::vector<Start>& starts) {
  std::vector<std::size_t> leaves(index.queries.rows, 0);
  if (index.tree.nodes() != 0)
    if (Status status = find_leaves(index, threads, cancel, leaves); !status.ok()) return status;
  std::vector<std::size_t> next(index.rows.blocks() + 1, 0);
  for (const std::size_t leaf : leaves) ++next[leaf + 1];
  for (std::size_t block = 1; block < next.size(); ++block) next[block] += next[block - 1];
  starts.resize(leaves.size());
  for (std::size_t query = 0; query < leaves.size(); ++query) starts[next[leaves[query]]++] = {query, leaves[query]};
  return {};
}

}  // namespace jaxsynth
