// The tree: an order that loses no row, boxes that hold their rows, and visits that skip only what is far.
#include <algorithm>
#include <atomic>
#include <limits>
#include <random>
#include <vector>

#include "coarse.hpp"
#include "harness.hpp"
#include "random_request.hpp"
#include "tree.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};

struct Fixture {
  const Kernels& kernels;
  test::Problem problem;
  std::vector<ColumnRule> rules;
  Side reference, queries;
  Encoding encoding;
  CoarseRows rows;
  Tree tree;

  Fixture(std::mt19937_64& random, std::size_t count, std::size_t columns, std::size_t threads)
      : kernels(*all_kernels()[random() % all_kernels().size()]),
        problem(test::random_problem(random, count, 8, columns)) {
    const Request& request = problem.request;
    for (std::size_t c = 0; c < columns; ++c)
      rules.push_back({request.categorical[c] != 0, request.scale[c], request.null_cost[c]});
    CHECK(read_side("reference", request.reference, rules, go_on, reference).ok());
    CHECK(read_side("queries", request.queries, rules, go_on, queries).ok());
    encoding = make_encoding(rules, reference, queries);
    rows = encode_rows(encoding, reference);
    CHECK(Tree::build(encoding, kernels, threads, go_on, rows, tree).ok());
  }
};

void keeps_every_row_once() {
  std::mt19937_64 random(1);
  for (int round = 0; round < 60; ++round) {
    const Fixture f(random, 1 + random() % 3000, 1 + random() % 8, 1 + random() % 4);
    const CoarseRows before = encode_rows(f.encoding, f.reference);
    std::vector<char> seen(f.reference.rows, 0);
    bool same = true;
    for (std::size_t place = 0; place < f.rows.rows; ++place) {
      const std::size_t row = f.rows.row(place);
      same = same && !seen[row];
      seen[row] = 1;
      for (std::size_t c = 0; c < f.rows.code_columns; ++c)
        same = same && f.rows.block_codes(place / block_rows)[c * block_rows + place % block_rows] ==
                           before.block_codes(row / block_rows)[c * block_rows + row % block_rows];
    }
    CHECK(same);
  }
}

// A visit that allows every bound sees every block; otherwise no row of a block that is passed over is near.
void passes_over_only_what_is_far() {
  std::mt19937_64 random(2);
  for (int round = 0; round < 240; ++round) {
    const Fixture f(random, 1 + random() % 4000, 1 + random() % 8, 2);
    CoarseQuery query(f.encoding, f.rules.size());
    for (std::size_t q = 0; q < f.queries.rows; ++q) {
      encode_query(f.encoding, f.queries, q, query);
      const double limit = random() % 4 == 0 ? std::numeric_limits<double>::infinity()
                                             : static_cast<double>(random() % 100) / 25;
      const float bound = admit(f.encoding, query, limit).bound;
      std::vector<char> visited(f.rows.blocks(), 0);
      descend(f.tree, f.kernels, query.view(), bound, [&](std::size_t block) {
        visited[block] = 1;
        return bound;
      });
      bool right = true;
      for (std::size_t place = 0; place < f.rows.rows; ++place)
        right = right && (visited[place / block_rows] ||
                          distance(f.rules, query.cells.data(), f.reference, f.rows.row(place)) > limit);
      CHECK(right);
    }
  }
}

void stops_when_cancelled() {
  std::mt19937_64 random(3);
  Fixture f(random, 2000, 3, 1);
  const std::atomic<bool> stop{true};
  CoarseRows rows = encode_rows(f.encoding, f.reference);
  Tree tree;
  CHECK(test::fails_with(Tree::build(f.encoding, f.kernels, 2, stop, rows, tree), Code::cancelled, ""));
}

}  // namespace

int main() {
  keeps_every_row_once();
  passes_over_only_what_is_far();
  stops_when_cancelled();
  return test::result();
}
