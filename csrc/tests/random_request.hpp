// Random small problems for the tests that compare the engine with the oracle.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <type_traits>
#include <vector>

#include "column.hpp"
#include "request.hpp"

namespace test {

// A request together with the storage that its views show.
struct Problem {
  std::deque<Column> storage;
  jaxsynth::Request request;
};

template <class T>
Column random_column(std::mt19937_64& random, std::size_t rows, bool nulls) {
  std::vector<T> cells(rows);
  std::vector<bool> null(nulls ? rows : 0);
  const std::uint64_t distinct = random() % 3 == 0 ? 1 : 1 + random() % 200;  // few: ties; one: a constant
  const T divisor = std::is_floating_point_v<T> ? T{7} : T{1};  // sevenths are inexact
  for (T& cell : cells) cell = static_cast<T>(static_cast<T>(random() % distinct) / divisor);
  for (std::size_t i = 0; i < null.size(); ++i) null[i] = random() % 3 == 0;
  return make_column(cells, null, random() % 20);
}

inline Column any_column(std::mt19937_64& random, std::size_t rows, bool categorical) {
  const bool nulls = random() % 2 == 0;
  switch (random() % (categorical ? 8 : 10)) {
    case 0: return random_column<std::int8_t>(random, rows, nulls);
    case 1: return random_column<std::int16_t>(random, rows, nulls);
    case 2: return random_column<std::int32_t>(random, rows, nulls);
    case 3: return random_column<std::int64_t>(random, rows, nulls);
    case 4: return random_column<std::uint8_t>(random, rows, nulls);
    case 5: return random_column<std::uint16_t>(random, rows, nulls);
    case 6: return random_column<std::uint32_t>(random, rows, nulls);
    case 7: return random_column<std::uint64_t>(random, rows, nulls);
    case 8: return random_column<float>(random, rows, nulls);
    default: return random_column<double>(random, rows, nulls);
  }
}

inline double random_weight(std::mt19937_64& random) {
  return random() % 8 == 0 ? 0.0 : static_cast<double>(1 + random() % 100) / 30.0;
}

inline Problem random_problem(std::mt19937_64& random, std::size_t rows, std::size_t queries, std::size_t columns) {
  Problem problem;
  problem.request.parts = {static_cast<std::int64_t>(rows)};
  for (std::size_t column = 0; column < columns; ++column) {
    const bool categorical = random() % 2 == 0;
    problem.storage.push_back(any_column(random, rows, categorical));
    problem.request.reference.push_back(problem.storage.back().view());
    problem.storage.push_back(any_column(random, queries, categorical));
    problem.request.queries.push_back(problem.storage.back().view());
    problem.request.categorical.push_back(categorical ? 1 : 0);
    problem.request.scale.push_back(random_weight(random));
    const bool same = random() % 2 == 0;  // equal costs take a short cut
    problem.request.null_cost.push_back(same ? problem.request.scale.back() : random_weight(random));
  }
  return problem;
}

}  // namespace test
