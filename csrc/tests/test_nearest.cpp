// The search over packed tables: order of results, ties, infinite distances, threads, cancellation.
#include <atomic>
#include <limits>
#include <vector>

#include "best.hpp"
#include "column.hpp"
#include "harness.hpp"
#include "nearest.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};

struct Found {
  Status status;
  std::vector<double> distances;
  std::vector<std::int64_t> rows;
};

Found nearest_of(const std::vector<double>& reference, const std::vector<double>& queries, std::size_t k,
                 bool exclude_self = false, std::size_t threads = 1, const std::atomic<bool>& cancel = go_on) {
  const std::vector<ColumnRule> rules{{false, 1.0}};
  const std::vector<double> null_cost{1.0};
  const test::Column a = test::make_column(reference), b = test::make_column(queries);
  Packed packed_a, packed_b;
  CHECK(pack("reference", {a.view()}, rules, go_on, packed_a).ok());
  CHECK(pack("queries", {b.view()}, rules, go_on, packed_b).ok());
  Found found{{}, std::vector<double>(queries.size() * k), std::vector<std::int64_t>(queries.size() * k)};
  found.status = nearest({packed_a, packed_b, rules, null_cost, k, exclude_self, threads}, cancel,
                         {found.distances, found.rows});
  return found;
}

void orders_by_distance_then_row() {
  const Found found = nearest_of({5, 1, 3, 1, 4}, {1, 4}, 5);
  CHECK(found.status.ok());
  CHECK((found.rows == std::vector<std::int64_t>{1, 3, 2, 4, 0, 4, 0, 2, 1, 3}));
  CHECK((found.distances == std::vector<double>{0, 0, 2, 3, 4, 0, 1, 1, 3, 3}));
}

void leaves_itself_out() {
  const Found found = nearest_of({1, 1, 1}, {1, 1, 1}, 2, true);
  CHECK((found.rows == std::vector<std::int64_t>{1, 2, 0, 2, 0, 1}));
}

void finds_rows_at_infinite_distance() {
  const Found found = nearest_of({1e308, -1e308, 1.5e308}, {-1.7e308}, 3);
  CHECK((found.rows == std::vector<std::int64_t>{1, 0, 2}));
  CHECK(found.distances[2] == std::numeric_limits<double>::infinity());
  const Found all_far = nearest_of(std::vector<double>(2 * tile_rows, 1.5e308), {-1.7e308}, 3);
  CHECK((all_far.rows == std::vector<std::int64_t>{0, 1, 2}));
}

void prefers_low_rows_across_tiles() {
  const std::vector<double> same(5 * tile_rows + 1, 2.0);
  for (std::size_t threads : {1, 2, 7}) {
    const Found found = nearest_of(same, std::vector<double>(131, 2.0), 3, false, threads);
    bool low = true;
    for (std::size_t i = 0; i < found.rows.size(); ++i) low = low && found.rows[i] == static_cast<std::int64_t>(i % 3);
    CHECK(low);
  }
}

void answers_no_queries() {
  const Found found = nearest_of({1, 2}, {}, 2, false, 0);
  CHECK(found.status.ok());
}

void stops_when_cancelled() {
  const std::atomic<bool> stop{true};
  const Found found = nearest_of({1, 2}, {1}, 1, false, 2, stop);
  CHECK(test::fails_with(found.status, Code::cancelled, "cancelled"));
}

void keeps_the_best() {
  std::vector<Candidate> storage(8);
  Best best(storage.data(), 2);
  const std::vector<Candidate> offered{{3, 0}, {1, 9}, {1, 4}, {1, 7}};
  for (const Candidate& candidate : offered) best.offer(candidate);
  CHECK(best.full() && best.limit() == 1);
  const Candidate* sorted = best.sorted();
  CHECK(sorted[0].row == 4 && sorted[1].row == 7);
}

}  // namespace

int main() {
  orders_by_distance_then_row();
  leaves_itself_out();
  finds_rows_at_infinite_distance();
  prefers_low_rows_across_tiles();
  answers_no_queries();
  stops_when_cancelled();
  keeps_the_best();
  return test::result();
}
