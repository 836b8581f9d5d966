// Atomic functions (specification, section 6.15), relaxed as all of Metal's.
#pragma once
#pragma clang system_header
#include "types.h"

namespace metal {

enum memory_order { memory_order_relaxed };
template <class T> struct atomic {
	T value;
};

// An atomic operation tells others something, or looks at what they do: so let them.
template <class P, class F> UNCHECKED auto update(P p, F f) {
	emulator::access((const void *)&p->value, sizeof p->value, sizeof p->value, emulator::updates);
	emulator::yield();
	auto old = __atomic_load_n(&p->value, __ATOMIC_SEQ_CST);
	while (!__atomic_compare_exchange_n(&p->value, &old, f(old), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
	}
	return old;
}

template <class P> inline auto atomic_load_explicit(P p, memory_order) {
	return update(p, [](auto old) { return old; });
}
#define ATOMIC(name, result) \
	template <class P, class T> inline auto name(P p, T v, memory_order) { \
		return update(p, [v](auto old) -> decltype(old) { return result; }); \
	}
ATOMIC(atomic_store_explicit, v)
ATOMIC(atomic_exchange_explicit, v)
ATOMIC(atomic_fetch_add_explicit, old + v)
ATOMIC(atomic_fetch_or_explicit, old | v)
ATOMIC(atomic_fetch_min_explicit, v < old ? v : old)
ATOMIC(atomic_fetch_max_explicit, old < v ? v : old)
#undef ATOMIC

} // namespace metal

typedef metal::atomic<int> atomic_int;
typedef metal::atomic<uint> atomic_uint;
