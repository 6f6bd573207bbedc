// Argument checks: shapes, weights, types and k. Each failure is one sentence with a remedy.
#include "request.hpp"

#include <cmath>
#include <cstdio>

namespace jaxsynth {
namespace {

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

std::string text(std::size_t value) { return std::to_string(value); }

Status check_counts(const Request& request) {
  const std::size_t columns = request.reference.size();
  if (columns == 0) return invalid("reference has no columns; pass at least one column on each side");
  const auto differs = [columns](const char* name, std::size_t found) {
    return invalid(std::string(name) + " has " + text(found) + " entries but reference has " + text(columns) +
                   " columns; pass one entry per column");
  };
  if (request.queries.size() != columns) return differs("queries", request.queries.size());
  if (request.categorical.size() != columns) return differs("categorical", request.categorical.size());
  if (request.scale.size() != columns) return differs("scale", request.scale.size());
  if (request.null_cost.size() != columns) return differs("null_cost", request.null_cost.size());
  return {};
}

Status check_weights(const char* name, const std::vector<double>& weights) {
  for (std::size_t column = 0; column < weights.size(); ++column)
    if (!std::isfinite(weights[column]) || weights[column] < 0)
      return invalid(std::string(name) + "[" + text(column) + "] is " + text(weights[column]) +
                     "; it must be finite and not negative");
  return {};
}

Status check_side(const std::string& side, const std::vector<View>& columns, const std::vector<char>& categorical) {
  for (std::size_t column = 0; column < columns.size(); ++column) {
    if (columns[column].length != columns.front().length)
      return invalid(side + " column " + text(column) + " has " + text(columns[column].length) +
                     " rows but column 0 has " + text(columns.front().length) + "; all columns need the same length");
    if (categorical[column] != 0 && !is_integer(columns[column].type))
      return invalid(side + " column " + text(column) +
                     " is categorical but holds floats; pass integer codes or mark the column as numeric");
  }
  return {};
}

Status check_same_rows(const Request& request) {
  const auto rows = request.parts.empty() ? row_count(request.reference) : static_cast<std::size_t>(request.parts.front());
  const std::size_t queries = row_count(request.queries);
  if (rows == queries) return {};
  return invalid("exclude_self needs the same rows on both sides, but reference has " + text(rows) +
                 " rows and queries has " + text(queries) + "; pass the same table twice or set it to False");
}

Status check_parts(const Request& request) {
  if (request.parts.empty()) return invalid("parts is empty; pass the number of rows of each part, at least of one");
  std::uint64_t left = row_count(request.reference);
  for (const std::int64_t rows : request.parts) {
    if (rows < 0 || static_cast<std::uint64_t>(rows) > left)
      return invalid("parts do not add up to the " + text(row_count(request.reference)) +
                     " rows of reference; pass the number of rows of each part in order");
    left -= static_cast<std::uint64_t>(rows);
  }
  if (left != 0)
    return invalid("parts leave out " + text(static_cast<std::size_t>(left)) +
                   " rows of reference; pass the number of rows of each part in order");
  return {};
}

Status check_k(const Request& request) {
  if (request.k < 1) return invalid("k is " + std::to_string(request.k) + "; ask for at least 1 neighbour");
  for (std::size_t part = 0; part < request.parts.size(); ++part) {
    const auto held = static_cast<std::size_t>(request.parts[part]);
    const std::size_t available = request.exclude_self && part == 0 && held > 0 ? held - 1 : held;
    if (static_cast<std::uint64_t>(request.k) > available)
      return invalid("k is " + std::to_string(request.k) + " but each query can see only " + text(available) +
                     " reference rows; lower k or pass more reference rows");
  }
  return {};
}

}  // namespace

Status view_columns(const std::string& side, std::span<const ArrowPair> arrays, std::vector<View>& views) {
  views.clear();
  for (std::size_t column = 0; column < arrays.size(); ++column) {
    View view;
    Status status = view_array(*arrays[column].schema, *arrays[column].array, view);
    if (!status.ok()) return {status.code, side + " column " + text(column) + ": " + status.message};
    views.push_back(view);
  }
  return {};
}

Status check(const Request& request) {
  if (Status status = check_counts(request); !status.ok()) return status;
  if (Status status = check_weights("scale", request.scale); !status.ok()) return status;
  if (Status status = check_weights("null_cost", request.null_cost); !status.ok()) return status;
  if (Status status = check_side("reference", request.reference, request.categorical); !status.ok()) return status;
  if (Status status = check_side("queries", request.queries, request.categorical); !status.ok()) return status;
  if (request.threads < 0)
    return invalid("threads is " + std::to_string(request.threads) + "; pass 0 for all cores or a positive number");
  if (request.exclude_self) return check_same_rows(request);
  return {};
}

Status check_neighbours(const Request& request) {
  if (Status status = check_parts(request); !status.ok()) return status;
  return check_k(request);
}

}  // namespace jaxsynth
