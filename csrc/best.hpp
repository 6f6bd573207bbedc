// The k best candidates of one query. Only the bounded heap and its order may live here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace jaxsynth {

struct Candidate {
  double distance = 0;
  std::int64_t row = 0;

  // Nearer first; among equals the lowest row. This order alone decides every result.
  friend bool operator<(const Candidate& a, const Candidate& b) noexcept {
    return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
  }
};

// A max-heap in storage for k candidates that the caller keeps.
class Best {
 public:
  Best(Candidate* storage, std::size_t k) noexcept : storage_(storage), k_(k) {}

  bool full() const noexcept { return size_ == k_; }

  // A row enters only with a distance at most this, and at it only if it is lower than the last.
  double limit() const noexcept { return full() ? storage_->distance : std::numeric_limits<double>::infinity(); }

  std::int64_t last_row() const noexcept { return storage_->row; }

  void clear() noexcept { size_ = 0; }

  void offer(const Candidate& candidate) noexcept {
    if (!full()) {
      storage_[size_++] = candidate;
      std::push_heap(storage_, storage_ + size_);
    } else if (candidate < *storage_) {
      std::pop_heap(storage_, storage_ + size_);
      storage_[size_ - 1] = candidate;
      std::push_heap(storage_, storage_ + size_);
    }
  }

  // Sorts the candidates, best first; nothing may be offered afterwards.
  const Candidate* sorted() noexcept {
    std::sort_heap(storage_, storage_ + size_);
    return storage_;
  }

 private:
  Candidate* storage_;
  std::size_t k_;
  std::size_t size_ = 0;
};

}  // namespace jaxsynth
