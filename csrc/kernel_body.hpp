// The one text of the kernels, a template over the vectors of an instruction set. An `Isa` has
//
//   Bytes, Floats, byte_lanes, float_lanes
//   splat(byte), splat(float), load(bytes), load(floats)
//   add_mismatch(sum, cells, query, units)  sum + units where the bytes differ, saturating
//   least(bytes, bytes)
//   at_most(bytes, bytes)                   a bit for each byte
//   add_gap(sum, cells, query, weight)      sum + abs(cells - query) * weight, or + 0 where that is NaN
//   widen(bytes*, unit)                     float_lanes bytes as floats, times unit
//   at_most(floats, floats)                 a bit for each float
//   add_outside(sum, low, high, cap, query, weight)
//                                           sum + min(cap, how far the query is outside * weight), 0 where NaN
//   add_missing(sum, codes*, bits*, costs*) sum + costs where codes and bits share no bit
//   total(floats), store(float*, floats)
#pragma once

#include "kernels.hpp"

namespace jaxsynth {

template <class Isa>
struct KernelBody {
  using Bytes = typename Isa::Bytes;
  using Floats = typename Isa::Floats;
  static constexpr std::size_t byte_vectors = block_rows / Isa::byte_lanes;
  static constexpr std::size_t group = Isa::float_lanes < 8 ? 8 : Isa::float_lanes;

  static void sum_codes(const QueryView& query, const std::uint8_t* codes, Bytes* sum) {
    for (std::size_t v = 0; v < byte_vectors; ++v) sum[v] = Isa::splat(std::uint8_t{0});
    for (std::size_t c = 0; c < query.code_columns; ++c, codes += block_rows) {
      const Bytes wanted = Isa::splat(query.codes[c]), units = Isa::splat(query.units[c]);
      for (std::size_t v = 0; v < byte_vectors; ++v)
        sum[v] = Isa::add_mismatch(sum[v], Isa::load(codes + v * Isa::byte_lanes), wanted, units);
    }
  }

  static Floats row_bounds(const QueryView& query, const std::uint8_t* sums, const float* numbers, float unit) {
    Floats bound = Isa::widen(sums, unit);
    for (std::size_t c = 0; c < query.number_columns; ++c, numbers += block_rows)
      bound = Isa::add_gap(bound, Isa::load(numbers), Isa::splat(query.numbers[c]), Isa::splat(query.weights[c]));
    return bound;
  }

  static std::size_t filter(const QueryView& query, const std::uint8_t* codes, const float* numbers,
                            std::size_t blocks, const Admission& admission, std::uint64_t* rows) noexcept {
    const Bytes most = Isa::splat(admission.units);
    for (std::size_t block = 0; block < blocks; ++block) {
      Bytes sum[byte_vectors];
      sum_codes(query, codes, sum);
      Bytes least = sum[0];
      for (std::size_t v = 1; v < byte_vectors; ++v) least = Isa::least(least, sum[v]);
      // Nearly always this is all.
      if (Isa::at_most(least, most) != 0 && narrow(query, sum, numbers, most, admission, rows)) return block;
      codes += block_rows * query.code_columns;
      numbers += block_rows * query.number_columns;
    }
    return blocks;
  }

  // Looks at the numbers of those rows that the codes let through, in groups of a vector.
  static bool narrow(const QueryView& query, const Bytes* sum, const float* numbers, const Bytes& most,
                     const Admission& admission, std::uint64_t* rows) noexcept {
    alignas(64) std::uint8_t sums[block_rows];
    std::uint64_t found[2] = {0, 0};
    for (std::size_t v = 0; v < byte_vectors; ++v) {
      Isa::store(sums + v * Isa::byte_lanes, sum[v]);
      found[v * Isa::byte_lanes / 64] |= Isa::at_most(sum[v], most) << (v * Isa::byte_lanes % 64);
    }
    const Floats bound = Isa::splat(admission.bound);
    for (std::size_t half = 0; half < 2; ++half) {
      rows[half] = 0;
      for (std::uint64_t left = found[half]; left != 0;) {
        const auto first = static_cast<std::size_t>(__builtin_ctzll(left)) / group * group;
        const std::uint64_t mask = ((std::uint64_t{1} << group) - 1) << first;
        std::uint64_t kept = 0;
        for (std::size_t i = 0; i < group; i += Isa::float_lanes) {
          const std::size_t at = half * 64 + first + i;
          const Floats bounds = row_bounds(query, sums + at, numbers + at, admission.unit);
          kept |= std::uint64_t{Isa::at_most(bounds, bound)} << (first + i);
        }
        rows[half] |= kept & left;
        left &= ~mask;
      }
    }
    return (rows[0] | rows[1]) != 0;
  }

  static void bounds(const QueryView& query, const std::uint8_t* codes, const float* numbers, float unit,
                     float* out) noexcept {
    Bytes sum[byte_vectors];
    sum_codes(query, codes, sum);
    alignas(64) std::uint8_t sums[block_rows];
    for (std::size_t v = 0; v < byte_vectors; ++v) Isa::store(sums + v * Isa::byte_lanes, sum[v]);
    for (std::size_t first = 0; first < block_rows; first += Isa::float_lanes)
      Isa::store(out + first, row_bounds(query, sums + first, numbers + first, unit));
  }

  static float box(const QueryView& query, const BoxView& box) noexcept {
    Floats sum = Isa::splat(0.0F);
    for (std::size_t c = 0; c < query.number_columns; c += Isa::float_lanes)
      sum = Isa::add_outside(sum, Isa::load(box.low + c), Isa::load(box.high + c), Isa::load(box.cap + c),
                             Isa::load(query.numbers + c), Isa::load(query.weights + c));
    for (std::size_t c = 0; c < query.code_columns; c += Isa::float_lanes)
      sum = Isa::add_missing(sum, box.codes + c, query.bits + c, query.code_costs + c);
    return Isa::total(sum);
  }

  static constexpr Kernels table(const char* name) { return {name, Isa::float_lanes, &filter, &bounds, &box}; }
};

}  // namespace jaxsynth
