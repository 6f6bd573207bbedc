// Whole requests against the oracle: many random shapes, types, nulls, slices, ties and thread counts.
#include <atomic>
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

struct Answer {
  std::vector<double> distances;
  std::vector<std::int64_t> rows;

  explicit Answer(const Request& request)
      : distances(row_count(request.queries) * static_cast<std::size_t>(request.k)), rows(distances.size()) {}
  NearestOutput output() { return {distances, rows}; }
};

bool matches_oracle(const Request& request) {
  Answer answer(request);
  if (!search(request, go_on, answer.output()).ok()) return false;
  const std::size_t k = static_cast<std::size_t>(request.k);
  for (std::size_t query = 0; query < row_count(request.queries); ++query) {
    const auto expected = test::oracle(request, query);
    for (std::size_t rank = 0; rank < k; ++rank) {
      if (answer.rows[query * k + rank] != expected[rank].second) return false;
      if (std::memcmp(&answer.distances[query * k + rank], &expected[rank].first, sizeof(double)) != 0) return false;
    }
  }
  return true;
}

void matches_on_random_problems() {
  std::mt19937_64 random(20240229);
  for (int round = 0; round < 300; ++round) {
    const std::size_t rows = 1 + random() % (round % 10 == 0 ? 700 : 40);
    const std::size_t queries = random() % (round % 10 == 1 ? 200 : 30);
    test::Problem problem = test::random_problem(random, rows, queries, 1 + random() % 9);
    problem.request.threads = static_cast<std::int64_t>(random() % 4);
    problem.request.k = static_cast<std::int64_t>(random() % 3 == 0 ? rows : 1 + random() % rows);
    CHECK(matches_oracle(problem.request));
  }
}

void matches_when_leaving_out() {
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    const std::size_t rows = 2 + random() % 300;
    test::Problem problem = test::random_problem(random, rows, rows, 1 + random() % 4);
    if (random() % 2 == 0) problem.request.queries = problem.request.reference;
    problem.request.exclude_self = true;
    problem.request.k = static_cast<std::int64_t>(1 + random() % (rows - 1));
    problem.request.threads = static_cast<std::int64_t>(random() % 4);
    CHECK(matches_oracle(problem.request));
  }
}

void reports_what_each_step_reports() {
  std::mt19937_64 random(3);
  test::Problem problem = test::random_problem(random, 5, 4, 2);
  Request& request = problem.request;
  Answer answer(request);
  request.k = 2;
  CHECK(test::fails_with(search(request, go_on, answer.output()), Code::internal, "output"));
  request.k = 6;
  CHECK(test::invalid(search(request, go_on, answer.output()), "k is 6"));
  request.k = 1;
  const test::Column bad = test::make_column<double>({1, 2, std::nan(""), 4});
  request.queries[1] = bad.view();
  request.categorical[1] = 0;
  CHECK(test::invalid(search(request, go_on, answer.output()), "queries column 1, row 2 is NaN"));
  const std::atomic<bool> stop{true};
  CHECK(test::fails_with(search(request, stop, answer.output()), Code::cancelled, ""));
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
  const Status status = search(problem.request, cancel, answer.output());
  canceller.join();
  CHECK(test::fails_with(status, Code::cancelled, ""));
}

}  // namespace

int main() {
  matches_on_random_problems();
  matches_when_leaving_out();
  reports_what_each_step_reports();
  cancels_while_running();
  return test::result();
}
