// Common, integer, relational, geometric and math functions (specification, sections 6.3 to 6.7). Without fast math the
// plain names are those of namespace precise. Functions of half compute in float and round once.
#pragma once
#pragma clang system_header
#include "types.h"

namespace metal {

template <class T> constexpr bool floating = std::is_same<T, float>::value || std::is_same<T, half>::value;

#define MATH1(name, builtin) \
	template <class V> inline V name(V x) { \
		static_assert(floating<element_of<V>>); \
		return map([](auto x) { return static_cast<decltype(x)>(builtin(static_cast<float>(x))); }, x); \
	}
#define MATH \
	MATH1(exp, __builtin_expf) \
	MATH1(exp2, __builtin_exp2f) \
	MATH1(log, __builtin_logf) \
	MATH1(log2, __builtin_log2f) \
	MATH1(sin, __builtin_sinf) \
	MATH1(cos, __builtin_cosf) \
	MATH1(tanh, __builtin_tanhf) \
	MATH1(sqrt, __builtin_sqrtf) \
	MATH1(rsqrt, 1 / __builtin_sqrtf)
MATH
namespace precise {
MATH
}
MATH1(fabs, __builtin_fabsf)
MATH1(floor, __builtin_floorf)
MATH1(ceil, __builtin_ceilf)
MATH1(trunc, __builtin_truncf)
MATH1(rint, __builtin_rintf)
MATH1(round, __builtin_roundf)
#undef MATH
#undef MATH1

template <class V> inline V fma(V a, V b, V c) {
	return map([](auto a, auto b, auto c) {
		static_assert(floating<decltype(a)>);
		if constexpr (sizeof(a) == 4)
			return __builtin_fmaf(a, b, c);
		else // products of halves are exact in double, and sums of them very nearly
			return static_cast<half>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
	}, a, b, c);
}

// min and max of floats give the other one where one is NaN, as fmin and fmax.
template <class V> inline V min(V a, V b) {
	return map([](auto a, auto b) { return b < a || a != a ? b : a; }, a, b);
}
template <class V> inline V max(V a, V b) {
	return map([](auto a, auto b) { return a < b || a != a ? b : a; }, a, b);
}
template <class V> inline V fmin(V a, V b) {
	static_assert(floating<element_of<V>>);
	return min(a, b);
}
template <class V> inline V fmax(V a, V b) {
	static_assert(floating<element_of<V>>);
	return max(a, b);
}
template <class V> inline V abs(V x) {
	return map([](auto x) { return static_cast<decltype(x)>(x < 0 ? -x : x == 0 ? 0 : x); }, x);
}
template <class V> inline V copysign(V x, V sign) {
	return map([](auto x, auto sign) {
		static_assert(floating<decltype(x)>);
		return static_cast<decltype(x)>(__builtin_copysignf(static_cast<float>(x), static_cast<float>(sign)));
	}, x, sign);
}
template <class V> inline V clamp(V x, V low, V high) { return min(max(x, low), high); }
template <class V> inline auto isnan(V x) {
	return map([](auto x) { return x != x; }, x);
}
template <class V> inline auto isinf(V x) {
	return map([](auto x) { return __builtin_isinf(static_cast<float>(x)) != 0; }, x);
}
template <class V, class C> inline V select(V a, V b, C c) {
	return map([](auto a, auto b, auto c) { return c ? b : a; }, a, b, c);
}
// The order of dot's additions is not told: ours is the plain one.
template <class V> inline element_of<V> dot(V a, V b) {
	static_assert(floating<element_of<V>> && shape<V>::width > 1);
	element_of<V> sum = a[0] * b[0];
	for (int i = 1; i < shape<V>::width; i++)
		sum += a[i] * b[i];
	return sum;
}

template <class V> inline V popcount(V x) {
	return map([](auto x) {
		return static_cast<decltype(x)>(__builtin_popcountll(static_cast<std::make_unsigned_t<decltype(x)>>(x)));
	}, x);
}
template <class V> inline V clz(V x) {
	return map([](auto x) {
		constexpr int bits = 8 * sizeof x;
		return static_cast<decltype(x)>(x ? __builtin_clzll(static_cast<std::make_unsigned_t<decltype(x)>>(x)) - (64 - bits) : bits);
	}, x);
}
template <class V> inline V ctz(V x) {
	return map([](auto x) { return static_cast<decltype(x)>(x ? __builtin_ctzll(x) : 8 * sizeof x); }, x);
}
// mulhi is the high half of the whole product.
template <class V> inline V mulhi(V a, V b) {
	return map([](auto a, auto b) { return static_cast<decltype(a)>(static_cast<__int128>(a) * b >> 8 * sizeof a); }, a, b);
}
template <> inline ulong mulhi(ulong a, ulong b) { return static_cast<unsigned __int128>(a) * b >> 64; }

template <class V> inline V rotate(V x, V by) {
	return map([](auto x, auto by) {
		constexpr unsigned bits = 8 * sizeof x;
		typedef std::make_unsigned_t<decltype(x)> U;
		return static_cast<decltype(x)>(U(U(x) << (by & (bits - 1))) | U(U(x) >> (-by & (bits - 1))));
	}, x, by);
}
template <class V> inline V extract_bits(V x, uint offset, uint count) {
	return map([=](auto x) {
		constexpr uint bits = 8 * sizeof x;
		if (offset + count > bits)
			emulator::fail("extract_bits of bits %u to %u, of %u", offset, offset + count, bits);
		return static_cast<decltype(x)>(count ? static_cast<decltype(x)>(x << (bits - offset - count)) >> (bits - count) : 0);
	}, x);
}
template <class V> inline bool any(V v) {
	bool result = false;
	for (int i = 0; i < shape<V>::width; i++)
		result |= at(v, i) != 0;
	return result;
}
template <class V> inline bool all(V v) {
	bool result = true;
	for (int i = 0; i < shape<V>::width; i++)
		result &= at(v, i) != 0;
	return result;
}

} // namespace metal

#ifndef INFINITY
#define INFINITY __builtin_inff()
#endif
#ifndef NAN
#define NAN __builtin_nanf("")
#endif
#ifndef FLT_MAX
#define FLT_MAX __FLT_MAX__
#endif
#define M_PI_F 3.14159265358979323846f
#define M_LOG2E_F 1.44269504088896340736f
