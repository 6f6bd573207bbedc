// The Python face of the engine: the only file that knows pybind11 and the only one that raises.
// Conversions, the interpreter lock and interrupts live here; no search logic does.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "calls.hpp"
#include "pool.hpp"
#include "request.hpp"
#include "search.hpp"

namespace py = pybind11;
using namespace jaxsynth;

namespace {

using Weights = py::array_t<double, py::array::c_style | py::array::forcecast>;

void raise_unless_ok(const Status& status) {
  switch (status.code) {
    case Code::ok: return;
    case Code::invalid: throw py::value_error(status.message);
    case Code::out_of_memory: PyErr_NoMemory(); throw py::error_already_set();
    case Code::cancelled:
    case Code::internal: throw std::runtime_error(status.message);
  }
}

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

std::vector<double> weights(const std::string& name, const Weights& array) {
  if (array.ndim() != 1)
    throw py::value_error(name + " has " + std::to_string(array.ndim()) +
                          " dimensions; pass one number per column in a one-dimensional array");
  return {array.data(), array.data() + array.size()};
}

// Runs the search away from this thread, which wakes to let Python handle signals such as Ctrl-C.
Status run_interruptibly(const Request& request, const NearestOutput& output) {
  std::atomic<bool> cancel{false};
  Status outcome;
  auto work = [&]() noexcept { outcome = search(request, cancel, output); };
  bool interrupted = false;
  {
    const py::gil_scoped_release released;
    Job job;
    if (Status status = job.start(work); !status.ok()) return status;
    while (!interrupted && !job.done_within(std::chrono::milliseconds(100))) {
      const py::gil_scoped_acquire acquired;
      interrupted = PyErr_CheckSignals() != 0;
    }
    if (interrupted) cancel.store(true, std::memory_order_relaxed);
  }
  if (interrupted) throw py::error_already_set();
  return outcome;
}

py::tuple nearest_rows(const py::sequence& reference, const py::sequence& queries, const std::vector<bool>& categorical,
                       const Weights& scale, const Weights& null_cost, std::int64_t k, bool exclude_self,
                       std::int64_t threads) {
  py::list keep;
  Request request;
  request.reference = side_views("reference", reference, keep);
  request.queries = side_views("queries", queries, keep);
  request.categorical.assign(categorical.begin(), categorical.end());
  request.scale = weights("scale", scale);
  request.null_cost = weights("null_cost", null_cost);
  request.k = k;
  request.exclude_self = exclude_self;
  request.threads = threads;
  raise_unless_ok(check(request));
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(row_count(request.queries)), k};
  py::array_t<double> distances(shape);
  py::array_t<std::int64_t> rows(shape);
  const NearestOutput output{{distances.mutable_data(), static_cast<std::size_t>(distances.size())},
                             {rows.mutable_data(), static_cast<std::size_t>(rows.size())}};
  raise_unless_ok(run_interruptibly(request, output));
  return py::make_tuple(std::move(distances), std::move(rows));
}

py::object capsule(void* handler) {
  return handler == nullptr ? py::object(py::none()) : py::object(py::capsule(handler));
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Exact nearest rows in mixed tables, and rows drawn from networks.";
  module.def("walk_call", [] { return capsule(walk_call()); },
             "The handler of the custom call that draws rows column by column, for jax.ffi, or None without one.");
  module.def("decoder_call", [] { return capsule(decoder_call()); },
             "The handler of the custom call that draws rows from a decoder, for jax.ffi, or None without one.");
  module.def("nearest", &nearest_rows, py::arg("reference"), py::arg("queries"), py::arg("categorical"),
             py::arg("scale"), py::arg("null_cost"), py::arg("k"), py::arg("exclude_self"), py::arg("threads"),
             "The k nearest reference rows of every query row, exactly, as (distances, rows).");
}
