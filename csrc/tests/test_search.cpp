// Whole requests against the oracle: many random shapes, types, nulls, slices, ties and thread counts.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "harness.hpp"
#include "oracle.hpp"
#include "random_request.hpp"
#include "search.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};

// The thread sanitizer takes ten times as long, and looks for races, not for wrong answers.
#ifdef __SANITIZE_THREAD__
constexpr bool few = true;
#else
constexpr bool few = false;
#endif

struct Answer {
  std::vector<double> distances;
  std::vector<std::int64_t> rows;
  Report report;

  explicit Answer(const Request& request)
      : distances(row_count(request.queries) * request.parts.size() * static_cast<std::size_t>(request.k)),
        rows(distances.size()) {}
  NearestOutput output() { return {distances, rows}; }
};

bool matches_oracle(const Request& request) {
  Answer answer(request);
  if (!search(request, go_on, answer.output(), answer.report).ok()) return false;
  std::size_t at = 0;
  for (std::size_t query = 0; query < row_count(request.queries); ++query) {
    std::size_t begin = 0;
    for (const std::int64_t part : request.parts) {
      const std::size_t end = begin + static_cast<std::size_t>(part);
      for (const auto& [distance, row] : test::oracle(request, query, begin, end)) {
        if (answer.rows[at] != row) return false;
        if (std::memcmp(&answer.distances[at++], &distance, sizeof(double)) != 0) return false;
      }
      begin = end;
    }
  }
  return true;
}

// By every way of searching, and with the kernels of every instruction set.
bool matches_oracle_always(Request& request) {
  for (const Kernels* kernels : all_kernels()) {
    setenv("JAXSYNTH_ISA", kernels->name, 1);
    for (const Strategy strategy : {Strategy::scan, Strategy::tree, Strategy::automatic}) {
      request.strategy = strategy;
      if (!matches_oracle(request)) return false;
    }
  }
  unsetenv("JAXSYNTH_ISA");
  return true;
}

std::size_t some_rows(std::mt19937_64& random) {
  switch (random() % 10) {
    case 0: return 1 + random() % 3000;
    case 1: return 128 * (1 + random() % 8) + random() % 3 - 1;
    default: return 1 + random() % 300;
  }
}

void matches_on_random_problems() {
  std::mt19937_64 random(20240229);
  std::size_t pairs = 0;
  for (int round = 0; round < 300; ++round) {
    const std::size_t rows = some_rows(random), queries = random() % (round % 10 == 1 ? 200 : 30);
    test::Problem problem = test::random_problem(random, rows, queries, 1 + random() % (round % 7 == 0 ? 40 : 9));
    problem.request.threads = static_cast<std::int64_t>(random() % 4);
    problem.request.k = static_cast<std::int64_t>(random() % 3 == 0 ? rows : 1 + random() % std::min<std::size_t>(rows, 9));
    CHECK(matches_oracle_always(problem.request));
    pairs += rows * queries;
  }
  CHECK(pairs > 1'000'000);
}

// Enough queries for the choice between scan and tree to be made.
void matches_where_the_way_is_chosen() {
  std::mt19937_64 random(6);
  for (int round = 0; round < 3; ++round) {
    test::Problem problem = test::random_problem(random, 1500, 1100, 2 + random() % 6);
    problem.request.k = 2;
    CHECK(matches_oracle_always(problem.request));
  }
}

void matches_in_parts() {
  std::mt19937_64 random(12);
  for (int round = 0; round < (few ? 10 : 60); ++round) {
    const std::size_t rows = 3 + random() % 400;
    test::Problem problem = test::random_problem(random, rows, 20, 1 + random() % 5);
    const auto first = static_cast<std::int64_t>(1 + random() % (rows - 2));
    problem.request.parts = {first, static_cast<std::int64_t>(rows) - first};
    problem.request.k = 1 + static_cast<std::int64_t>(random() % static_cast<std::size_t>(std::min(
                                problem.request.parts[0], problem.request.parts[1])));
    CHECK(matches_oracle_always(problem.request));
  }
}

void matches_when_leaving_out() {
  std::mt19937_64 random(11);
  for (int round = 0; round < (few ? 10 : 60); ++round) {
    const std::size_t rows = 2 + random() % 300;
    test::Problem problem = test::random_problem(random, rows, rows, 1 + random() % 4);
    if (random() % 2 == 0) problem.request.queries = problem.request.reference;
    problem.request.exclude_self = true;
    problem.request.k = static_cast<std::int64_t>(1 + random() % (rows - 1));
    problem.request.threads = static_cast<std::int64_t>(random() % 4);
    CHECK(matches_oracle_always(problem.request));
  }
}

// Numbers whose differences overflow, whose sizes differ by hundreds of powers of ten, and that differ in a last bit.
void matches_at_the_ends_of_the_range() {
  std::mt19937_64 random(13);
  const std::vector<double> odd{0, -0.0, 1e308, -1e308, 1.7e308, 5e-324, 1, 1 + 0x1p-52, 1e16, 1e16 + 2, 1e-300, 0.1, 0.3};
  for (int round = 0; round < (few ? 20 : 200); ++round) {
    const std::size_t rows = 1 + random() % 300;
    std::vector<test::Column> columns;
    Request request;
    for (int column = 0; column < 3; ++column) {
      std::vector<double> a(rows), b(10);
      for (double& cell : a) cell = odd[random() % odd.size()];
      for (double& cell : b) cell = odd[random() % odd.size()];
      columns.push_back(test::make_column(a));
      columns.push_back(test::make_column(b));
      request.categorical.push_back(0);
      request.scale.push_back(std::vector<double>{0, 1, 1e-300, 1e300, 0.1}[random() % 5]);
      request.null_cost.push_back(1);
    }
    for (int column = 0; column < 3; ++column) {
      request.reference.push_back(columns[2 * column].view());
      request.queries.push_back(columns[2 * column + 1].view());
    }
    request.parts = {static_cast<std::int64_t>(rows)};
    request.k = static_cast<std::int64_t>(1 + random() % rows);
    CHECK(matches_oracle_always(request));
  }
}

// A table of few distinct rows, and one of a single row many times over.
void prefers_low_rows_among_equals() {
  for (const std::size_t distinct : {1, 3}) {
    std::vector<double> cells(1300), asked(70, 0.0);
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<double>(i % distinct);
    const test::Column reference = test::make_column(cells), queries = test::make_column(asked);
    Request request{{reference.view()}, {queries.view()}, {0}, {1.0}, {1.0}, 5, {1300}};
    CHECK(matches_oracle_always(request));
  }
}

void counts_within_radii() {
  std::mt19937_64 random(14);
  for (int round = 0; round < (few ? 10 : 60); ++round) {
    const std::size_t rows = 1 + random() % 700;
    test::Problem problem = test::random_problem(random, rows, 20, 1 + random() % 6);
    Request& request = problem.request;
    std::vector<double> radii(20);
    // Radii that are distances: the rows at them count.
    for (std::size_t query = 0; query < 20; ++query)
      radii[query] = random() % 5 == 0 ? 0.0 : test::oracle_distance(request, query, random() % rows);
    for (const Strategy strategy : {Strategy::scan, Strategy::tree}) {
      request.strategy = strategy;
      std::vector<std::int64_t> counts(20, -1);
      Report report;
      CHECK(count(request, radii, go_on, counts, report).ok());
      CHECK(report.strategy == strategy);
      bool right = true;
      for (std::size_t query = 0; query < 20; ++query) {
        std::int64_t wanted = 0;
        for (std::size_t row = 0; row < rows; ++row)
          wanted += test::oracle_distance(request, query, row) <= radii[query] ? 1 : 0;
        right = right && counts[query] == wanted;
      }
      CHECK(right);
    }
    radii[7] = std::nan("");
    std::vector<std::int64_t> counts(20);
    Report report;
    CHECK(test::invalid(count(request, radii, go_on, counts, report), "radius 7"));
  }
}

void finds_equal_rows() {
  std::mt19937_64 random(15);
  for (int round = 0; round < 100; ++round) {
    const std::size_t rows = 1 + random() % 500;
    test::Problem problem = test::random_problem(random, rows, 30, 1 + random() % 3);
    Request& request = problem.request;
    request.scale.assign(request.scale.size(), 1.0);
    request.null_cost.assign(request.scale.size(), 1.0);
    std::vector<std::int64_t> found(30), counts(30);
    CHECK(match(request, go_on, {found, counts}).ok());
    bool right = true;
    for (std::size_t query = 0; query < 30; ++query) {
      std::int64_t row = -1, count = 0;
      for (std::size_t i = 0; i < rows; ++i) {
        if (test::oracle_distance(request, query, i) != 0) continue;
        if (count++ == 0) row = static_cast<std::int64_t>(i);
      }
      right = right && found[query] == row && counts[query] == count;
    }
    CHECK(right);
  }
}

void reports_what_each_step_reports() {
  std::mt19937_64 random(3);
  test::Problem problem = test::random_problem(random, 5, 4, 2);
  Request& request = problem.request;
  Answer answer(request);
  request.k = 2;
  CHECK(test::fails_with(search(request, go_on, answer.output(), answer.report), Code::internal, "output"));
  request.k = 6;
  CHECK(test::invalid(search(request, go_on, answer.output(), answer.report), "k is 6"));
  request.k = 1;
  const test::Column bad = test::make_column<double>({1, 2, std::nan(""), 4});
  request.queries[1] = bad.view();
  request.categorical[1] = 0;
  CHECK(test::invalid(search(request, go_on, answer.output(), answer.report), "queries column 1, row 2 is NaN"));
  const std::atomic<bool> stop{true};
  CHECK(test::fails_with(search(request, stop, answer.output(), answer.report), Code::cancelled, ""));
}

void cancels_while_running() {
  std::mt19937_64 random(5);
  test::Problem problem = test::random_problem(random, 20000, 200000, 6);
  problem.request.threads = 2;
  Answer answer(problem.request);
  std::atomic<bool> cancel{false};
  std::thread canceller([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cancel.store(true);
  });
  const Status status = search(problem.request, cancel, answer.output(), answer.report);
  canceller.join();
  CHECK(test::fails_with(status, Code::cancelled, ""));
}

}  // namespace

int main() {
  matches_on_random_problems();
  matches_where_the_way_is_chosen();
  matches_in_parts();
  matches_when_leaving_out();
  matches_at_the_ends_of_the_range();
  prefers_low_rows_among_equals();
  counts_within_radii();
  finds_equal_rows();
  reports_what_each_step_reports();
  cancels_while_running();
  return test::result();
}
