// The Python face of the engine: the module, searches and noise. Files named bind* alone know pybind11 and raise.
// Conversions, the interpreter lock and interrupts live here; no search or drawing logic does.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bind.hpp"
#include "calls.hpp"
#include "kernels.hpp"
#include "pool.hpp"
#include "random_arrays.hpp"
#include "request.hpp"
#include "search.hpp"
#include "secure_stream.hpp"

namespace py = pybind11;
using namespace jaxsynth;

namespace {

using Ints = py::array_t<std::int32_t, py::array::c_style>;

template <class Struct>
const Struct* capsule_pointer(const py::handle& capsule, const char* name) {
  void* pointer = PyCapsule_GetPointer(capsule.ptr(), name);
  if (pointer == nullptr) throw py::error_already_set();
  return static_cast<const Struct*>(pointer);
}

// The exported columns of one side. The capsules stay with `keep` and release the arrays when it ends.
std::vector<ArrowPair> export_columns(const std::string& side, const py::sequence& columns, py::list& keep) {
  std::vector<ArrowPair> pairs;
  for (const py::handle column : columns) {
    if (!py::hasattr(column, "__arrow_c_array__"))
      throw py::value_error(side + " column " + std::to_string(pairs.size()) + " is a " +
                            std::string(py::str(py::type::of(column).attr("__name__"))) +
                            ", which does not export an Arrow array; pass a pyarrow.Array");
    const py::tuple capsules = column.attr("__arrow_c_array__")();
    if (capsules.size() != 2) throw py::value_error("__arrow_c_array__ must return two capsules; fix the exporter");
    keep.append(capsules);
    const py::object schema = capsules[0], array = capsules[1];
    pairs.push_back({capsule_pointer<ArrowSchema>(schema, "arrow_schema"),
                     capsule_pointer<ArrowArray>(array, "arrow_array")});
  }
  return pairs;
}

std::vector<View> side_views(const std::string& side, const py::sequence& columns, py::list& keep) {
  const std::vector<ArrowPair> pairs = export_columns(side, columns, keep);
  std::vector<View> views;
  raise_unless_ok(view_columns(side, pairs, views));
  return views;
}

std::vector<double> weights(const std::string& name, const Doubles& array) {
  if (array.ndim() != 1)
    throw py::value_error(name + " has " + std::to_string(array.ndim()) +
                          " dimensions; pass one number per column in a one-dimensional array");
  return {array.data(), array.data() + array.size()};
}

// Runs `act(cancel)` away from this thread, which wakes to let Python handle signals such as Ctrl-C.
template <class Act>
void run_interruptibly(const Act& act) {
  std::atomic<bool> cancel{false};
  Status outcome;
  auto work = [&]() noexcept { outcome = act(cancel); };
  bool interrupted = false;
  {
    const py::gil_scoped_release released;
    Job job;
    if (Status status = job.start(work); !status.ok()) {
      outcome = status;
    } else {
      while (!interrupted && !job.done_within(std::chrono::milliseconds(100))) {
        const py::gil_scoped_acquire acquired;
        interrupted = PyErr_CheckSignals() != 0;
      }
      if (interrupted) cancel.store(true, std::memory_order_relaxed);
    }
  }
  if (interrupted) throw py::error_already_set();
  raise_unless_ok(outcome);
}

Strategy strategy_of(const std::string& name) {
  if (name == "auto") return Strategy::automatic;
  if (name == "scan") return Strategy::scan;
  if (name == "tree") return Strategy::tree;
  throw py::value_error("index is '" + name + "'; it is one of 'auto', 'scan' and 'tree'");
}

const char* name_of(Strategy strategy) { return strategy == Strategy::tree ? "tree" : "scan"; }

// Two tables and how their rows compare, as Python hands them over: held together so that the arrays outlive a call.
class Tables {
 public:
  Tables(const py::sequence& reference, const py::sequence& queries, const std::vector<bool>& categorical,
         const Doubles& scale, const Doubles& null_cost, std::int64_t threads) {
    request_.reference = side_views("reference", reference, keep_);
    request_.queries = side_views("queries", queries, keep_);
    request_.categorical.assign(categorical.begin(), categorical.end());
    request_.scale = weights("scale", scale);
    request_.null_cost = weights("null_cost", null_cost);
    request_.threads = threads;
    request_.parts = {static_cast<std::int64_t>(row_count(request_.reference))};
  }

  py::tuple nearest(std::int64_t k, const std::vector<std::int64_t>& parts, bool exclude_self,
                    const std::string& index) const {
    Request request = request_;
    request.k = k;
    request.parts = parts;
    request.exclude_self = exclude_self;
    request.strategy = strategy_of(index);
    raise_unless_ok(check(request));
    raise_unless_ok(check_neighbours(request));
    const std::vector<py::ssize_t> shape{queries(), static_cast<py::ssize_t>(parts.size()), k};
    py::array_t<double> distances(shape);
    py::array_t<std::int64_t> rows(shape);
    const NearestOutput output{span_of(distances), span_of(rows)};
    Report report;
    run_interruptibly([&](const std::atomic<bool>& cancel) { return search(request, cancel, output, report); });
    return py::make_tuple(std::move(distances), std::move(rows), name_of(report.strategy), report.kernels);
  }

  py::tuple within(const Doubles& radii, bool exclude_self, const std::string& index) const {
    Request request = request_;
    request.exclude_self = exclude_self;
    request.strategy = strategy_of(index);
    raise_unless_ok(check(request));
    const std::vector<double> radius = weights("radius", radii);
    py::array_t<std::int64_t> counts(queries());
    const std::span<std::int64_t> output = span_of(counts);
    Report report;
    run_interruptibly([&](const std::atomic<bool>& cancel) { return count(request, radius, cancel, output, report); });
    return py::make_tuple(std::move(counts), name_of(report.strategy), report.kernels);
  }

  py::tuple equal() const {
    raise_unless_ok(check(request_));
    py::array_t<std::int64_t> rows(queries()), counts(queries());
    const MatchOutput output{span_of(rows), span_of(counts)};
    run_interruptibly([&](const std::atomic<bool>& cancel) { return match(request_, cancel, output); });
    return py::make_tuple(std::move(rows), std::move(counts));
  }

 private:
  py::ssize_t queries() const { return static_cast<py::ssize_t>(row_count(request_.queries)); }

  py::list keep_;
  Request request_;
};

// A key for one array, taken while the interpreter's lock keeps other threads out; then `draw(how)` without the lock.
template <class Draw>
void draw_array(SecureStream& stream, std::size_t threads, const Draw& draw) {
  Key key;
  raise_unless_ok(stream.next(key));
  run_interruptibly([&](const std::atomic<bool>& cancel) { return draw(Drawing{key, threads, cancel}); });
}

SecureStream stream_for_tests(const std::string& bytes) {
  std::array<unsigned char, SecureStream::key_bytes> key;
  if (bytes.size() != key.size())
    throw py::value_error("the key has " + std::to_string(bytes.size()) + " bytes; pass 32");
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return SecureStream(key);
}

void draw_gaussian(SecureStream& stream, Ints& out, double sigma, std::size_t threads) {
  const std::span<std::int32_t> cells = span_of(out);
  draw_array(stream, threads, [&](const Drawing& how) { return draw_discrete_gaussian(how, sigma, cells); });
}

void draw_batches(SecureStream& stream, Ints& out, std::int64_t units, std::int64_t threshold, std::size_t threads) {
  if (out.ndim() != 2)
    throw py::value_error("out has " + std::to_string(out.ndim()) + " dimensions; pass (steps, size)");
  const std::span<std::int32_t> cells = span_of(out);
  const auto size = static_cast<std::size_t>(out.shape(1));
  draw_array(stream, threads,
             [&](const Drawing& how) { return draw_poisson_batches(how, units, threshold, size, cells); });
}

py::array_t<std::uint32_t> draw_some_words(SecureStream& stream, std::size_t n, std::size_t threads) {
  py::array_t<std::uint32_t> out(static_cast<py::ssize_t>(n));
  const std::span<std::uint32_t> cells = span_of(out);
  draw_array(stream, threads, [&](const Drawing& how) { return draw_words(how, cells); });
  return out;
}

py::object refuse_to_pickle(const SecureStream&, int) {
  throw py::type_error("a SecureStream cannot be pickled or copied; make another one where you need it");
}

py::object capsule(void* handler) {
  return handler == nullptr ? py::object(py::none()) : py::object(py::capsule(handler));
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Exact nearest rows in mixed tables, rows drawn from networks, and noise for privacy.";
  module.def("walk_call", [] { return capsule(walk_call()); },
             "The handler of the custom call that draws rows column by column, for jax.ffi, or None without one.");
  module.def("decoder_call", [] { return capsule(decoder_call()); },
             "The handler of the custom call that draws rows from a decoder, for jax.ffi, or None without one.");
  py::class_<Tables>(module, "Tables", "Two tables of the same columns, and what a difference costs in each.")
      .def(py::init<const py::sequence&, const py::sequence&, const std::vector<bool>&, const Doubles&, const Doubles&,
                    std::int64_t>(),
           py::arg("reference"), py::arg("queries"), py::arg("categorical"), py::arg("scale"), py::arg("null_cost"),
           py::arg("threads"))
      .def("nearest", &Tables::nearest, py::arg("k"), py::arg("parts"), py::arg("exclude_self"), py::arg("index"),
           "The k nearest rows in each part of the reference, exactly, as (distances, rows, index, kernels).")
      .def("within", &Tables::within, py::arg("radii"), py::arg("exclude_self"), py::arg("index"),
           "How many reference rows lie within each query's radius, as (counts, index, kernels).")
      .def("equal", &Tables::equal,
           "The lowest reference row that equals each query in every cell, or -1, and how many do, as (rows, counts).");
  py::class_<SecureStream>(module, "SecureStream", "Random arrays from a secret key that never leaves compiled code.")
      .def(py::init<>())
      .def_static("for_tests", &stream_for_tests, py::arg("key"), "The same arrays each time: no secret, no privacy.")
      .def("discrete_gaussian", &draw_gaussian, py::arg("out").noconvert(), py::arg("sigma"), py::arg("threads") = 0,
           "Fill `out` with independent draws of the discrete Gaussian.")
      .def("poisson_batches", &draw_batches, py::arg("out").noconvert(), py::arg("units"), py::arg("threshold"),
           py::arg("threads") = 0, "Fill each row of `out` with the units that a Poisson batch takes.")
      .def("words", &draw_some_words, py::arg("n"), py::arg("threads") = 0, "Uniform 32-bit words.")
      .def("__repr__", [](const SecureStream&) { return "<SecureStream>"; })
      .def("__reduce_ex__", &refuse_to_pickle);
  bind_cells(module);
  module.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : all_kernels()) names.emplace_back(kernels->name);
    return names;
  }, "What JAXSYNTH_ISA may name here, the slowest first.");
}
