// Puts the steps of a request in order, and chooses between scan and tree.
#include "search.hpp"

#include <new>
#include <string>

#include "pool.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t least_queries = 1024;  // for fewer, a tree costs more to build than it saves
constexpr std::size_t least_blocks = 8;
constexpr std::size_t most_rows = std::size_t{1} << 32;
// In blocks of a scan: those a tree leads to have more rows that need a closer look, and come from farther away.
constexpr double block_cost = 4;
constexpr double box_cost = 1;

std::vector<ColumnRule> rules_of(const Request& request) {
  std::vector<ColumnRule> rules;
  rules.reserve(request.scale.size());
  for (std::size_t column = 0; column < request.scale.size(); ++column)
    rules.push_back({request.categorical[column] != 0, request.scale[column], request.null_cost[column]});
  return rules;
}

Status check_output(std::size_t wanted, std::size_t distances, std::size_t rows) {
  if (distances == wanted && rows == wanted) return {};
  return internal("the output does not hold what was asked for");
}

NearestOptions options_of(const Request& request) {
  return {static_cast<std::size_t>(request.k), request.exclude_self,
          thread_count(static_cast<std::size_t>(request.threads), most_rows), request.parts.size()};
}

// A scan gains too: in the tree's order the rows that codes let through lie together, and a first look is near.
bool worth_a_tree(const Request& request, const Index& index) {
  if (index.reference.rows == 0) return false;
  return request.strategy == Strategy::tree ||
         (index.queries.rows >= least_queries && index.rows.blocks() >= least_blocks);
}

bool tree_is_cheaper(const Index& index, const NearestOptions& options) {
  const Effort effort = sample_effort(index, options);
  const double tree = block_cost * static_cast<double>(effort.blocks) + box_cost * static_cast<double>(effort.boxes);
  return tree < static_cast<double>(index.rows.blocks());
}

Status prepare(const Request& request, const std::vector<View>& reference, const std::atomic<bool>& cancel,
               const NearestOptions& options, Index& index) {
  if (Status status = choose_kernels(index.kernels); !status.ok()) return status;
  index.rules = rules_of(request);
  if (Status status = read_side("reference", reference, index.rules, cancel, index.reference); !status.ok())
    return status;
  if (Status status = read_side("queries", request.queries, index.rules, cancel, index.queries); !status.ok())
    return status;
  if (index.reference.rows >= most_rows)
    return invalid("reference has " + std::to_string(index.reference.rows) +
                   " rows; the search takes fewer than 2^32: cut the table and keep the nearest of the parts");
  index.encoding = make_encoding(index.rules, index.reference, index.queries);
  index.rows = encode_rows(index.encoding, index.reference);
  if (!worth_a_tree(request, index)) return {};
  Status built = Tree::build(index.encoding, *index.kernels, options.threads, cancel, index.rows, index.tree);
  if (!built.ok()) return built;
  index.use_tree = request.strategy == Strategy::tree ||
                   (request.strategy == Strategy::automatic && tree_is_cheaper(index, options));
  return {};
}

// Some consecutive rows of each column.
std::vector<View> rows_of(std::vector<View> columns, std::size_t first, std::size_t rows) {
  for (View& view : columns) {
    view.offset += first;
    view.length = rows;
  }
  return columns;
}

Status search_unguarded(const Request& request, const std::atomic<bool>& cancel, const NearestOutput& output,
                        Report& report) {
  if (Status status = check(request); !status.ok()) return status;
  if (Status status = check_neighbours(request); !status.ok()) return status;
  const std::size_t cells = row_count(request.queries) * request.parts.size() * static_cast<std::size_t>(request.k);
  if (Status status = check_output(cells, output.distances.size(), output.rows.size()); !status.ok()) return status;
  if (request.parts.size() > 1) {  // so that a message has the row's number in the whole reference
    Side whole;
    const std::vector<ColumnRule> rules = rules_of(request);
    if (Status status = read_side("reference", request.reference, rules, cancel, whole); !status.ok()) return status;
  }
  // Each part has an index of its own: in one for all, the part whose nearest row is far keeps the others waiting.
  NearestOptions options = options_of(request);
  for (; options.part < options.parts; ++options.part) {
    Index index;
    const auto rows = static_cast<std::size_t>(request.parts[options.part]);
    const std::vector<View> reference = rows_of(request.reference, static_cast<std::size_t>(options.first_row), rows);
    if (Status status = prepare(request, reference, cancel, options, index); !status.ok()) return status;
    if (options.part == 0) report = {index.use_tree ? Strategy::tree : Strategy::scan, index.kernels->name};
    if (Status status = nearest(index, options, cancel, output); !status.ok()) return status;
    options.first_row += request.parts[options.part];
    options.exclude_self = false;
  }
  return {};
}

Status count_unguarded(const Request& request, std::span<const double> radii, const std::atomic<bool>& cancel,
                       std::span<std::int64_t> counts, Report& report) {
  if (Status status = check(request); !status.ok()) return status;
  const std::size_t queries = row_count(request.queries);
  if (radii.size() != queries)
    return invalid("there are " + std::to_string(radii.size()) + " radii for " + std::to_string(queries) +
                   " queries; give one for each");
  if (Status status = check_output(queries, counts.size(), counts.size()); !status.ok()) return status;
  for (std::size_t i = 0; i < radii.size(); ++i)
    if (!(radii[i] >= 0))
      return invalid("radius " + std::to_string(i) + " is " + std::to_string(radii[i]) + "; give a number >= 0");
  // The choice between scan and tree is made for the nearest row, since few radii reach much farther.
  NearestOptions options = options_of(request);
  options.k = 1;
  Index index;
  if (Status status = prepare(request, request.reference, cancel, options, index); !status.ok()) return status;
  report = {index.use_tree ? Strategy::tree : Strategy::scan, index.kernels->name};
  return count_within(index, radii, request.exclude_self, options.threads, cancel, counts);
}

Status match_unguarded(const Request& request, const std::atomic<bool>& cancel, const MatchOutput& output) {
  if (Status status = check(request); !status.ok()) return status;
  const std::size_t queries = row_count(request.queries);
  if (Status status = check_output(queries, output.rows.size(), output.counts.size()); !status.ok()) return status;
  const std::vector<ColumnRule> rules = rules_of(request);
  Side reference, rows;
  if (Status status = read_side("reference", request.reference, rules, cancel, reference); !status.ok()) return status;
  if (Status status = read_side("queries", request.queries, rules, cancel, rows); !status.ok()) return status;
  return matches(reference, rows, options_of(request).threads, cancel, output);
}

// Turns exhausted memory, and whatever else a library may throw, into a status.
template <class Act>
Status guarded(const Act& act) noexcept {
  try {
    return act();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (...) {
    return internal("search failed");
  }
}

}  // namespace

Status search(const Request& request, const std::atomic<bool>& cancel, const NearestOutput& output,
              Report& report) noexcept {
  return guarded([&] { return search_unguarded(request, cancel, output, report); });
}

Status count(const Request& request, std::span<const double> radii, const std::atomic<bool>& cancel,
             std::span<std::int64_t> counts, Report& report) noexcept {
  return guarded([&] { return count_unguarded(request, radii, cancel, counts, report); });
}

Status match(const Request& request, const std::atomic<bool>& cancel, const MatchOutput& output) noexcept {
  return guarded([&] { return match_unguarded(request, cancel, output); });
}

}  // namespace jaxsynth
