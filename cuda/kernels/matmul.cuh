// Products of quantized weights with few rows of activations (1 to 64), each weight read once: bit for bit quant.MatMul.
//
// Where the time goes: an H100 has about 13 bytes of memory bandwidth per cycle and multiprocessor, so a unit of q4_k weights
// (16 rows x 256 values, 2304 bytes) takes 180 cycles, in which its four schedulers start 720 instructions of a warp. A step
// of one warp with such a unit and 16 columns is about 350. So the tensor cores are not the limit and neither are
// instructions; what counts is that loads are always under way.
//
// There are too few tiles to give each warp its own: 4096 rows are 256 tiles, 2 a multiprocessor. So the warps of a block
// share a tile. A warp takes a step (128 or 256 values of k), then the one `warps` further. Its integer sums need no other
// warp, but the float sum over k is one chain in ascending order: it goes from warp to warp through shared memory, 512 bytes
// a step for 16 x 8 sums, with a named barrier for each warp at which it awaits the chain. What a warp adds to the chain is
// ready by then, so that a step holds it up for about 90 cycles. Handing the integer sums to one warp instead would take 8
// times the shared memory traffic for q8_0.
//
// Weights go to registers, one step ahead. Activations come from the L1 cache, which weights leave alone.
#pragma once
#include "act.cuh"
#include "weights.cuh"

struct Product {
	const uint8 *weights;
	float *dst; // [rows of activations][stride]
	int32 format, rows, stride; // a Type
	int32 end; // of its tiles, counted through the list
};

struct ProductsArgs {
	Acts acts;
	Product list[4];
	int32 count;
	int32 add;    // to dst
	int32 passes; // over the columns, 8 * tiles each
	int32 ahead;  // steps that weights are fetched to the L2 cache before they are loaded
};

// Item is a warp's step: of which tile and product.
struct Item {
	int tile, step, product;

	// settle moves steps beyond the tile's end to the block's next tiles.
	__device__ void settle(const ProductsArgs &a, int steps, int total) {
		for (; step >= steps; step -= steps) tile += gridDim.x;
		while (tile < total && tile >= a.list[product].end) product++;
	}
	__device__ int tileOfProduct(const ProductsArgs &a) const { return tile - (product > 0 ? a.list[product - 1].end : 0); }
};

// Columns is where a lane finds its part of matrix b: activation rows of tiles of 8.
template <int tiles> struct Columns {
	const uint8 *record[tiles]; // of the step's group
	int lane[tiles];            // that has the same columns, but those of no row take the last one's

	__device__ Columns(const Acts &a, int pass, int group) {
		const int last = (a.rows - 1) / actRows;
		for (int n = 0; n < tiles; n++) {
			const int tile = smaller(pass * tiles + n, last);
			record[n] = a.at + int64(tile * a.groups + group) * actRecord;
			const int r = tile < last ? actRows - 1 : (a.rows - 1) % actRows;
			lane[n] = 4 * smaller(laneId() / 4, r) + laneId() % 4;
		}
	}
	__device__ Bytes16 chunk(int n, int c) const {
		return *reinterpret_cast<const Bytes16 *>(record[n] + 512 * c + 16 * lane[n]);
	}
	__device__ const float *scales(int n, int at) const { return reinterpret_cast<const float *>(record[n] + at); }
};

constexpr int sector = 32; // bytes that the L2 cache is filled by

// Form 32: a step is half a unit, 4 blocks of 32 values.
struct Step32 {
	static constexpr int values = 128;
	static constexpr int perUnit = unitValues / values;

	Chunk32 chunk[2];
	Head32 head;

	template <class T> __device__ void loadAs(const uint8 *unit, int part) {
		for (int c = 0; c < 2; c++) T::template loadChunk<true>(chunk[c], unit + (2 * part + c) * T::chunk, laneId());
		loadHead<true>(head, unit + 4 * T::chunk, part, laneId());
	}
	// load starts to load step `step` of a tile whose row of units has `units`.
	__device__ void load(const Product &p, int tile, int step, int units) {
		const int64 unit = int64(tile) * units + step / perUnit;
		if (p.format == typeQ8_0) loadAs<Q8_0>(p.weights + unit * Q8_0::unit, step % perUnit);
		else loadAs<Q4_0>(p.weights + unit * Q4_0::unit, step % perUnit);
	}

	__device__ static void fetch(const Product &p, int tile, int step, int units) {
		const bool large = p.format == typeQ8_0;
		const int chunk = large ? Q8_0::chunk : Q4_0::chunk, part = step % perUnit;
		const uint8 *unit = p.weights + (int64(tile) * units + step / perUnit) * (large ? Q8_0::unit : Q4_0::unit);
		for (int at = sector * laneId(); at < 2 * chunk; at += 32 * sector) prefetch(unit + 2 * part * chunk + at);
		if (laneId() < 4) prefetch(unit + 4 * chunk + 128 * part + sector * laneId());
	}

	// What a step adds to the chain.
	template <int tiles> struct Terms {
		float sum[4][tiles][4]; // S of blocks
		float weight[2][4];     // D of rows g, g+8
		float act[tiles][2][4]; // A of columns 2t, 2t+1

		__device__ void add(float (&acc)[tiles][4]) const {
			for (int b = 0; b < 4; b++)
				for (int n = 0; n < tiles; n++)
					for (int i = 0; i < 4; i++) acc[n][i] = fmaf(weight[i / 2][b] * act[n][i % 2][b], sum[b][n][i], acc[n][i]);
		}
	};

	template <class T, int tiles> __device__ void multiplyAs(Terms<tiles> &terms, const Columns<tiles> &columns, int part) const {
		for (int c = 0; c < 2; c++) {
			Bytes16 b[tiles];
			for (int n = 0; n < tiles; n++) b[n] = columns.chunk(n, 2 * part + c);
			for (int j = 0; j < 2; j++) {
				uint32 a[4];
				T::fragment(chunk[c], j, a);
				for (int n = 0; n < tiles; n++) {
					// Sums beside 1.5 * 2^23, the bits of a float: they stay under 2^22.
					int32 s[4] = {0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000};
					mmaS8(s, a, b[n].w[2 * j], b[n].w[2 * j + 1]);
					constexpr float unshift = 1.0f / (1 << T::lowShift);
					for (int i = 0; i < 4; i++) terms.sum[2 * c + j][n][i] = fmaf(floatOf(s[i]), unshift, -12582912.0f * unshift);
				}
			}
		}
	}
	template <int tiles> __device__ void multiply(Terms<tiles> &terms, int type, const Columns<tiles> &columns, int step) const {
		const int part = step % perUnit;
		if (type == typeQ8_0) multiplyAs<Q8_0>(terms, columns, part);
		else multiplyAs<Q4_0>(terms, columns, part);
		for (int i = 0; i < 2; i++)
			for (int b = 0; b < 4; b++) terms.weight[i][b] = floatOfHalf(half(head.row[i].w[b / 2] >> 16 * (b % 2)));
		for (int n = 0; n < tiles; n++)
			for (int i = 0; i < 2; i++) {
				const float *scales = columns.scales(n, actScales32) + 4 * (actRows * part + 2 * (laneId() % 4) + i);
				const Bytes16 s = *reinterpret_cast<const Bytes16 *>(scales);
				for (int b = 0; b < 4; b++) terms.act[n][i][b] = floatOf(s.w[b]);
			}
	}
};

// Form 256: a step is a unit.
struct Step256 {
	static constexpr int values = 256;

	Chunk256 chunk[4];
	Head256 head;

	template <class T> __device__ void loadAs(const uint8 *unit) {
		for (int c = 0; c < 4; c++) T::template loadChunk<true>(chunk[c], unit + c * T::chunk, laneId());
		loadHead<T, true>(head, unit + 4 * T::chunk, laneId());
	}
	__device__ void load(const Product &p, int tile, int step, int units) {
		const int64 unit = int64(tile) * units + step;
		if (p.format == typeQ4_K) loadAs<Q4_K>(p.weights + unit * Q4_K::unit);
		else if (p.format == typeQ5_K) loadAs<Q5_K>(p.weights + unit * Q5_K::unit);
		else loadAs<Q6_K>(p.weights + unit * Q6_K::unit);
	}

	__device__ static void fetch(const Product &p, int tile, int step, int units) {
		const int bytes = p.format == typeQ4_K ? Q4_K::unit : p.format == typeQ5_K ? Q5_K::unit : Q6_K::unit;
		const uint8 *unit = p.weights + (int64(tile) * units + step) * bytes;
		for (int at = sector * laneId(); at < bytes; at += 32 * sector) prefetch(unit + at);
	}

	template <int tiles> struct Terms {
		float dots[tiles][4], scale[tiles][4]; // sum(scale*S), D*A
		float mins[tiles][4], min[tiles][4];   // sum(min*B), -(Dmin*A); in q6_k 0, which adds nothing

		__device__ void add(float (&acc)[tiles][4]) const {
			for (int n = 0; n < tiles; n++)
				for (int i = 0; i < 4; i++) {
					acc[n][i] = fmaf(scale[n][i], dots[n][i], acc[n][i]);
					acc[n][i] = fmaf(min[n][i], mins[n][i], acc[n][i]);
				}
		}
	};

	// dots sums scale * S over the sub-blocks of 32.
	template <class T, int tiles> __device__ void dotsAs(int32 (&dots)[tiles][4], const Columns<tiles> &columns) const {
		for (int c = 0; c < 4; c++) {
			Bytes16 b[tiles];
			for (int n = 0; n < tiles; n++) b[n] = columns.chunk(n, c);
			for (int j = 0; j < 2; j++) {
				uint32 a[4];
				T::fragment(chunk[c], j, a);
				const int32 scales[2] = {scaleOf(head.row[0], 2 * c + j), scaleOf(head.row[1], 2 * c + j)};
				for (int n = 0; n < tiles; n++) {
					int32 s[4] = {};
					mmaU8(s, a, b[n].w[2 * j], b[n].w[2 * j + 1]);
					for (int i = 0; i < 4; i++) dots[n][i] += scales[i / 2] * s[i];
				}
			}
		}
	}
	// The sub-blocks of q6_k are 16.
	template <int tiles> __device__ void dotsQ6_K(int32 (&dots)[tiles][4], const Columns<tiles> &columns) const {
		for (int c = 0; c < 4; c++) {
			Bytes16 b[tiles];
			for (int n = 0; n < tiles; n++) b[n] = columns.chunk(n, c);
			for (int j = 0; j < 4; j++) {
				uint32 a[2];
				Q6_K::fragment(chunk[c], j, a);
				int32 scales[2];
				for (int i = 0; i < 2; i++) scales[i] = int8(head.row[i].w[c] >> 8 * j);
				for (int n = 0; n < tiles; n++) {
					int32 s[4] = {};
					mmaS8(s, a[0], a[1], b[n].w[j]);
					for (int i = 0; i < 4; i++) dots[n][i] += scales[i / 2] * s[i];
				}
			}
		}
	}
	template <int lowShift, int highShift, int tiles>
	__device__ static void unshift(float (&to)[tiles][4], const int32 (&from)[tiles][4]) {
		for (int n = 0; n < tiles; n++)
			for (int i = 0; i < 4; i++) to[n][i] = float(from[n][i] >> (i < 2 ? lowShift : highShift));
	}
	template <int tiles> __device__ void multiply(Terms<tiles> &terms, int type, const Columns<tiles> &columns, int) const {
		const int t = laneId() % 4;
		int32 dots[tiles][4] = {};
		float d[2], dmin[2];
		if (type == typeQ6_K) {
			dotsQ6_K(dots, columns);
			unshift<Q6_K::lowShift, Q6_K::highShift>(terms.dots, dots);
			for (int i = 0; i < 2; i++) d[i] = floatOfHalf(half(head.d >> 16 * i)), dmin[i] = 0;
			for (int n = 0; n < tiles; n++)
				for (int i = 0; i < 4; i++) terms.mins[n][i] = 0;
		} else {
			if (type == typeQ4_K) {
				dotsAs<Q4_K>(dots, columns);
				unshift<Q4_K::lowShift, Q4_K::highShift>(terms.dots, dots);
			} else {
				dotsAs<Q5_K>(dots, columns);
				unshift<Q5_K::lowShift, Q5_K::highShift>(terms.dots, dots);
			}
			for (int i = 0; i < 2; i++) {
				d[i] = floatOfHalf(half(head.row[i].w[0]));
				dmin[i] = floatOfHalf(half(head.row[i].w[0] >> 16));
			}
			// The mins are one more matrix, multiplied by the sums of 32 activations in two parts: lanes t = 0, 1 have the
			// low 7 bits of the eight, t = 2, 3 the rest.
			const uint32 row0 = minsOf(head.row[0], t % 2), row8 = minsOf(head.row[1], t % 2);
			for (int n = 0; n < tiles; n++) {
				const uint32 sums = *reinterpret_cast<const uint32 *>(columns.record[n] + actSums + 4 * laneId());
				int32 s[4] = {};
				mmaS8(s, t < 2 ? 0 : row0, t < 2 ? 0 : row8, sums);
				for (int i = 0; i < 4; i++) s[i] *= 128;
				mmaS8(s, t < 2 ? row0 : 0, t < 2 ? row8 : 0, sums);
				for (int i = 0; i < 4; i++) terms.mins[n][i] = float(s[i]);
			}
		}
		for (int n = 0; n < tiles; n++)
			for (int i = 0; i < 4; i++) {
				const float a = columns.scales(n, actScales256)[2 * t + i % 2];
				terms.scale[n][i] = d[i / 2] * a;
				terms.min[n][i] = -(dmin[i / 2] * a);
			}
	}
};

// Output is where a lane stores its elements of a tile of 16 x 8.
struct Output {
	float *dst;
	int row, column, rows, columns, stride;

	__device__ Output(const ProductsArgs &a, const Product &p, int tile, int column)
		: dst(p.dst), row(tileRows * tile + laneId() / 4), column(column + 2 * (laneId() % 4)), rows(p.rows), columns(a.acts.rows),
		  stride(p.stride) {}
	__device__ bool has(int i) const { return row + i / 2 * 8 < rows && column + i % 2 < columns; }
	__device__ float *at(int i) const { return dst + int64(column + i % 2) * stride + row + i / 2 * 8; }
};

// fewRows multiplies in passes over 8 * tiles columns. passes * warps is at most 16, the number of barriers. Blocks take
// tiles in turn, so any grid does.
template <class Step, int tiles, bool early> __device__ inline void fewRows(const ProductsArgs &a) {
	const int warps = blockDim.x / 32, warp = warpId(), follower = warp + 1 < warps ? warp + 1 : 0;
	const int units = a.acts.groups, steps = ceilDiv(a.acts.k, Step::values), total = a.list[a.count - 1].end;
	Bytes16 *chain = reinterpret_cast<Bytes16 *>(sharedMemory()); // [pass][warp that continues it][tile][lane]

	Item next{int(blockIdx.x), warp, 0};
	next.settle(a, steps, total);
	Step step;
	if (next.tile < total) step.load(a.list[next.product], next.tileOfProduct(a), next.step, units);
	// Weights travel to the L2 cache a.ahead steps before they are loaded.
	Item far = next;
	auto fetch = [&] {
		far.step += warps;
		far.settle(a, steps, total);
		if (far.tile < total) Step::fetch(a.list[far.product], far.tileOfProduct(a), far.step, units);
	};
	for (int i = 0; i < a.ahead; i++) fetch();

	bool first = warp == 0;
	while (next.tile < total) {
		if (a.ahead > 0) fetch();
		const Item item = next;
		Step ahead;
		next.step += warps;
		next.settle(a, steps, total);
		if (early && next.tile < total) ahead.load(a.list[next.product], next.tileOfProduct(a), next.step, units);

		const Product &p = a.list[item.product];
		const bool ends = item.step == steps - 1, last = ends && item.tile + int(gridDim.x) >= total;
		for (int pass = 0; pass < a.passes; pass++) {
			typename Step::template Terms<tiles> terms;
			step.multiply(terms, p.format, Columns<tiles>(a.acts, pass, item.step * Step::values / unitValues), item.step);
			if (!early && pass == a.passes - 1 && next.tile < total)
				step.load(a.list[next.product], next.tileOfProduct(a), next.step, units);

			float before[tiles][4] = {};
			if (ends && a.add)
				for (int n = 0; n < tiles; n++) {
					const Output out(a, p, item.tileOfProduct(a), (pass * tiles + n) * actRows);
					for (int i = 0; i < 4; i++)
						if (out.has(i)) before[n][i] = *out.at(i);
				}

			if (!first) barrierWait(pass * warps + warp, 64);
			float acc[tiles][4] = {};
			if (item.step > 0)
				for (int n = 0; n < tiles; n++) {
					const Bytes16 v = chain[((pass * warps + warp) * tiles + n) * 32 + laneId()];
					for (int i = 0; i < 4; i++) acc[n][i] = floatOf(v.w[i]);
				}
			terms.add(acc);
			if (!ends)
				for (int n = 0; n < tiles; n++) {
					Bytes16 v;
					for (int i = 0; i < 4; i++) v.w[i] = bitsOf(acc[n][i]);
					chain[((pass * warps + follower) * tiles + n) * 32 + laneId()] = v;
				}
			if (!last) barrierArrive(pass * warps + follower, 64);
			if (ends)
				for (int n = 0; n < tiles; n++) {
					const Output out(a, p, item.tileOfProduct(a), (pass * tiles + n) * actRows);
					for (int i = 0; i < 4; i++)
						if (out.has(i)) *out.at(i) = a.add ? before[n][i] + acc[n][i] : acc[n][i];
				}
		}
		if (early) step = ahead;
		first = false;
	}
}

#define PRODUCTS(name, Step, tiles, early) \
	extern "C" __global__ void __launch_bounds__(512) name(const __grid_constant__ ProductsArgs a) { fewRows<Step, tiles, early>(a); }
PRODUCTS(products32x8, Step32, 1, false)
PRODUCTS(products32x16, Step32, 2, false)
PRODUCTS(products256x8, Step256, 1, false)
PRODUCTS(products256x16, Step256, 2, false)
PRODUCTS(early32x8, Step32, 1, true)
PRODUCTS(early32x16, Step32, 2, true)
PRODUCTS(early256x8, Step256, 1, true)
PRODUCTS(early256x16, Step256, 2, true)
