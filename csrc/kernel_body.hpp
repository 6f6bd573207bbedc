// The one text of the kernels, a template over the vectors of an instruction set. An `Isa` has
//
//   Bytes, Floats, byte_lanes, float_lanes
//   splat(byte), splat(float), load(bytes), load(floats)
//   add_mismatch(sum, cells, query, units)  sum + units where the bytes differ, saturating
//   at_most(bytes, bytes)                   a bit for each byte
//   add_gap(sum, cells, query)              sum + abs(cells - query), or + 0 where that is NaN
//   widen(bytes*, unit)                     float_lanes bytes as floats, times unit
//   at_most(floats, floats)                 a bit for each float
//   add_outside(sum, low, high, cap, query) sum + min(cap, how far the query is outside), 0 where NaN
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
      bound = Isa::add_gap(bound, Isa::load(numbers), Isa::splat(query.numbers[c]));
    return bound;
  }

  static bool filter(const QueryView& query, const std::uint8_t* codes, const float* numbers,
                     const Admission& admission, std::uint32_t* words) noexcept {
    Bytes sum[byte_vectors];
    sum_codes(query, codes, sum);
    const Bytes most = Isa::splat(admission.units);
    constexpr std::size_t lanes = Isa::byte_lanes;
    std::uint32_t any = 0;
    for (std::size_t w = 0; w < block_rows / 32; ++w) words[w] = 0;
    for (std::size_t v = 0; v < byte_vectors; ++v) {
      const std::uint64_t found = Isa::at_most(sum[v], most);
      if constexpr (lanes == 64) {
        words[2 * v] = static_cast<std::uint32_t>(found);
        words[2 * v + 1] = static_cast<std::uint32_t>(found >> 32);
      } else {
        words[v * lanes / 32] |= static_cast<std::uint32_t>(found) << (v * lanes % 32);
      }
    }
    for (std::size_t w = 0; w < block_rows / 32; ++w) any |= words[w];
    if (any == 0) return false;
    alignas(64) std::uint8_t sums[block_rows];
    for (std::size_t v = 0; v < byte_vectors; ++v) Isa::store(sums + v * lanes, sum[v]);
    return narrow(query, sums, numbers, admission, words);
  }

  // Looks at the numbers of those rows that the codes let through.
  static bool narrow(const QueryView& query, const std::uint8_t* sums, const float* numbers, const Admission& admission,
                     std::uint32_t* words) noexcept {
    constexpr std::size_t lanes = Isa::float_lanes;
    constexpr std::uint32_t mask = static_cast<std::uint32_t>((std::uint64_t{1} << lanes) - 1);
    const Floats most = Isa::splat(admission.bound);
    std::uint32_t any = 0;
    for (std::size_t w = 0; w < block_rows / 32; ++w) {
      if (words[w] == 0) continue;
      std::uint32_t kept = 0;
      for (std::size_t shift = 0; shift < 32; shift += lanes) {
        if ((words[w] >> shift & mask) == 0) continue;
        const std::size_t first = w * 32 + shift;
        const Floats bound = row_bounds(query, sums + first, numbers + first, admission.unit);
        kept |= Isa::at_most(bound, most) << shift;
      }
      words[w] &= kept;
      any |= words[w];
    }
    return any != 0;
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
                             Isa::load(query.numbers + c));
    for (std::size_t c = 0; c < query.code_columns; c += Isa::float_lanes)
      sum = Isa::add_missing(sum, box.codes + c, query.bits + c, query.code_costs + c);
    return Isa::total(sum);
  }

  static constexpr Kernels table(const char* name) { return {name, &filter, &bounds, &box}; }
};

}  // namespace jaxsynth
