// Rows in groups that hold the same codes so far: what follows from those is computed once for a group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace jaxsynth {

class Prefixes {
 public:
  // One group, as nothing is held yet.
  explicit Prefixes(std::size_t rows) : rows_(rows), sorted_(rows), begins_{0, rows} {
    std::iota(rows_.begin(), rows_.end(), std::uint32_t{0});
  }

  std::size_t size() const noexcept { return begins_.size() - 1; }

  // Never empty.
  std::span<const std::uint32_t> rows(std::size_t group) const noexcept {
    return std::span(rows_).subspan(begins_[group], begins_[group + 1] - begins_[group]);
  }

  // By the codes, each below `width`, that the rows hold in one more column.
  void split(const std::int32_t* codes, std::size_t width) {
    std::vector<std::size_t> begins, next;
    for (std::size_t group = 0; group < size(); ++group) {
      next.assign(width, 0);
      for (const std::uint32_t row : rows(group)) ++next[static_cast<std::size_t>(codes[row])];
      std::size_t begin = begins_[group];
      for (std::size_t& count : next) {
        if (count != 0) begins.push_back(begin);
        begin += count;
        count = begin - count;
      }
      for (const std::uint32_t row : rows(group)) sorted_[next[static_cast<std::size_t>(codes[row])]++] = row;
    }
    begins.push_back(rows_.size());
    begins_.swap(begins);
    rows_.swap(sorted_);
  }

 private:
  std::vector<std::uint32_t> rows_, sorted_;
  std::vector<std::size_t> begins_;
};

}  // namespace jaxsynth
