// The search: blocks of queries against tiles of reference rows, in the order of the rows.
// A block meets a tile while the tile is in cache; a thread keeps a block's candidates to itself.
#include "nearest.hpp"

#include <algorithm>
#include <cmath>

#include "best.hpp"
#include "pool.hpp"
#include "tile.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t most_block_queries = 64;

// Few queries are cut finer so that every thread gets some; results do not depend on it.
std::size_t block_size(std::size_t queries, std::size_t threads) {
  return std::clamp<std::size_t>(queries / (threads * 4), 1, most_block_queries);
}

class BlockSearch {
 public:
  BlockSearch(const NearestInput& input, const NearestOutput& output, std::size_t block)
      : input_(input), output_(output), candidates_(block * input.k) {
    terms_.reserve(block * input.reference.columns);
    ends_.reserve(block);
    best_.reserve(block);
  }

  void run(std::size_t begin, std::size_t end, const BlockQueue& queue) {
    begin_ = begin;
    prepare(end - begin);
    for (std::size_t tile = 0; tile < input_.reference.tiles(); ++tile) {
      if (queue.stopped()) return;
      for (std::size_t i = 0; i < best_.size(); ++i) visit(i, tile);
    }
    for (std::size_t i = 0; i < best_.size(); ++i) write(i);
  }

 private:
  void prepare(std::size_t count) {
    terms_.clear();
    ends_.clear();
    best_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t column = 0; column < input_.reference.columns; ++column) add_term(begin_ + i, column);
      ends_.push_back(terms_.size());
      best_.emplace_back(candidates_.data() + i * input_.k, input_.k);
    }
  }

  void add_term(std::size_t query, std::size_t column) {
    const ColumnRule& rule = input_.rules[column];
    const double cell = input_.queries.cell(query, column);
    const double null_cost = input_.null_cost[column];
    const bool nulls = input_.reference.has_null[column] != 0;
    if (std::isnan(cell)) {
      // A null query: a value costs null_cost and a null nothing. No code equals NaN, so the category
      // rule says just that when its two costs are replaced.
      add_term({column, cell, null_cost, 0.0, nulls ? Kind::category_null : Kind::category}, nulls);
    } else if (rule.categorical) {
      // A null reference cell already differs from every code: it needs care only at another cost.
      const bool care = nulls && null_cost != rule.scale;
      add_term({column, cell, rule.scale, null_cost, care ? Kind::category_null : Kind::category}, nulls);
    } else {
      add_term({column, cell, rule.scale, null_cost, nulls ? Kind::numeric_null : Kind::numeric}, nulls);
    }
  }

  // A term that costs nothing for any row changes no sum and is left out.
  void add_term(const Term& term, bool nulls) {
    if (term.scale != 0.0 || (nulls && term.null_cost != 0.0)) terms_.push_back(term);
  }

  void visit(std::size_t i, std::size_t tile) {
    const std::size_t first = i == 0 ? 0 : ends_[i - 1];
    Best& best = best_[i];
    std::uint32_t found = tile_distances(terms_.data() + first, ends_[i] - first, input_.reference.tile(tile),
                                         best.limit(), distances_);
    if (!best.full()) found = ~std::uint32_t{0};  // even infinite distances count until there are k
    for (std::size_t group = 0; found != 0 && group < groups; ++group, found >>= 1)
      if ((found & 1) != 0) offer(i, tile * tile_rows, group * group_rows);
  }

  void offer(std::size_t i, std::size_t tile_begin, std::size_t group_begin) {
    const std::size_t known = input_.reference.rows - tile_begin;
    const std::size_t end = std::min(group_begin + group_rows, known);
    for (std::size_t local = group_begin; local < end; ++local) {
      const std::size_t row = tile_begin + local;
      if (best_[i].full() && !(distances_[local] < best_[i].limit())) continue;
      if (input_.exclude_self && row == begin_ + i) continue;
      best_[i].offer({distances_[local], static_cast<std::int64_t>(row)});
    }
  }

  void write(std::size_t i) {
    const Candidate* sorted = best_[i].sorted();
    const std::size_t base = (begin_ + i) * input_.k;
    for (std::size_t rank = 0; rank < input_.k; ++rank) {
      output_.distances[base + rank] = sorted[rank].distance;
      output_.rows[base + rank] = sorted[rank].row;
    }
  }

  const NearestInput& input_;
  const NearestOutput& output_;
  std::size_t begin_ = 0;
  std::vector<Term> terms_;         // the block's terms, query after query
  std::vector<std::size_t> ends_;   // where each query's terms end
  std::vector<Candidate> candidates_;
  std::vector<Best> best_;
  alignas(64) double distances_[tile_rows];
};

}  // namespace

Status nearest(const NearestInput& input, const std::atomic<bool>& cancel, const NearestOutput& output) {
  const std::size_t queries = input.queries.rows;
  const std::size_t block = block_size(queries, thread_count(input.threads, queries));
  const std::size_t blocks = (queries + block - 1) / block;
  const auto worker = [&](BlockQueue& queue) -> Status {
    BlockSearch search(input, output, block);
    for (std::size_t index = 0; queue.take(index);)
      search.run(index * block, std::min(queries, (index + 1) * block), queue);
    return {};
  };
  return run_blocks(thread_count(input.threads, blocks), blocks, cancel, worker);
}

}  // namespace jaxsynth
