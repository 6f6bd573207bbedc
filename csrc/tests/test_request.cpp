// Argument checks: each wrong request is refused with a message that names what is wrong.
#include <cstdint>
#include <limits>
#include <vector>

#include "column.hpp"
#include "harness.hpp"
#include "request.hpp"

using namespace jaxsynth;

namespace {

const test::Column numbers = test::make_column<double>({1, 2, 3});
const test::Column codes = test::make_column<std::int32_t>({1, 2, 3});
const test::Column shorter = test::make_column<double>({1, 2});
const test::Column empty = test::make_column<double>({});

Request valid_request() {
  Request request;
  request.reference = {numbers.view(), codes.view()};
  request.queries = {numbers.view(), codes.view()};
  request.categorical = {0, 1};
  request.scale = {1.0, 0.0};
  request.null_cost = {1.0, 1.0};
  request.k = 3;
  request.parts = {3};
  return request;
}

template <class Spoil>
void refuses(const char* part, Spoil spoil) {
  Request request = valid_request();
  spoil(request);
  Status status = check(request);
  if (status.ok()) status = check_neighbours(request);
  CHECK(test::invalid(status, part));
}

void refuses_wrong_counts() {
  refuses("no columns", [](Request& r) { r.reference.clear(); });
  refuses("queries has 1 entries", [](Request& r) { r.queries.pop_back(); });
  refuses("categorical has 3 entries", [](Request& r) { r.categorical.push_back(0); });
  refuses("scale has 0 entries", [](Request& r) { r.scale.clear(); });
  refuses("null_cost has 1 entries", [](Request& r) { r.null_cost.pop_back(); });
}

void refuses_wrong_weights() {
  for (double bad : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    refuses("scale[1]", [bad](Request& r) { r.scale[1] = bad; });
    refuses("null_cost[0]", [bad](Request& r) { r.null_cost[0] = bad; });
  }
}

void refuses_wrong_columns() {
  refuses("reference column 1 has 2 rows", [](Request& r) { r.reference[1] = shorter.view(); });
  refuses("queries column 1 has 2 rows", [](Request& r) { r.queries[1] = shorter.view(); });
  refuses("reference column 1 is categorical", [](Request& r) { r.reference[1] = numbers.view(); });
  refuses("queries column 1 is categorical", [](Request& r) { r.queries[1] = numbers.view(); });
}

void refuses_wrong_sizes() {
  refuses("k is 0", [](Request& r) { r.k = 0; });
  refuses("k is 4", [](Request& r) { r.k = 4; });
  refuses("only 2 reference rows", [](Request& r) { r.exclude_self = true; });
  refuses("parts is empty", [](Request& r) { r.parts.clear(); });
  refuses("parts do not add up", [](Request& r) { r.parts = {2, 2}; });
  refuses("parts do not add up", [](Request& r) { r.parts = {-1, 4}; });
  refuses("parts leave out 1 rows", [](Request& r) { r.parts = {1, 1}; });
  refuses("only 2 reference rows", [](Request& r) { r.parts = {2, 1}; });
  refuses("threads is -1", [](Request& r) { r.threads = -1; });
  Request request;
  request.reference = {empty.view()};
  request.queries = {numbers.view()};
  request.categorical = {0};
  request.scale = request.null_cost = {1.0};
  request.parts = {0};
  CHECK(check(request).ok());
  CHECK(test::invalid(check_neighbours(request), "only 0 reference rows"));
  request.exclude_self = true;
  CHECK(test::invalid(check(request), "same rows on both sides"));
}

void names_the_column_of_a_bad_array() {
  test::Column text = test::make_column<double>({1});
  text.schema.format = "u";
  const std::vector<ArrowPair> pairs{{&numbers.schema, &numbers.array}, {&text.schema, &text.array}};
  std::vector<View> views;
  CHECK(test::invalid(view_columns("queries", pairs, views), "queries column 1: the array has Arrow format 'u'"));
}

}  // namespace

int main() {
  CHECK(check(valid_request()).ok());
  refuses_wrong_counts();
  refuses_wrong_weights();
  refuses_wrong_columns();
  refuses_wrong_sizes();
  names_the_column_of_a_bad_array();
  return test::result();
}
