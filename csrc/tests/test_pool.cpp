// Threads: every block is taken once, failures and cancellation stop the work, jobs can be awaited.
#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <vector>

#include "harness.hpp"
#include "pool.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};

void takes_every_block_once() {
  for (std::size_t threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> taken(1000);
    const Status status = run_blocks(threads, taken.size(), go_on, [&taken](BlockQueue& queue) -> Status {
      for (std::size_t block = 0; queue.take(block);) ++taken[block];
      return {};
    });
    CHECK(status.ok());
    bool once = true;
    for (const std::atomic<int>& count : taken) once = once && count == 1;
    CHECK(once);
  }
}

void returns_a_failure() {
  const auto failing = [](BlockQueue&) { return invalid("a reason"); };
  CHECK(test::invalid(run_blocks(3, 10, go_on, failing), "a reason"));
  const auto exhausted = [](BlockQueue&) -> Status { throw std::bad_alloc(); };
  CHECK(test::fails_with(run_blocks(3, 10, go_on, exhausted), Code::out_of_memory, "memory"));
  const auto broken = [](BlockQueue&) -> Status { throw std::runtime_error("x"); };
  CHECK(test::fails_with(run_blocks(3, 10, go_on, broken), Code::internal, "worker"));
}

void stops_when_cancelled() {
  std::atomic<bool> cancel{false};
  std::atomic<std::size_t> done{0};
  const Status status = run_blocks(2, std::size_t{1} << 40, cancel, [&](BlockQueue& queue) -> Status {
    for (std::size_t block = 0; queue.take(block);)
      if (++done == 100) cancel = true;
    return {};
  });
  CHECK(test::fails_with(status, Code::cancelled, ""));
}

void counts_threads() {
  CHECK(thread_count(4, 2) == 2);
  CHECK(thread_count(4, 0) == 1);
  CHECK(thread_count(0, 1000) >= 1);
  CHECK(thread_count(1000000, 1000000) == 1024);
}

void awaits_a_job() {
  std::atomic<bool> proceed{false};
  auto work = [&proceed]() noexcept {
    while (!proceed) std::this_thread::yield();
  };
  Job job;
  CHECK(job.start(work).ok());
  CHECK(!job.done_within(std::chrono::milliseconds(5)));
  proceed = true;
  CHECK(job.done_within(std::chrono::seconds(30)));
}

}  // namespace

int main() {
  takes_every_block_once();
  returns_a_failure();
  stops_when_cancelled();
  counts_threads();
  awaits_a_job();
  return test::result();
}
