// Threads: a queue of numbered blocks that workers drain, and one background job that a caller awaits.
// Nothing about distances may live here.
#pragma once

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "error.hpp"

namespace jaxsynth {

// Hands out block numbers until none is left, the caller cancels or a worker fails.
class BlockQueue {
 public:
  BlockQueue(std::size_t blocks, const std::atomic<bool>& cancel) noexcept : blocks_(blocks), cancel_(cancel) {}

  bool take(std::size_t& block) noexcept {
    if (stopped()) return false;
    block = next_.fetch_add(1, std::memory_order_relaxed);
    return block < blocks_;
  }

  bool stopped() const noexcept {
    return cancel_.load(std::memory_order_relaxed) || failed_.load(std::memory_order_relaxed);
  }

  void fail(Status status) {
    const std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = std::move(status);
    failed_.store(true, std::memory_order_relaxed);
  }

  // For when all workers have ended.
  Status outcome() const {
    if (!failure_.ok()) return failure_;
    return cancel_.load(std::memory_order_relaxed) ? cancelled() : Status{};
  }

 private:
  std::size_t blocks_;
  const std::atomic<bool>& cancel_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Status failure_;
};

inline std::size_t thread_count(std::size_t asked, std::size_t blocks) noexcept {
  constexpr std::size_t most = 1024;
  const std::size_t wanted = asked != 0 ? asked : std::max(1U, std::thread::hardware_concurrency());
  return std::clamp<std::size_t>(std::min(wanted, blocks), 1, most);
}

// A new thread may wait on its maker's processor while others idle, until the maker's turn is over: for milliseconds,
// in which short work is done. So its maker moves it away; from then on it may run anywhere again. Of a thread that has
// ended this moves its maker instead, which does no harm.
inline void move_away([[maybe_unused]] std::thread& thread) noexcept {
#ifdef __linux__
  cpu_set_t allowed;
  const int here = sched_getcpu();
  if (here < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (pthread_setaffinity_np(thread.native_handle(), sizeof others, &others) == 0)
    pthread_setaffinity_np(thread.native_handle(), sizeof allowed, &allowed);
#endif
}

// Runs `worker(queue)`, which returns a Status and takes blocks until there are none, on the calling
// thread and `threads - 1` more. When the system grants fewer threads, fewer do the same work.
template <class Worker>
Status run_blocks(std::size_t threads, std::size_t blocks, const std::atomic<bool>& cancel, const Worker& worker) {
  BlockQueue queue(blocks, cancel);
  const auto guarded = [&queue, &worker]() noexcept {
    try {
      if (Status status = worker(queue); !status.ok()) queue.fail(std::move(status));
    } catch (const std::bad_alloc&) {
      queue.fail(out_of_memory());
    } catch (...) {
      queue.fail(internal("worker failed"));
    }
  };
  std::vector<std::thread> others;
  try {
    others.reserve(threads - 1);
    while (others.size() + 1 < threads) move_away(others.emplace_back(guarded));
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  guarded();
  for (std::thread& other : others) other.join();
  return queue.outcome();
}

// One function on a thread of its own, so that the caller stays free to watch for interrupts.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job() { join(); }

  // `work` must not throw and must outlive the job.
  template <class Work>
  Status start(Work& work) {
    try {
      thread_ = std::thread([this, &work]() noexcept {
        work();
        const std::lock_guard lock(mutex_);
        done_ = true;
        ended_.notify_all();
      });
    } catch (const std::system_error&) {
      return internal("the system refused a new thread; end other work and try again");
    } catch (const std::bad_alloc&) {
      return out_of_memory();
    }
    return {};
  }

  bool done_within(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, patience, [this] { return done_; });
  }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace jaxsynth
