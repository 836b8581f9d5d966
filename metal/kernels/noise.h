// Random numbers, as engine/sampling.go has them: Philox4x32-10 with the seed as key and (position, token/4, stream) as counter.
#pragma once
#include "common.h"

// Streams of engine/sampling.go.
enum Stream : uint { streamChoice, streamAccept, streamResidual };

struct Seed {
	uint low, high;
};

// philox is the lane of a token.
inline uint philox(Seed seed, int position, int token, uint stream) {
	uint4 c = uint4(position, uint(token) >> 2, stream, 0);
	for (int i = 0; i < 10; i++) {
		const uint p0 = mulhi(c.x, 0xD2511F53u), p1 = mulhi(c.z, 0xCD9E8D57u);
		c = uint4(p1 ^ c.y ^ seed.low, c.z * 0xCD9E8D57u, p0 ^ c.w ^ seed.high, c.x * 0xD2511F53u);
		seed.low += 0x9E3779B9, seed.high += 0xBB67AE85;
	}
	return c[token & 3];
}

// minusLog is -ln((lane + 1/2) / 2^32) to the accuracy of float. Near 1 it is taken of the distance from 1.
inline float minusLog(uint lane) {
	if (lane < 0x80000000) return -precise::log((float(lane) + 0.5f) * 0x1p-32f);
	const float rest = (float(~lane) + 0.5f) * 0x1p-32f, u = 1.0f - rest; // ln(1-rest); u's rounding is made good
	return u == 1.0f ? rest : precise::log(u) * rest / (u - 1.0f);
}

// gumbel is a standard Gumbel variate, -ln(-ln(u)).
inline float gumbel(Seed seed, int position, int token, uint stream) { return -precise::log(minusLog(philox(seed, position, token, stream))); }
