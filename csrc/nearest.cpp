// Queries in groups: each descends the tree alone, or all of a group meet a stretch of blocks while it is in cache.
#include "nearest.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "best.hpp"
#include "pool.hpp"
#include "starts.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t most_group_queries = 256;
constexpr std::size_t stretch_bytes = std::size_t{64} << 10;  // of codes and numbers: little of a second-level cache
constexpr std::size_t sampled_queries = 64;

// Few queries are cut finer so that every thread gets some; results do not depend on it.
std::size_t group_size(std::size_t queries, std::size_t threads) {
  return std::clamp<std::size_t>(queries / (threads * 4), 1, most_group_queries);
}

constexpr std::size_t nothing = std::numeric_limits<std::size_t>::max();

// The k best rows so far. A first look only sets how far they can be: its rows will be met again.
class NearestRows {
 public:
  NearestRows(std::size_t k, std::size_t without) : without_(without), storage_(k), best_(storage_.data(), k) {}

  double limit() const noexcept { return std::min(best_.limit(), cap_); }

  bool wants(std::size_t row) const noexcept {
    if (row == without_) return false;
    // Among rows that are equal to the query only lower ones still count: a table of few distinct rows has many.
    return !(best_.full() && best_.limit() == 0.0 && static_cast<std::int64_t>(row) > best_.last_row());
  }

  void offer(double distance, std::size_t row) noexcept { best_.offer({distance, static_cast<std::int64_t>(row)}); }

  void start_over() noexcept {
    cap_ = best_.limit();
    best_.clear();
  }

  const Candidate* sorted() noexcept { return best_.sorted(); }

 private:
  std::size_t without_;
  std::vector<Candidate> storage_;  // moves with its cells in place
  Best best_;
  double cap_ = std::numeric_limits<double>::infinity();
};

class RowsWithin {
 public:
  RowsWithin(double radius, std::size_t without) : radius_(radius), without_(without) {}

  double limit() const noexcept { return radius_; }
  bool wants(std::size_t row) const noexcept { return row != without_; }
  void offer(double, std::size_t) noexcept { ++count_; }
  std::int64_t count() const noexcept { return count_; }

 private:
  double radius_;
  std::size_t without_;
  std::int64_t count_ = 0;
};

// A group of queries that are searched for together, with what each needs.
template <class Collector>
class Group {
 public:
  Group(const Index& index, std::size_t most) : index_(index) {
    queries_.assign(most, CoarseQuery(index.encoding, index.rules.size()));
    collectors_.reserve(most);
    probes_.reserve(most);
  }

  void clear() noexcept {
    collectors_.clear();
    probes_.clear();
  }

  // Collectors do not move: their number is bounded by what was reserved.
  void add(std::size_t row, Collector collector) {
    collectors_.push_back(std::move(collector));
    probes_.emplace_back(index_, row, queries_[probes_.size()], collectors_.back());
  }

  Probe<Collector>& probe(std::size_t i) { return probes_[i]; }
  Collector& collector(std::size_t i) { return collectors_[i]; }
  std::size_t size() const noexcept { return probes_.size(); }

  void search(const BlockQueue& queue) {
    if (index_.use_tree) {
      for (std::size_t i = 0; i < size() && !queue.stopped(); ++i) probes_[i].climb();
      return;
    }
    const CoarseRows& rows = index_.rows;
    const std::size_t bytes = block_rows * (rows.code_columns + sizeof(float) * rows.number_columns);
    const std::size_t stretch = std::max<std::size_t>(1, stretch_bytes / std::max<std::size_t>(1, bytes));
    for (std::size_t first = 0; first < rows.blocks() && !queue.stopped(); first += stretch)
      for (Probe<Collector>& probe : probes_) probe.look(first, std::min(rows.blocks(), first + stretch));
  }

 private:
  const Index& index_;
  std::vector<CoarseQuery> queries_;
  std::vector<Collector> collectors_;
  std::vector<Probe<Collector>> probes_;
};

void seed(Probe<NearestRows>& probe, NearestRows& rows, std::size_t block, std::size_t k) {
  probe.seed(block, k + 1);
  rows.start_over();
}

// Runs `prepare(group, start)` for each query of a group, searches, and then `finish(group, i, query)`.
template <class Collector, class Prepare, class Finish>
Status search_all(const Index& index, std::size_t threads, const std::atomic<bool>& cancel, const Prepare& prepare,
                  const Finish& finish) {
  std::vector<Start> starts;
  if (Status status = find_starts(index, threads, cancel, starts); !status.ok()) return status;
  const std::size_t queries = starts.size();
  const std::size_t size = group_size(queries, thread_count(threads, queries));
  const std::size_t groups = (queries + size - 1) / size;
  const auto worker = [&](BlockQueue& queue) -> Status {
    Group<Collector> group(index, size);
    for (std::size_t number = 0; queue.take(number);) {
      const std::size_t first = number * size, end = std::min(queries, first + size);
      group.clear();
      for (std::size_t at = first; at < end; ++at) prepare(group, starts[at]);
      group.search(queue);
      if (queue.stopped()) break;
      for (std::size_t at = first; at < end; ++at) finish(group, at - first, starts[at].query);
    }
    return {};
  };
  return run_blocks(thread_count(threads, groups), groups, cancel, worker);
}

}  // namespace

Status nearest(const Index& index, const NearestOptions& options, const std::atomic<bool>& cancel,
               const NearestOutput& output) {
  const std::size_t k = options.k;
  const auto prepare = [&](Group<NearestRows>& group, const Start& start) {
    group.add(start.query, NearestRows(k, options.exclude_self ? start.query : nothing));
    seed(group.probe(group.size() - 1), group.collector(group.size() - 1), start.block, k);
  };
  const auto finish = [&](Group<NearestRows>& group, std::size_t i, std::size_t query) {
    const Candidate* sorted = group.collector(i).sorted();
    const std::size_t base = (query * options.parts + options.part) * k;
    for (std::size_t rank = 0; rank < k; ++rank) {
      output.distances[base + rank] = sorted[rank].distance;
      output.rows[base + rank] = sorted[rank].row + options.first_row;
    }
  };
  return search_all<NearestRows>(index, options.threads, cancel, prepare, finish);
}

Status count_within(const Index& index, std::span<const double> radii, bool exclude_self, std::size_t threads,
                    const std::atomic<bool>& cancel, std::span<std::int64_t> counts) {
  const auto prepare = [&](Group<RowsWithin>& group, const Start& start) {
    group.add(start.query, RowsWithin(radii[start.query], exclude_self ? start.query : nothing));
  };
  const auto finish = [&](Group<RowsWithin>& group, std::size_t i, std::size_t query) {
    counts[query] = group.collector(i).count();
  };
  return search_all<RowsWithin>(index, threads, cancel, prepare, finish);
}

Effort sample_effort(const Index& index, const NearestOptions& options) {
  const std::size_t count = std::min(sampled_queries, index.queries.rows);
  CoarseQuery query(index.encoding, index.rules.size());
  Effort sum;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = i * index.queries.rows / count;
    NearestRows rows(options.k, options.exclude_self ? row : nothing);
    Probe<NearestRows> probe(index, row, query, rows);
    seed(probe, rows, nearest_leaf(index, query.view()), options.k);
    const Effort effort = probe.climb();
    sum.blocks += effort.blocks;
    sum.boxes += effort.boxes;
  }
  return {sum.blocks / count, sum.boxes / count};
}

}  // namespace jaxsynth
