// Scalars, vectors and their constructors (specification, chapter 2).
#pragma once
#pragma clang system_header
#include "../../../internal/emulator/cxx/core.h"

#include <cstring>
#include <type_traits>

typedef _Float16 half;
#include "vectors.h"
static_assert(sizeof(long) == 8);
constexpr half operator""h(long double x) { return static_cast<half>(x); }

namespace metal {
template <class T, int n> using vec = T __attribute__((ext_vector_type(n)));
}

// Packed vectors are aligned as their elements.
typedef float packed_float2 __attribute__((ext_vector_type(2), aligned(4)));
typedef float packed_float4 __attribute__((ext_vector_type(4), aligned(4)));
typedef half packed_half2 __attribute__((ext_vector_type(2), aligned(2)));
typedef half packed_half4 __attribute__((ext_vector_type(4), aligned(2)));
typedef char packed_char4 __attribute__((ext_vector_type(4), aligned(1)));
typedef uchar packed_uchar2 __attribute__((ext_vector_type(2), aligned(1)));
typedef uchar packed_uchar4 __attribute__((ext_vector_type(4), aligned(1)));
typedef ushort packed_ushort2 __attribute__((ext_vector_type(2), aligned(2)));
typedef ushort packed_ushort4 __attribute__((ext_vector_type(4), aligned(2)));
typedef uint packed_uint2 __attribute__((ext_vector_type(2), aligned(4)));
typedef uint packed_uint4 __attribute__((ext_vector_type(4), aligned(4)));

namespace metal {

// shape tells a vector's element and width; a scalar is a vector of one.
template <class V> struct shape {
	typedef V element;
	static constexpr int width = 1;
};
template <class T, int n> struct shape<vec<T, n>> {
	typedef T element;
	static constexpr int width = n;
};
template <class V> using element_of = typename shape<V>::element;

template <class V> inline element_of<V> at(V v, int i) {
	if constexpr (shape<V>::width == 1)
		return v;
	else
		return v[i];
}
template <class V> inline void put(V &v, int i, element_of<V> x) {
	if constexpr (shape<V>::width == 1)
		v = x;
	else
		v[i] = x;
}

// make builds a vector of one scalar, of a vector of the same width, or of parts that are together as wide.
template <class V, class... A> inline V make(A... parts) {
	V v;
	constexpr int wanted = shape<V>::width, given = (shape<A>::width + ... + 0);
	static_assert(given == wanted || (sizeof...(A) == 1 && given == 1), "parts are not as wide as the vector");
	if constexpr (given == 1) {
		for (int i = 0; i < wanted; i++)
			v[i] = static_cast<element_of<V>>((parts, ...));
	} else {
		int next = 0;
		auto add = [&](auto part) {
			for (int i = 0; i < shape<decltype(part)>::width; i++)
				v[next++] = static_cast<element_of<V>>(at(part, i));
		};
		(add(parts), ...);
	}
	return v;
}

template <class To, class From> inline To as_type(From from) {
	static_assert(sizeof(To) == sizeof(From));
	To to;
	memcpy(&to, &from, sizeof to);
	return to;
}

// map computes element by element; scalars stand for vectors of their value.
template <class F, class V, class... More> inline auto map(F f, V first, More... more) {
	if constexpr (shape<V>::width == 1) {
		return f(first, more...);
	} else {
		vec<decltype(f(at(first, 0), at(more, 0)...)), shape<V>::width> result;
		for (int i = 0; i < shape<V>::width; i++)
			result[i] = f(at(first, i), at(more, shape<More>::width == 1 ? 0 : i)...);
		return result;
	}
}

} // namespace metal

using metal::as_type;
