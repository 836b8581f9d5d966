// The blocks of quantized weights, as they lie in the file (package quant has the formats), and how a lane unpacks its part.
//
// A lane's part of 32 values are 8: of its pair p (Place) the words 4p..4p+3 and 16+4p..16+4p+3. They become its elements of
// four 8x8 matrices, in the order that act.h lays activations out. Every type has
//
//	values, bytes    of a block
//	T(block)         opens one; d is its scale
//	load(sub, pair)  a lane's part of the 32 values from 32*sub on
//	value(i)         one value, dequantized
//
// and those of 256 values a block also
//
//	fine             whether every 16 values have a scale, or every 32
//	scale(sub, h)    the scale of half h of the 32 values
//	dmin, least(sub) what is taken off the 32 values, times the sum of the activations; hasMins tells if there is any
#pragma once
#include "common.h"

// Part holds 8 weights, two of each matrix.
struct Part {
	half2 of[4];
};

// evenBytes makes bytes 0 and 2 of a word halves, less an offset: beside 1024 the last bit of a half weighs 1.
inline half2 evenBytes(uint word, half offset) { return as_type<half2>((word & 0x00ff00ff) | 0x64006400) - half2(1024 + offset); }

inline Part partOf(uint low, uint high, half offset) {
	Part p;
	p.of[0] = evenBytes(low, offset);
	p.of[1] = evenBytes(low >> 8, offset);
	p.of[2] = evenBytes(high, offset);
	p.of[3] = evenBytes(high >> 8, offset);
	return p;
}

// word reads 4 bytes at an address that is a multiple of 2.
inline uint word(device const uchar *p) {
	device const ushort *h = (device const ushort *)p;
	return h[0] | uint(h[1]) << 16;
}

inline float halfAt(device const uchar *p) { return float(*(device const half *)p); }

constant constexpr uint nibbles = 0x0f0f0f0f;

struct Q8_0 {
	enum { values = 32, bytes = 34 };
	device const uchar *block;
	float d;

	Q8_0(device const uchar *b) : block(b), d(halfAt(b)) {}
	Part load(ushort pair) const {
		return partOf(word(block + 2 + 4 * pair) ^ 0x80808080, word(block + 18 + 4 * pair) ^ 0x80808080, 128);
	}
	float value(int i) const { return d * float(char(block[2 + i])); }
};

struct Q4_0 {
	enum { values = 32, bytes = 18 };
	device const uchar *block;
	float d;

	Q4_0(device const uchar *b) : block(b), d(halfAt(b)) {}
	Part load(ushort pair) const {
		const uint w = word(block + 2 + 4 * pair);
		return partOf(w & nibbles, w >> 4 & nibbles, 8);
	}
	float value(int i) const { return d * float(int(block[2 + i % 16] >> i / 16 * 4 & 15) - 8); }
};

// Affine is q4_k, and with a fifth bit q5_k. The 8 scales and minimums of a block become the bytes of two words each.
template <bool fifth> struct Affine {
	enum { values = 256, bytes = fifth ? 176 : 144, low = fifth ? 48 : 16, fine = 0, hasMins = 1 };
	device const uchar *block;
	float d, dmin;
	uint2 scales, mins;

	Affine() {}
	Affine(device const uchar *b) : block(b), d(halfAt(b)), dmin(halfAt(b + 2)) {
		device const uint *p = (device const uint *)(b + 4);
		const uint s = p[0], m = p[1], rest = p[2];
		scales = uint2(s & 0x3f3f3f3f, (rest & nibbles) | (s >> 2 & 0x30303030));
		mins = uint2(m & 0x3f3f3f3f, (rest >> 4 & nibbles) | (m >> 2 & 0x30303030));
	}
	Part load(ushort sub, ushort pair) const {
		device const uint *q = (device const uint *)(block + low + 32 * (sub / 2)) + pair;
		const uint shift = 4 * (sub % 2);
		uint w0 = q[0] >> shift & nibbles, w1 = q[4] >> shift & nibbles;
		if (fifth) {
			device const uint *high = (device const uint *)(block + 16) + pair;
			w0 |= (high[0] >> sub & 0x01010101) << 4;
			w1 |= (high[4] >> sub & 0x01010101) << 4;
		}
		return partOf(w0, w1, 0);
	}
	float scale(ushort sub, ushort) const { return float(scales[sub / 4] >> 8 * (sub % 4) & 255); }
	float least(ushort sub) const { return float(mins[sub / 4] >> 8 * (sub % 4) & 255); }
	// Both products are exact: they have at most 22 bits.
	float value(int i) const {
		const int sub = i / 32, j = i % 32;
		uint q = block[low + sub / 2 * 32 + j] >> sub % 2 * 4 & 15;
		if (fifth) q |= (block[16 + j] >> sub & 1) << 4;
		return d * scale(sub, 0) * float(q) - dmin * least(sub);
	}
};

typedef Affine<false> Q4_K;
typedef Affine<true> Q5_K;

struct Q6_K {
	enum { values = 256, bytes = 210, fine = 1, hasMins = 0 };
	device const uchar *block;
	float d, dmin;

	Q6_K() {}
	Q6_K(device const uchar *b) : block(b), d(halfAt(b + 208)), dmin(0) {}
	Part load(ushort sub, ushort pair) const {
		device const uchar *low = block + sub / 4 * 64 + sub % 2 * 32 + 4 * pair, *high = block + 128 + sub / 4 * 32 + 4 * pair;
		const uint shift = sub % 4 / 2 * 4, up = sub % 4 * 2;
		return partOf((word(low) >> shift & nibbles) | (word(high) >> up & 0x03030303) << 4,
		              (word(low + 16) >> shift & nibbles) | (word(high + 16) >> up & 0x03030303) << 4, 32);
	}
	float scale(ushort sub, ushort h) const { return float(char(block[192 + 2 * sub + h])); }
	float least(ushort) const { return 0; }
	float value(int i) const {
		const int h = i / 128, sub = i / 32 % 4, j = i % 32;
		const uint low = block[64 * h + sub % 2 * 32 + j] >> sub / 2 * 4 & 15, high = block[128 + 32 * h + j] >> 2 * sub & 3;
		return d * scale(i / 32, i / 16 % 2) * float(int(low | high << 4) - 32);
	}
};

// The float types have a value for a block.
struct F32 {
	enum { values = 1, bytes = 4 };
	float v;
	F32(device const uchar *b) : v(*(device const float *)b) {}
	float value(int) const { return v; }
};

struct F16 {
	enum { values = 1, bytes = 2 };
	float v;
	F16(device const uchar *b) : v(halfAt(b)) {}
	float value(int) const { return v; }
};

// A bf16 is the upper half of a float: so it needs no chip that knows the type.
struct BF16 {
	enum { values = 1, bytes = 2 };
	float v;
	BF16(device const uchar *b) : v(as_type<float>(uint(*(device const ushort *)b) << 16)) {}
	float value(int) const { return v; }
};
