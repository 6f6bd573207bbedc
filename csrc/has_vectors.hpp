// Whether this compiler has vector types; without them nothing is drawn natively.
#pragma once

#if defined(__GNUC__)
#define JAXSYNTH_HAS_VECTORS 1
#else
#define JAXSYNTH_HAS_VECTORS 0
#endif
