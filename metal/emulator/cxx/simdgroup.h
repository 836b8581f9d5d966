// Synchronisation and SIMD-group functions (specification, sections 6.9.1 and 6.9.2). All lanes of a SIMD-group have to
// come to them: what the lanes that do not come would give is not told.
#pragma once
#pragma clang system_header
#include "types.h"

namespace metal {

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
inline mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(int(a) | int(b)); }

inline void threadgroup_barrier(mem_flags) { emulator::barrier(0, emulator::block().threads, true); }
inline void simdgroup_barrier(mem_flags) {
	emulator::collective("simdgroup_barrier", ~0u, nullptr, [](void *const *, uint32_t) {});
}

namespace simd {

// A value from each lane, and a result for each.
template <class V> struct Exchange {
	V value;
	uint from;
	V result;
};

// together lets run, given the operands of all lanes, compute every lane's result.
template <class V> inline V together(const char *what, V v, uint from, void (*run)(Exchange<V> *const *lanes)) {
	struct Call {
		Exchange<V> exchange;
		void (*run)(Exchange<V> *const *);
	} call{{v, from, v}, run};
	static_assert(std::is_standard_layout<Call>::value); // exchange is at its address
	emulator::collective(what, ~0u, &call, [](void *const *operands, uint32_t mask) {
		if (mask != ~0u)
			emulator::fail("a SIMD-group function in a SIMD-group of lanes %08x: use multiples of 32 threads", mask);
		static_cast<Call *>(operands[0])->run(reinterpret_cast<Exchange<V> *const *>(operands));
	});
	return call.exchange.result;
}

template <class V> inline V shuffle(const char *what, V v, uint from) {
	return together<V>(what, v, from, [](Exchange<V> *const *lanes) {
		for (int i = 0; i < 32; i++)
			lanes[i]->result = lanes[lanes[i]->from]->value;
	});
}

// shuffled fills order with the numbers below n in random order.
inline void shuffled(int *order, int n) {
	for (int i = 0; i < n; i++) {
		int j = emulator::random() % uint(i + 1);
		order[i] = order[j];
		order[j] = i;
	}
}

// reduce joins the values of all lanes, in random order: that of a device is not told.
template <class V, class F> inline V reduce(const char *what, V v, F) {
	return together<V>(what, v, 0, [](Exchange<V> *const *lanes) {
		int order[32];
		shuffled(order, 32);
		V all = lanes[order[0]]->value;
		for (int i = 1; i < 32; i++)
			all = map(F(), all, lanes[order[i]]->value);
		for (int i = 0; i < 32; i++)
			lanes[i]->result = all;
	});
}

struct Add {
	template <class T> T operator()(T a, T b) const { return a + b; }
};
struct Least {
	template <class T> T operator()(T a, T b) const { return b < a || a != a ? b : a; }
};
struct Most {
	template <class T> T operator()(T a, T b) const { return a < b || a != a ? b : a; }
};
struct Both {
	template <class T> T operator()(T a, T b) const { return a & b; }
};
struct Either {
	template <class T> T operator()(T a, T b) const { return a | b; }
};

// prefix joins the values of the lanes before, and with inclusive the lane's own.
template <class V, bool inclusive> inline V prefix_sum(const char *what, V v) {
	return together<V>(what, v, 0, [](Exchange<V> *const *lanes) {
		V sum = V(0);
		for (int i = 0; i < 32; i++) {
			V before = sum;
			sum += lanes[i]->value;
			lanes[i]->result = inclusive ? sum : before;
		}
	});
}

inline uint lane() { return emulator::self().lane; }

inline uint checked(const char *what, long from) {
	if (from < 0 || from > 31)
		emulator::fail("%s from lane %ld", what, from);
	return uint(from);
}

} // namespace simd

template <class V> inline V simd_sum(V v) { return simd::reduce("simd_sum", v, simd::Add()); }
template <class V> inline V simd_min(V v) { return simd::reduce("simd_min", v, simd::Least()); }
template <class V> inline V simd_max(V v) { return simd::reduce("simd_max", v, simd::Most()); }
template <class V> inline V simd_and(V v) { return simd::reduce("simd_and", v, simd::Both()); }
template <class V> inline V simd_or(V v) { return simd::reduce("simd_or", v, simd::Either()); }
inline bool simd_any(bool v) { return simd::reduce("simd_any", v, simd::Either()); }
inline bool simd_all(bool v) { return simd::reduce("simd_all", v, simd::Both()); }
template <class V> inline V simd_prefix_inclusive_sum(V v) { return simd::prefix_sum<V, true>("simd_prefix_inclusive_sum", v); }
template <class V> inline V simd_prefix_exclusive_sum(V v) { return simd::prefix_sum<V, false>("simd_prefix_exclusive_sum", v); }

template <class V> inline V simd_shuffle(V v, ushort lane) {
	return simd::shuffle("simd_shuffle", v, simd::checked("simd_shuffle", lane));
}
template <class V> inline V simd_broadcast(V v, ushort lane) {
	return simd::shuffle("simd_broadcast", v, simd::checked("simd_broadcast", lane));
}
template <class V> inline V simd_broadcast_first(V v) { return simd::shuffle("simd_broadcast_first", v, 0); }
template <class V> inline V simd_shuffle_xor(V v, ushort mask) {
	return simd::shuffle("simd_shuffle_xor", v, simd::checked("simd_shuffle_xor", simd::lane() ^ mask));
}
// What comes from beyond the SIMD-group is not told: here the value of some lane.
template <class V> inline V simd_shuffle_up(V v, ushort delta) {
	return simd::shuffle("simd_shuffle_up", v, simd::lane() >= delta ? simd::lane() - delta : emulator::random() % 32);
}
template <class V> inline V simd_shuffle_down(V v, ushort delta) {
	return simd::shuffle("simd_shuffle_down", v, simd::lane() + delta < 32 ? simd::lane() + delta : emulator::random() % 32);
}

// A vote of the SIMD-group, one bit a lane.
class simd_vote {
	ulong votes;

  public:
	typedef ulong vote_t;
	explicit simd_vote(ulong votes) : votes(votes) {}
	explicit operator vote_t() const { return votes; }
};
inline simd_vote simd_ballot(bool v) {
	return simd_vote(simd::reduce("simd_ballot", v ? 1u << simd::lane() : 0u, simd::Either()));
}

} // namespace metal
