// Where to cut: across the column whose costs differ most between pairs of rows, at its median or, where
// many rows are equal there, beside them.
#include "tree.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "pool.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t sampled = 256;    // rows by which a column is chosen
constexpr std::size_t least_share = 8;  // a cut leaves at least one part in so many on either side

std::size_t padded(std::size_t count, std::size_t lanes) { return (count + lanes - 1) / lanes * lanes; }

struct Key {
  float value;
  std::uint32_t row;
};

struct Part {
  std::size_t node;
  std::size_t first_block;
  std::size_t blocks;
};

}  // namespace

class TreeBuilder {
 public:
  TreeBuilder(const Encoding& encoding, const Kernels& kernels, const CoarseRows& rows, Tree& tree)
      : encoding_(encoding), rows_(rows), tree_(tree), order_(rows.rows) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
    const std::size_t nodes = 2 * rows.blocks() - 1;
    tree.number_lanes_ = padded(encoding.numbers.size(), kernels.lanes);
    tree.code_lanes_ = padded(encoding.codes.size(), kernels.lanes);
    tree.left_blocks_.assign(nodes, 0);
    tree.numbers_ = aligned<float>(nodes * 3 * tree.number_lanes_);
    tree.codes_ = aligned<std::uint32_t>(nodes * tree.code_lanes_);
  }

  Part whole() const { return {0, 0, rows_.blocks()}; }
  std::vector<std::uint32_t> take_order() { return std::move(order_); }

  // Everything below a part, but not the boxes.
  void cut_all(const Part& part, std::vector<Key>& keys) {
    if (part.blocks == 1) return;
    const auto [left, right] = cut(part, keys);
    cut_all(left, keys);
    cut_all(right, keys);
  }

  std::array<Part, 2> cut(const Part& part, std::vector<Key>& keys) {
    const std::span<std::uint32_t> rows = rows_of(part);
    // Where no column costs anything, one order is as good as another.
    const bool free = rows_.code_columns + rows_.number_columns == 0;
    const std::size_t left = free ? part.blocks / 2 : sort_at(rows, widest(rows), keys);
    tree_.left_blocks_[part.node] = static_cast<std::uint32_t>(left);
    return {Part{part.node + 1, part.first_block, left},
            Part{part.node + 2 * left, part.first_block + left, part.blocks - left}};
  }

  // Boxes of a part, from its leaves up; the rows must be in their order.
  void box_all(std::size_t node, std::size_t block) {
    const std::size_t left = tree_.left_blocks_[node];
    if (left == 0) return box_block(node, block);
    box_all(node + 1, block);
    box_all(node + 2 * left, block + left);
    join(node, node + 1, node + 2 * left);
  }

 private:
  std::span<std::uint32_t> rows_of(const Part& part) {
    const std::size_t begin = part.first_block * block_rows;
    return {order_.data() + begin, std::min(order_.size(), begin + part.blocks * block_rows) - begin};
  }

  std::uint8_t code(std::size_t column, std::uint32_t row) const {
    return rows_.codes[(row / block_rows * rows_.code_columns + column) * block_rows + row % block_rows];
  }
  float number(std::size_t column, std::uint32_t row) const {
    return rows_.numbers[(row / block_rows * rows_.number_columns + column) * block_rows + row % block_rows];
  }

  // Codes first, then numbers.
  std::size_t widest(std::span<const std::uint32_t> rows) const {
    const std::size_t step = std::max<std::size_t>(1, rows.size() / sampled);
    std::size_t best = 0;
    double most = -1;
    for (std::size_t column = 0; column < rows_.code_columns + rows_.number_columns; ++column) {
      const double spread = column < rows_.code_columns
                                ? spread_of_code(column, rows, step)
                                : spread_of_number(column - rows_.code_columns, rows, step);
      if (spread > most) most = spread, best = column;
    }
    return best;
  }

  // Mean cost between two of the sampled rows.
  double spread_of_code(std::size_t column, std::span<const std::uint32_t> rows, std::size_t step) const {
    std::array<std::uint32_t, 256> counts{};
    double total = 0, same = 0;
    for (std::size_t i = 0; i < rows.size(); i += step) ++counts[code(column, rows[i])], ++total;
    for (const double count : counts) same += count * count;
    return encoding_.codes[column].cost * (1 - same / (total * total));
  }

  double spread_of_number(std::size_t column, std::span<const std::uint32_t> rows, std::size_t step) const {
    double sum = 0, total = 0;
    for (std::size_t i = 0; i + step < rows.size(); i += 2 * step, ++total) {
      // Rows of a part are near their neighbours in its order: the pair is taken from its two halves.
      const float gap = number(column, rows[i / 2]) - number(column, rows[rows.size() / 2 + i / 2]);
      if (!std::isnan(gap)) sum += std::fabs(double{gap});
    }
    return total == 0 ? 0 : sum / total * double{encoding_.numbers[column].weight};
  }

  // Orders the rows of a part by a column so far that a cut is right; returns the blocks on its left.
  std::size_t sort_at(std::span<std::uint32_t> rows, std::size_t column, std::vector<Key>& keys) const {
    fill_keys(rows, column, keys);
    const std::size_t blocks = (rows.size() + block_rows - 1) / block_rows;
    const std::size_t middle = blocks / 2 * block_rows;
    const auto by_value = [](const Key& a, const Key& b) {
      return a.value < b.value || (a.value == b.value && a.row < b.row);
    };
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(middle), keys.end(), by_value);
    const float value = keys[middle].value;
    std::size_t below = 0, equal = 0;
    for (const Key& key : keys) below += key.value < value ? 1 : 0, equal += key.value == value ? 1 : 0;
    const std::size_t at = nearest_cut(below, below + equal, middle, blocks);
    if (at != middle)
      std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(at), keys.end(), by_value);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = keys[i].row;
    return at / block_rows;
  }

  // The end of the run of equal values around the middle that is nearer, unless it is too far out.
  static std::size_t nearest_cut(std::size_t below, std::size_t above, std::size_t middle, std::size_t blocks) {
    const std::size_t down = (below + block_rows - 1) / block_rows * block_rows, up = above / block_rows * block_rows;
    const std::size_t near = middle - std::min(middle, down) <= up - std::min(up, middle) ? down : up;
    const std::size_t least = std::max<std::size_t>(1, blocks / least_share) * block_rows;
    return near >= least && near + least <= blocks * block_rows && near < blocks * block_rows ? near : middle;
  }

  // Of codes, the most frequent comes first, so that one cut can tell it from the rest.
  void fill_keys(std::span<const std::uint32_t> rows, std::size_t column, std::vector<Key>& keys) const {
    keys.resize(rows.size());
    if (column >= rows_.code_columns) {
      const std::size_t at = column - rows_.code_columns;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const float value = number(at, rows[i]);
        keys[i] = {std::isnan(value) ? std::numeric_limits<float>::infinity() : value, rows[i]};
      }
      return;
    }
    std::array<std::uint32_t, 256> counts{};
    for (const std::uint32_t row : rows) ++counts[code(column, row)];
    const auto mode = static_cast<std::uint8_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint8_t value = code(column, rows[i]);
      keys[i] = {value == mode ? -1.0F : static_cast<float>(value), rows[i]};
    }
  }

  float* numbers(std::size_t node) { return tree_.numbers_.get() + node * 3 * tree_.number_lanes_; }
  std::uint32_t* codes(std::size_t node) { return tree_.codes_.get() + node * tree_.code_lanes_; }

  void box_block(std::size_t node, std::size_t block) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const std::size_t lanes = tree_.number_lanes_, count = rows_.rows_of(block);
    float* box = numbers(node);
    for (std::size_t c = 0; c < lanes; ++c) {
      float low = 0, high = 0, cap = infinity;
      if (c < rows_.number_columns) {
        const float* cells = rows_.block_numbers(block) + c * block_rows;
        low = infinity, high = -infinity;
        for (std::size_t i = 0; i < count; ++i) {
          if (std::isnan(cells[i])) cap = encoding_.numbers[c].null_cost;
          low = cells[i] < low ? cells[i] : low;
          high = cells[i] > high ? cells[i] : high;
        }
      }
      box[c] = low, box[lanes + c] = high, box[2 * lanes + c] = cap;
    }
    for (std::size_t c = 0; c < tree_.code_lanes_; ++c) {
      std::uint32_t bits = c < rows_.code_columns ? 0 : ~std::uint32_t{0};
      if (c < rows_.code_columns)
        for (std::size_t i = 0; i < count; ++i)
          bits |= std::uint32_t{1} << (rows_.block_codes(block)[c * block_rows + i] % 32);
      codes(node)[c] = bits;
    }
    open_empty(node);
  }

  // Where every row is null the code of nullness has the cost, and no number lies outside.
  void open_empty(std::size_t node) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const std::size_t lanes = tree_.number_lanes_;
    float* box = numbers(node);
    for (std::size_t c = 0; c < lanes; ++c)
      if (box[c] > box[lanes + c]) box[2 * lanes + c] = 0.0F, box[c] = -infinity, box[lanes + c] = infinity;
  }

  // A box that is open because all is null has a cap of 0 and no part in the other's range.
  void join(std::size_t node, std::size_t left, std::size_t right) {
    const std::size_t lanes = tree_.number_lanes_;
    float *box = numbers(node), *a = numbers(left), *b = numbers(right);
    for (std::size_t c = 0; c < lanes; ++c) {
      const bool empty_a = a[2 * lanes + c] == 0.0F, empty_b = b[2 * lanes + c] == 0.0F;
      const float null_cost = c < encoding_.numbers.size() ? encoding_.numbers[c].null_cost : 0.0F;
      box[c] = empty_a ? b[c] : empty_b ? a[c] : std::min(a[c], b[c]);
      box[lanes + c] = empty_a ? b[lanes + c] : empty_b ? a[lanes + c] : std::max(a[lanes + c], b[lanes + c]);
      const float cap = std::min(a[2 * lanes + c], b[2 * lanes + c]);
      box[2 * lanes + c] = empty_a == empty_b ? cap : null_cost;
    }
    for (std::size_t c = 0; c < tree_.code_lanes_; ++c) codes(node)[c] = codes(left)[c] | codes(right)[c];
  }

  const Encoding& encoding_;
  const CoarseRows& rows_;
  Tree& tree_;
  std::vector<std::uint32_t> order_;
};

Status Tree::build(const Encoding& encoding, const Kernels& kernels, std::size_t threads,
                   const std::atomic<bool>& cancel, CoarseRows& rows, Tree& tree) {
  TreeBuilder builder(encoding, kernels, rows, tree);
  std::vector<Part> parts{builder.whole()};
  std::vector<Key> keys;
  // Halves until there is enough for every thread; then each cuts its own.
  while (parts.size() < 4 * threads) {
    const auto most = std::max_element(parts.begin(), parts.end(),
                                       [](const Part& a, const Part& b) { return a.blocks < b.blocks; });
    if (most->blocks < 2 || cancel.load(std::memory_order_relaxed)) break;
    const auto [left, right] = builder.cut(*most, keys);
    *most = left;
    parts.push_back(right);
  }
  std::vector<Key>().swap(keys);
  const auto worker = [&](BlockQueue& queue) -> Status {
    std::vector<Key> own;
    for (std::size_t i = 0; queue.take(i);) builder.cut_all(parts[i], own);
    return {};
  };
  if (Status status = run_blocks(threads, parts.size(), cancel, worker); !status.ok()) return status;
  reorder(rows, builder.take_order());
  builder.box_all(0, 0);
  return {};
}

}  // namespace jaxsynth
