// Matrix instructions of a warp, and asynchronous copies.
#include "../../kernels/common.cuh"

#include <vector>

namespace {

// What a lane brings to a matrix product.
template <class C> struct Fragments {
	C *d;
	const uint32 *a, *b;
};

constexpr uint32 everyone = ~0u;

// PTX ISA, "Matrix fragments for mma.m16n8k16" and "m16n8k32", as common.cuh has them. A word is four values of 8 bits or two
// of 16 along k; in words along k, of which there are 4 or 8, all types are alike.
template <int words, class C> void gather(void *const *operands, uint32 (&a)[16][words], uint32 (&b)[8][words], C (&d)[16][8]) {
	for (int lane = 0; lane < 32; lane++) {
		auto &f = *static_cast<const Fragments<C> *>(operands[lane]);
		int g = lane / 4, t = lane % 4;
		for (int half = 0; half < words / 4; half++) {
			a[g][4 * half + t] = f.a[2 * half];
			a[g + 8][4 * half + t] = f.a[2 * half + 1];
			b[g][4 * half + t] = f.b[half];
		}
		for (int i = 0; i < 4; i++)
			d[g + i / 2 * 8][2 * t + i % 2] = f.d[i];
	}
}

template <class C> void scatter(void *const *operands, const C (&d)[16][8]) {
	for (int lane = 0; lane < 32; lane++) {
		auto &f = *static_cast<const Fragments<C> *>(operands[lane]);
		for (int i = 0; i < 4; i++)
			f.d[i] = d[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
	}
}

void whole_warp(const char *what, uint32 mask) {
	if (mask != everyone)
		emulator::fail("%s by lanes %08x: every lane of a warp has to take part", what, mask);
}

template <class A, int words> void integer_product(void *const *operands, uint32 mask) {
	whole_warp("mma", mask);
	uint32 a[16][words], b[8][words];
	int32 d[16][8];
	gather(operands, a, b, d);
	int16 wide[8][4 * words];
	for (int n = 0; n < 8; n++)
		for (int k = 0; k < 4 * words; k++)
			wide[n][k] = reinterpret_cast<const int8 *>(b[n])[k];
	for (int m = 0; m < 16; m++) {
		int16 row[4 * words];
		for (int k = 0; k < 4 * words; k++)
			row[k] = reinterpret_cast<const A *>(a[m])[k];
		for (int n = 0; n < 8; n++) {
			int32 sum = 0;
			for (int k = 0; k < 4 * words; k++)
				sum += row[k] * wide[n][k];
			d[m][n] = int32(uint32(d[m][n]) + uint32(sum));
		}
	}
	scatter(operands, d);
}

// Products of halves are exact, and so is very nearly their sum in double: a device rounds more often.
void half_product(void *const *operands, uint32 mask) {
	whole_warp("mma", mask);
	uint32 a[16][8], b[8][8];
	float d[16][8], row[16][16], column[16][8];
	gather(operands, a, b, d);
	for (int k = 0; k < 16; k++) {
		for (int m = 0; m < 16; m++)
			row[m][k] = floatOfHalf(a[m][k / 2] >> k % 2 * 16);
		for (int n = 0; n < 8; n++)
			column[k][n] = floatOfHalf(b[n][k / 2] >> k % 2 * 16);
	}
	for (int m = 0; m < 16; m++) {
		double sum[8];
		for (int n = 0; n < 8; n++)
			sum[n] = d[m][n];
		for (int k = 0; k < 16; k++)
			for (int n = 0; n < 8; n++)
				sum[n] += double(row[m][k]) * column[k][n];
		for (int n = 0; n < 8; n++)
			d[m][n] = static_cast<float>(sum[n]);
	}
	scatter(operands, d);
}

template <class C> void product(const char *what, C *d, const uint32 *a, const uint32 *b, void (*run)(void *const *, uint32)) {
	Fragments<C> mine{d, a, b};
	emulator::collective(what, everyone, &mine, run);
}

// The copies of a thread that it has not waited for.
struct Copy {
	void *shared;
	const void *global;
	unsigned group;
};
struct Copies {
	uint64 serial; // of the thread
	unsigned group;  // that is open
	std::vector<Copy> waiting;
};

Copies &copies() {
	static Copies all[16 * emulator::max_threads]; // as emulator::threads
	auto &t = emulator::self();
	auto &mine = all[&t - emulator::threads];
	if (mine.serial != t.serial) {
		mine.serial = t.serial;
		mine.group = 0;
		mine.waiting.clear();
	}
	return mine;
}

} // namespace

void mmaS8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
	const uint32 b[] = {b0, b1};
	product("mma.m16n8k32.s8.s8", c, a, b, integer_product<int8, 8>);
}
void mmaU8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
	const uint32 b[] = {b0, b1};
	product("mma.m16n8k32.u8.s8", c, a, b, integer_product<uint8, 8>);
}
void mmaS8(int32 (&c)[4], uint32 a0, uint32 a1, uint32 b) {
	const uint32 a[] = {a0, a1};
	product("mma.m16n8k16.s8.s8", c, a, &b, integer_product<int8, 4>);
}
void mmaF16(float c[4], const uint32 a[4], uint32 b0, uint32 b1) {
	const uint32 b[] = {b0, b1};
	product("mma.m16n8k16.f16", c, a, b, half_product);
}

constexpr int copy_bytes = 16;

void copyAsync(void *shared, const void *global) {
	emulator::access(shared, copy_bytes, copy_bytes, emulator::begins);
	emulator::access(global, copy_bytes, copy_bytes, emulator::reads);
	if (!emulator::is_shared(shared))
		emulator::fail("cp.async to memory that is not shared");
	auto &c = copies();
	c.waiting.push_back({shared, global, c.group});
}

void commitCopies() { copies().group++; }

void waitCopies(int groups) {
	auto &c = copies();
	size_t done = 0;
	for (; done < c.waiting.size() && c.waiting[done].group + groups < c.group; done++) {
		emulator::access(c.waiting[done].shared, copy_bytes, copy_bytes, emulator::writes);
		memcpy(c.waiting[done].shared, c.waiting[done].global, copy_bytes);
	}
	c.waiting.erase(c.waiting.begin(), c.waiting.begin() + done);
}
