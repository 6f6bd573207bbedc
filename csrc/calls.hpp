// Drawing rows as custom calls of XLA: the handlers that JAX registers, or null where rows are not drawn natively.
#pragma once

namespace jaxsynth {

void* walk_call() noexcept;
void* decoder_call() noexcept;

}  // namespace jaxsynth
