// The walk as a custom call of XLA: the only file pair that knows XLA's foreign function interface.
#pragma once

namespace jaxsynth {

// The handler that JAX registers, or null where there is no walk.
void* walk_call() noexcept;

}  // namespace jaxsynth
