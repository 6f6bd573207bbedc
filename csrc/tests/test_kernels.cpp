// Every instruction set against the scalar kernels, and bounds against distances.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "coarse.hpp"
#include "harness.hpp"
#include "kernels.hpp"
#include "random_request.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};

// Encoded rows and queries of a random problem.
struct Fixture {
  test::Problem problem;
  std::vector<ColumnRule> rules;
  Side reference, queries;
  Encoding encoding;
  CoarseRows rows;

  Fixture(std::mt19937_64& random, std::size_t count, std::size_t columns)
      : problem(test::random_problem(random, count, 20, columns)) {
    const Request& request = problem.request;
    for (std::size_t c = 0; c < columns; ++c)
      rules.push_back({request.categorical[c] != 0, request.scale[c], request.null_cost[c]});
    CHECK(read_side("reference", request.reference, rules, go_on, reference).ok());
    CHECK(read_side("queries", request.queries, rules, go_on, queries).ok());
    encoding = make_encoding(rules, reference, queries);
    rows = encode_rows(encoding, reference);
  }
};

void agree_on_every_row() {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    const Fixture f(random, 1 + random() % 400, 1 + random() % 30);
    CoarseQuery query(f.encoding, f.rules.size());
    for (std::size_t q = 0; q < f.queries.rows; ++q) {
      encode_query(f.encoding, f.queries, q, query);
      const std::size_t block = random() % f.rows.blocks();
      const Admission admission = admit(f.encoding, query, static_cast<double>(random() % 100) / 20);
      float wanted[block_rows], found[block_rows];
      std::uint64_t wanted_words[2], found_words[2];
      const Kernels& scalar = *all_kernels().front();
      const auto* codes = f.rows.block_codes(block);
      const auto* numbers = f.rows.block_numbers(block);
      scalar.bounds(query.view(), codes, numbers, f.encoding.unit, wanted);
      const bool any = scalar.filter(query.view(), codes, numbers, 1, admission, wanted_words) == 0;
      bool same = true;
      for (const Kernels* kernels : all_kernels()) {
        kernels->bounds(query.view(), codes, numbers, f.encoding.unit, found);
        same = same && (kernels->filter(query.view(), codes, numbers, 1, admission, found_words) == 0) == any;
        for (std::size_t i = 0; i < block_rows; ++i) same = same && found[i] == wanted[i];
        for (std::size_t w = 0; w < 2 && any; ++w) same = same && found_words[w] == wanted_words[w];
      }
      CHECK(same);
      // What is let through is what the bounds say.
      bool consistent = true;
      for (std::size_t i = 0; i < block_rows; ++i) {
        const bool kept = any && (wanted_words[i / 64] >> (i % 64) & 1) != 0;
        consistent = consistent && kept == (wanted[i] <= admission.bound);
      }
      CHECK(consistent);
    }
  }
}

void never_pass_over_a_row_that_is_near_enough() {
  std::mt19937_64 random(8);
  for (int round = 0; round < 200; ++round) {
    const Fixture f(random, 1 + random() % 300, 1 + random() % 12);
    CoarseQuery query(f.encoding, f.rules.size());
    for (std::size_t q = 0; q < f.queries.rows; ++q) {
      encode_query(f.encoding, f.queries, q, query);
      bool kept = true;
      for (std::size_t row = 0; row < f.reference.rows; ++row) {
        const double far = distance(f.rules, query.cells.data(), f.reference, row);
        // From the first block, as a search would come to it.
        const Admission admission = admit(f.encoding, query, far);
        std::size_t block = 0;
        std::uint64_t words[2];
        for (; block <= row / block_rows; ++block) {
          block += all_kernels().back()->filter(query.view(), f.rows.block_codes(block), f.rows.block_numbers(block),
                                                f.rows.blocks() - block, admission, words);
          if (block >= row / block_rows) break;
        }
        const std::size_t i = row % block_rows;
        kept = kept && block == row / block_rows && (words[i / 64] >> (i % 64) & 1) != 0;
      }
      CHECK(kept);
    }
  }
}

void refuse_an_unknown_instruction_set() {
  const Kernels* chosen = nullptr;
  setenv("JAXSYNTH_ISA", "abacus", 1);
  CHECK(test::invalid(choose_kernels(chosen), "'abacus', but here run scalar"));
  setenv("JAXSYNTH_ISA", "scalar", 1);
  CHECK(choose_kernels(chosen).ok() && chosen == all_kernels().front());
  unsetenv("JAXSYNTH_ISA");
  CHECK(choose_kernels(chosen).ok() && chosen == all_kernels().back());
}

}  // namespace

int main() {
  agree_on_every_row();
  never_pass_over_a_row_that_is_near_enough();
  refuse_an_unknown_instruction_set();
  return test::result();
}
