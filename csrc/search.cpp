// Puts the steps of a request in order and turns exhausted memory into a status.
#include "search.hpp"

#include <new>

namespace jaxsynth {
namespace {

std::vector<ColumnRule> rules_of(const Request& request) {
  std::vector<ColumnRule> rules;
  rules.reserve(request.scale.size());
  for (std::size_t column = 0; column < request.scale.size(); ++column)
    rules.push_back({request.categorical[column] != 0, request.scale[column]});
  return rules;
}

Status check_output(const Request& request, const NearestOutput& output) {
  const std::size_t cells = row_count(request.queries) * static_cast<std::size_t>(request.k);
  if (output.distances.size() == cells && output.rows.size() == cells) return {};
  return internal("the output does not hold queries x k cells");
}

Status search_unguarded(const Request& request, const std::atomic<bool>& cancel, const NearestOutput& output) {
  if (Status status = check(request); !status.ok()) return status;
  if (Status status = check_output(request, output); !status.ok()) return status;
  const std::vector<ColumnRule> rules = rules_of(request);
  Packed reference, queries;
  if (Status status = pack("reference", request.reference, rules, cancel, reference); !status.ok()) return status;
  if (Status status = pack("queries", request.queries, rules, cancel, queries); !status.ok()) return status;
  const NearestInput input{reference,
                           queries,
                           rules,
                           request.null_cost,
                           static_cast<std::size_t>(request.k),
                           request.exclude_self,
                           static_cast<std::size_t>(request.threads)};
  return nearest(input, cancel, output);
}

}  // namespace

Status search(const Request& request, const std::atomic<bool>& cancel, const NearestOutput& output) noexcept {
  try {
    return search_unguarded(request, cancel, output);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (...) {
    return internal("search failed");
  }
}

}  // namespace jaxsynth
