// A sorted list of hashes answers a query by one binary search; a hash alone never decides.
#include "matches.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "pool.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t stretch = 4096;  // rows between two looks at whether to stop

struct Entry {
  std::uint64_t hash;
  std::size_t row;

  friend bool operator<(const Entry& a, const Entry& b) noexcept {
    return a.hash < b.hash || (a.hash == b.hash && a.row < b.row);
  }
};

std::uint64_t hash_of(const double* cells, std::size_t columns) noexcept {
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  for (std::size_t c = 0; c < columns; ++c) {
    // One pattern for all nulls, and one for zero.
    hash ^= std::isnan(cells[c]) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(cells[c] + 0.0);
    hash *= 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

bool equal(const double* cells, const Side& side, std::size_t row) noexcept {
  for (std::size_t c = 0; c < side.columns.size(); ++c) {
    const double other = cell_of(side.columns[c], row);
    if (!(cells[c] == other || (std::isnan(cells[c]) && std::isnan(other)))) return false;
  }
  return true;
}

// Calls `act(row, cells)` for all rows, in stretches shared by the threads.
template <class Act>
Status for_rows(const Side& side, std::size_t threads, const std::atomic<bool>& cancel, const Act& act) {
  const std::size_t stretches = (side.rows + stretch - 1) / stretch;
  const auto worker = [&](BlockQueue& queue) -> Status {
    std::vector<double> cells(side.columns.size());
    for (std::size_t i = 0; queue.take(i);)
      for (std::size_t row = i * stretch; row < std::min(side.rows, (i + 1) * stretch); ++row) {
        read_row(side, row, cells.data());
        act(row, cells.data());
      }
    return {};
  };
  return run_blocks(thread_count(threads, stretches), stretches, cancel, worker);
}

// Rows of one hash, which are equal but for a collision.
struct Run {
  std::uint64_t hash;
  std::size_t first;  // among the entries
  std::size_t count;
  bool equal;
};

Status find_runs(const Side& reference, const std::vector<Entry>& entries, const std::atomic<bool>& cancel,
                 std::vector<Run>& runs) {
  std::vector<double> cells(reference.columns.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i % stretch == 0 && cancel.load(std::memory_order_relaxed)) return cancelled();
    if (runs.empty() || runs.back().hash != entries[i].hash) {
      runs.push_back({entries[i].hash, i, 1, true});
      read_row(reference, entries[i].row, cells.data());
    } else {
      ++runs.back().count;
      runs.back().equal = runs.back().equal && equal(cells.data(), reference, entries[i].row);
    }
  }
  return {};
}

}  // namespace

Status matches(const Side& reference, const Side& queries, std::size_t threads, const std::atomic<bool>& cancel,
               const MatchOutput& output) {
  const std::size_t columns = reference.columns.size();
  std::vector<Entry> entries(reference.rows);
  const auto enter = [&](std::size_t row, const double* cells) { entries[row] = {hash_of(cells, columns), row}; };
  if (Status status = for_rows(reference, threads, cancel, enter); !status.ok()) return status;
  std::sort(entries.begin(), entries.end());
  std::vector<Run> runs;
  if (Status status = find_runs(reference, entries, cancel, runs); !status.ok()) return status;
  return for_rows(queries, threads, cancel, [&](std::size_t query, const double* cells) {
    const std::uint64_t hash = hash_of(cells, columns);
    const auto run = std::lower_bound(runs.begin(), runs.end(), hash,
                                      [](const Run& a, std::uint64_t wanted) { return a.hash < wanted; });
    std::int64_t count = 0, row = -1;
    if (run != runs.end() && run->hash == hash) {
      // Of a run of equal rows the first answers for all.
      const std::size_t looked_at = run->equal ? 1 : run->count;
      for (std::size_t i = run->first; i < run->first + looked_at; ++i) {
        if (!equal(cells, reference, entries[i].row)) continue;
        if (row < 0) row = static_cast<std::int64_t>(entries[i].row);
        count += static_cast<std::int64_t>(run->equal ? run->count : 1);
      }
    }
    output.rows[query] = row;
    output.counts[query] = count;
  });
}

}  // namespace jaxsynth
