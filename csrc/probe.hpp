// One query against an index: where it starts, and which rows it looks at closely.
// A search is told by a `Collector` which rows are still of use; what it keeps of them is its own.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "index.hpp"

namespace jaxsynth {

struct Effort {
  std::size_t blocks = 0;
  std::size_t boxes = 0;
};

// A collector has
//   double limit()                     rows farther than this are of no use; those at it may be
//   void offer(double distance, row)   a row not farther than a limit that held before
//   bool wants(row)                    whether the row may count at all
template <class Collector>
class Probe {
 public:
  Probe(const Index& index, std::size_t row, CoarseQuery& query, Collector& collector)
      : index_(index), query_(query), collector_(collector) {
    encode_query(index.encoding, index.queries, row, query_);
    view_ = query_.view();
    renew();
  }

  // The rows of blocks that are not ruled out.
  void look(std::size_t block, std::size_t end) {
    const CoarseRows& rows = index_.rows;
    std::array<std::uint64_t, 2> words;
    while (block < end) {
      block += index_.kernels->filter(view_, rows.block_codes(block), rows.block_numbers(block), end - block,
                                      admission_, words.data());
      if (block < end) measure(block++, words);
    }
  }

  // So few rows of a block as may set a first limit: those of the least bounds.
  void seed(std::size_t block, std::size_t wanted) {
    std::array<float, block_rows> bounds;
    const CoarseRows& rows = index_.rows;
    index_.kernels->bounds(view_, rows.block_codes(block), rows.block_numbers(block), index_.encoding.unit,
                           bounds.data());
    std::array<std::uint8_t, block_rows> places;
    const std::size_t count = rows.rows_of(block);
    for (std::size_t i = 0; i < count; ++i) places[i] = static_cast<std::uint8_t>(i);
    const std::size_t taken = std::min(wanted, count);
    std::partial_sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(taken),
                      places.begin() + static_cast<std::ptrdiff_t>(count),
                      [&](std::uint8_t a, std::uint8_t b) { return bounds[a] < bounds[b]; });
    for (std::size_t i = 0; i < taken; ++i) measure(block * block_rows + places[i]);
    renew();
  }

  // All rows, by the tree.
  Effort climb() {
    Effort effort;
    effort.boxes = descend(index_.tree, *index_.kernels, view_, admission_.bound, [&](std::size_t block) {
      ++effort.blocks;
      look(block, block + 1);
      return admission_.bound;
    });
    return effort;
  }

 private:
  void measure(std::size_t block, const std::array<std::uint64_t, 2>& words) {
    const std::size_t count = index_.rows.rows_of(block);
    for (std::size_t half = 0; half < 2; ++half)
      for (std::uint64_t word = words[half]; word != 0; word &= word - 1) {
        const std::size_t i = half * 64 + static_cast<std::size_t>(std::countr_zero(word));
        if (i < count) measure(block * block_rows + i);
      }
    renew();
  }

  void measure(std::size_t place) {
    const std::size_t row = index_.rows.row(place);
    if (!collector_.wants(row)) return;
    const double found = distance_at(index_.rules, index_.encoding, index_.rows, index_.reference,
                                     query_.cells.data(), place);
    if (found <= collector_.limit()) collector_.offer(found, row);
  }

  void renew() {
    const double limit = collector_.limit();
    if (limit == limit_) return;
    limit_ = limit;
    admission_ = admit(index_.encoding, query_, limit);
  }

  const Index& index_;
  CoarseQuery& query_;
  Collector& collector_;
  QueryView view_;
  Admission admission_;
  double limit_ = -1;
};

}  // namespace jaxsynth
