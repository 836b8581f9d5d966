// Products of quantized weights with few rows of activations (1 to 64), each weight read once: bit for bit quant.MatMul.
//
// Where the time goes: an H100 has about 13 bytes of memory bandwidth per cycle and multiprocessor, so a unit of q4_k weights
// (16 rows x 256 values, 2304 bytes) takes 180 cycles, in which its four schedulers can start 720 instructions of a warp. A
// warp's step with such a unit is about 300 instructions for 8 columns and 640 for 32, in two passes. So up to 16 columns
// instructions are not the limit, and what counts is that loads are always under way.
//
// There are too few tiles to give each warp its own: 4096 rows are 256 tiles, 2 a multiprocessor. So the warps of a block
// share a tile. A warp takes a step (128 or 256 values of k), then the one `warps` further. Its integer sums need no other
// warp, but the float sum over k is one chain in ascending order: it goes from warp to warp through shared memory, 512 bytes
// a step for 16 x 8 sums, with a named barrier for each warp at which it awaits the chain. What a warp adds to the chain is
// ready by then, so that a step holds it up for a dozen instructions. Handing the integer sums to one warp instead would take
// 8 times the shared memory traffic for q8_0.
//
// No two warps touch a chain at once. Between its bar.sync (barrierWait) at its own barrier and its bar.arrive at the next warp's a
// warp has the turn, and there is one turn a chain, which goes round: a barrier has no second arrival before its owner has had the
// turn. That orders memory too: "bar.sync or bar.arrive guarantees that when the barrier completes, prior memory accesses
// requested by this thread are performed relative to all threads participating in the barrier", a read being performed when its
// value "cannot be modified by another thread participating", and bar.sync further "that no new memory access is requested by this
// thread before the barrier completes" (PTX ISA, barrier). So the load and the store of one turn come before those of the next,
// though compute-sanitizer's racecheck reports them (TestHandOver).
//
// Weights go straight to registers, which the next step's begin to fill when the last pass over the columns has used this
// one's: 16 warps have 37 KB under way. To ask for them earlier, in more registers or in the L2 cache, gained nothing on an
// H100. Activations come from the L1 cache, which weights leave alone.
//
// A warp counts its loads under way by six counters, and ptxas has it await all of them before a branch around a loop, and a loop's own
// loads await those of the round before. Between a step's loads and its products there is neither: the cursor has no loops, and
// activations of a single tile, for which there are registers, are loaded before the weights. Else what is left to do and the activations
// would be waited for after the weights.
#pragma once
#include "weights.cuh"

struct Product {
	const uint8 *weights;
	float *dst; // [rows of activations][stride]
	int32 format; // a Type
	int32 rows, stride;
	int32 end; // of its tiles (prompt.cuh: of its blocks), counted through the list
};

constexpr int maxProducts = 4; // of a launch; those that are not there have the last one's end

struct ProductsArgs {
	Acts acts;
	Product list[maxProducts];
	int32 add;    // to dst
	int32 passes; // over the columns, 8 * tiles each
};

// productOf is the product that has number `index` of what ends count, and makes index one of its own.
template <class Args> __device__ inline const Product &productOf(const Args &a, int &index) {
	int product = 0;
	while (index >= a.list[product].end) product++;
	if (product > 0) index -= a.list[product - 1].end;
	return a.list[product];
}

// Cursor walks over the steps of a warp.
struct Cursor {
	int tile, step;     // tile of the list
	int product, first; // the tile's product, and that one's first tile

	// find finds the product of the tile.
	__device__ void find(const ProductsArgs &a) {
		product = first = 0;
		for (int i = 0; i < maxProducts - 1; i++)
			if (tile >= a.list[i].end) product = i + 1, first = a.list[i].end;
	}
	// at counts steps from the product's first. A tile has `span` steps in memory.
	__device__ int at(int span) const { return (tile - first) * span + step; }
};

// Columns is what a lane takes of some tiles of 8 rows of activations for a step, in units of 16 bytes: all kept by load, or each read when
// it is asked for.
template <class Step, int tiles, bool kept> struct Columns {
	static constexpr int units = Step::units;
	const uint8 *record; // of the first tile
	int stride, step, lane;
	Bytes16 all[kept ? tiles : 1][kept ? units : 1];

	__device__ Bytes16 read(int n, int unit) const {
		return *reinterpret_cast<const Bytes16 *>(record + n * stride + Step::unitAt(unit, step, lane));
	}
	__device__ void load() {
		if constexpr (kept)
			for (int n = 0; n < tiles; n++)
				for (int u = 0; u < units; u++) all[n][u] = read(n, u);
	}
	__device__ Bytes16 unit(int n, int u) const {
		if constexpr (kept) return all[n][u];
		else return read(n, u);
	}
};

// Form 32: a step is half a unit, 4 blocks of 32 values.
struct Step32 {
	static constexpr int values = 128;
	static constexpr int perUnit = unitValues / values;

	// Of activations: matrix b, two units, and A of columns 2t, 2t+1.
	static constexpr int units = 4;
	__device__ static int unitAt(int unit, int step, int lane) {
		const int part = step % perUnit;
		return unit < 2 ? 512 * (2 * part + unit) + 16 * lane : actScales32 + 16 * (actRows * part + 2 * (laneId() % 4) + unit - 2);
	}

	Chunk32 chunk[2];
	Head32 head;

	template <class T> __device__ void loadAs(const uint8 *unit, int part) {
		for (int c = 0; c < 2; c++) T::template loadChunk<true>(chunk[c], unit + (2 * part + c) * T::chunk, laneId());
		loadHead<true>(head, unit + 4 * T::chunk, part, laneId());
	}
	// load starts to load step `at`, counted in all of the product.
	__device__ void load(const Product &p, int at) {
		if (p.format == typeQ8_0) loadAs<Q8_0>(p.weights + int64(at / perUnit) * Q8_0::unit, at % perUnit);
		else loadAs<Q4_0>(p.weights + int64(at / perUnit) * Q4_0::unit, at % perUnit);
	}

	// What a step adds to the chain.
	template <int tiles> struct Terms {
		float sum[4][tiles][4], factor[4][tiles][4]; // S and D*A of blocks

		// Link is what is ready for tile n before the chain is there.
		struct Link {
			float factor[4][4], sum[4][4];

			__device__ void add(float (&acc)[4]) const {
				for (int b = 0; b < 4; b++)
					for (int i = 0; i < 4; i++) acc[i] = fmaf(factor[b][i], sum[b][i], acc[i]);
			}
		};
		__device__ Link link(int n) const {
			Link l;
			for (int b = 0; b < 4; b++)
				for (int i = 0; i < 4; i++) {
					l.factor[b][i] = factor[b][n][i], l.sum[b][i] = sum[b][n][i];
				}
			return l;
		}
	};

	template <class T, int tiles, class Source> __device__ void multiplyAs(Terms<tiles> &terms, const Source &columns) const {
		for (int c = 0; c < 2; c++) {
			Bytes16 b[tiles];
			for (int n = 0; n < tiles; n++) b[n] = columns.unit(n, c);
			for (int j = 0; j < 2; j++) {
				uint32 a[4];
				T::fragment(chunk[c], j, a);
				for (int n = 0; n < tiles; n++) {
					// Sums beside 1.5 * 2^23, the bits of a float: they stay under 2^22.
					int32 s[4];
					mmaS8(s, a, b[n].w[2 * j], b[n].w[2 * j + 1], 0x4b400000);
					constexpr float unshift = 1.0f / (1 << T::lowShift);
					for (int i = 0; i < 4; i++) terms.sum[2 * c + j][n][i] = fmaf(floatOf(s[i]), unshift, -12582912.0f * unshift);
				}
			}
		}
	}
	template <int tiles, class Source> __device__ void multiply(Terms<tiles> &terms, int format, const Source &columns) const {
		Bytes16 act[tiles][2]; // under way before the others
		for (int n = 0; n < tiles; n++)
			for (int i = 0; i < 2; i++) act[n][i] = columns.unit(n, 2 + i);
		if (format == typeQ8_0) multiplyAs<Q8_0>(terms, columns);
		else multiplyAs<Q4_0>(terms, columns);
		float weight[2][4]; // D of rows g, g+8
		for (int i = 0; i < 2; i++)
			for (int b = 0; b < 4; b++) weight[i][b] = floatOfHalf(half(head.row[i].w[b / 2] >> 16 * (b % 2)));
		for (int n = 0; n < tiles; n++)
			for (int i = 0; i < 2; i++)
				for (int b = 0; b < 4; b++)
					for (int j = 0; j < 2; j++) {
						terms.factor[b][n][2 * j + i] = weight[j][b] * floatOf(act[n][i].w[b]);
						hold(terms.factor[b][n][2 * j + i]);
					}
	}
};

// Form 256: a step is a unit.
struct Step256 {
	static constexpr int values = 256;
	static constexpr int perUnit = 1;

	// Of activations: matrix b, four units, then B of 16 values as matrix b, and A of columns 2t, 2t+1.
	static constexpr int units = 5;
	__device__ static int unitAt(int unit, int, int lane) { return 512 * unit + 16 * lane; }
	static_assert(actSums == 4 * 512);

	Chunk256 chunk[4];
	Head256 head;

	template <class T> __device__ void loadAs(const uint8 *unit) {
		for (int c = 0; c < 4; c++) T::template loadChunk<true>(chunk[c], unit + c * T::chunk, laneId());
		loadHead<T, true>(head, unit + 4 * T::chunk, laneId());
	}
	__device__ void load(const Product &p, int at) {
		if (p.format == typeQ4_K) loadAs<Q4_K>(p.weights + int64(at) * Q4_K::unit);
		else if (p.format == typeQ5_K) loadAs<Q5_K>(p.weights + int64(at) * Q5_K::unit);
		else loadAs<Q6_K>(p.weights + int64(at) * Q6_K::unit);
	}

	template <int tiles> struct Terms {
		float dots[tiles][4]; // sum(scale*S)
		float mins[tiles][4]; // sum(min*B); 0 in q6_k, as Dmin is: that adds nothing
		float d[2], dmin[2];  // D, Dmin of rows g, g+8
		float act[tiles][2];  // A of columns 2t, 2t+1

		struct Link {
			float scale[4], dots[4], min[4], mins[4];

			__device__ void add(float (&acc)[4]) const {
				for (int i = 0; i < 4; i++) acc[i] = fmaf(min[i], mins[i], fmaf(scale[i], dots[i], acc[i]));
			}
		};
		__device__ Link link(int n) const {
			Link l;
			for (int i = 0; i < 4; i++) {
				l.scale[i] = d[i / 2] * act[n][i % 2], l.dots[i] = dots[n][i];
				l.min[i] = -(dmin[i / 2] * act[n][i % 2]), l.mins[i] = mins[n][i];
				hold(l.scale[i]), hold(l.dots[i]), hold(l.min[i]), hold(l.mins[i]);
			}
			return l;
		}
	};

	// dots sums scale * S over the sub-blocks of 32.
	template <class T, int tiles, class Source> __device__ void dotsAs(int32 (&dots)[tiles][4], const Source &columns) const {
		for (int c = 0; c < 4; c++) {
			Bytes16 b[tiles];
			for (int n = 0; n < tiles; n++) b[n] = columns.unit(n, c);
			for (int j = 0; j < 2; j++) {
				uint32 a[4];
				T::fragment(chunk[c], j, a);
				int32 scales[2];
				for (int i = 0; i < 2; i++) scales[i] = byteOf(scalesOf(head.row[i], c / 2), c % 2 * 2 + j);
				for (int n = 0; n < tiles; n++) {
					int32 s[4] = {};
					mmaU8(s, a, b[n].w[2 * j], b[n].w[2 * j + 1]);
					for (int i = 0; i < 4; i++) dots[n][i] += scales[i / 2] * s[i];
				}
			}
		}
	}
	// The sub-blocks of q6_k are 16.
	template <int tiles, class Source> __device__ void dotsQ6_K(int32 (&dots)[tiles][4], const Source &columns) const {
		for (int c = 0; c < 4; c++) {
			Bytes16 b[tiles];
			for (int n = 0; n < tiles; n++) b[n] = columns.unit(n, c);
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
	template <int tiles, class Source> __device__ void multiply(Terms<tiles> &terms, int format, const Source &columns) const {
		int32 dots[tiles][4] = {};
		uint32 mins[4] = {};   // as matrix a
		uint32 sums[tiles][2]; // as matrix b
		for (int n = 0; n < tiles; n++) {
			const Bytes16 v = columns.unit(n, 4);
			for (int i = 0; i < 2; i++) sums[n][i] = v.w[i], terms.act[n][i] = floatOf(v.w[2 + i]);
		}
		if (format == typeQ6_K) {
			dotsQ6_K(dots, columns);
			unshift<Q6_K::lowShift, Q6_K::highShift>(terms.dots, dots);
			for (int i = 0; i < 2; i++) terms.d[i] = floatOfHalf(half(head.d >> 16 * i)), terms.dmin[i] = 0;
		} else {
			if (format == typeQ4_K) {
				dotsAs<Q4_K>(dots, columns);
				unshift<Q4_K::lowShift, Q4_K::highShift>(terms.dots, dots);
			} else {
				dotsAs<Q5_K>(dots, columns);
				unshift<Q5_K::lowShift, Q5_K::highShift>(terms.dots, dots);
			}
			for (int i = 0; i < 2; i++) {
				terms.d[i] = floatOfHalf(half(head.row[i].w[0]));
				terms.dmin[i] = floatOfHalf(half(head.row[i].w[0] >> 16));
			}
			minFragment(mins, head.row);
		}
		// Here and not where the chain goes on: what waited there for the sums and scales of activations waited for the next step's
		// weights too, a third of the time.
		for (int n = 0; n < tiles; n++) {
			for (int i = 0; i < 4; i++) terms.mins[n][i] = 0;
			mmaF16(terms.mins[n], mins, sums[n][0], sums[n][1]); // integers below 2^24: exact
		}
	}
};

// Output is what a lane has of a tile of 16 x 8 in dst. Elements are loaded before any is stored: the compiler cannot know
// that they are not the same.
struct Output {
	float *at;
	int rows, columns, stride; // from the lane's first on

	__device__ Output(const ProductsArgs &a, const Product &p, int tile, int column) {
		const int row = tileRows * tile + laneId() / 4;
		column += 2 * (laneId() % 4);
		at = p.dst + int64(column) * p.stride + row;
		rows = p.rows - row, columns = a.acts.rows - column, stride = p.stride;
	}
	__device__ bool has(int i) const { return i / 2 * 8 < rows && i % 2 < columns; }
	__device__ float &operator[](int i) const { return at[i % 2 * int64(stride) + i / 2 * 8]; }
	__device__ void load(float (&v)[4]) const {
		for (int i = 0; i < 4; i++)
			if (has(i)) v[i] = (*this)[i];
	}
	__device__ void store(const float (&v)[4]) const {
		for (int i = 0; i < 4; i++)
			if (has(i)) (*this)[i] = v[i];
	}
};

// fewRows multiplies in passes over 8 * tiles columns. The chains of a pass go from warp to warp together: passes * warps is at
// most 16, the number of barriers. Blocks take tiles in turn, so any grid does.
template <class Step, int tiles> __device__ inline void fewRows(const ProductsArgs &a) {
	const int warps = blockDim.x / 32, warp = shuffle(warpId(), 0), follower = shuffle(warpId() + 1 < warps ? warpId() + 1 : 0, 0);
	const int steps = ceilDiv(a.acts.k, Step::values), span = a.acts.groups * Step::perUnit, total = a.list[maxProducts - 1].end;
	// The chains lie in shared memory as [tile of all passes][lane], and who has a pass's turn may touch its chains. Only what
	// comes to be the same by a shuffle is not computed again and again between two barriers, where every cycle counts.
	constexpr int tileBytes = 32 * sizeof(Bytes16);
	const uint32 chain = shuffle(sharedAddress(sharedMemory()), 0) + 16 * laneId();
	const int stride = a.acts.groups * actRecord;
	// Of a single tile, the columns that are no rows take the last row's values: fewer bytes.
	const int lane = tiles > 1 ? laneId() : 4 * smaller(laneId() / 4, a.acts.rows - 1) + laneId() % 4;
	const int passes = tiles > 1 ? a.passes : 1;

	releaseNext();
	Cursor next{int(blockIdx.x), warp};
	for (; next.step >= steps; next.step -= steps) next.tile += gridDim.x;
	int tilesOn = 0, stepsOn = warps; // from a step to the warp's next
	for (; stepsOn >= steps; stepsOn -= steps) tilesOn += gridDim.x;
	next.find(a);
	Step step;
	if (next.tile < total) step.load(a.list[next.product], next.at(span));
	// The first step awaits nobody: as if the last warp had been there before.
#pragma unroll 1
	for (int pass = 0; warp == warps - 1 && pass < passes; pass++) barrierArrive(pass * warps + follower, 64);
	awaitBefore();
	constexpr bool ahead = tiles == 1; // there are registers to load the next step's columns with its weights
	Columns<Step, tiles, ahead> columns;
	columns.stride = stride, columns.lane = lane;
	auto loadColumns = [&](int pass, int step) {
		columns.record = a.acts.at + int64(pass) * tiles * stride + step / Step::perUnit * actRecord, columns.step = step;
		columns.load();
	};
	if (ahead && next.tile < total) loadColumns(0, next.step);
	while (next.tile < total) {
		const Cursor item = next;
		const Product &p = a.list[item.product];
		next.tile += tilesOn, next.step += stepsOn;
		if (next.step >= steps) next.tile += gridDim.x, next.step -= steps;
		if (next.tile != item.tile) next.find(a);

		const bool ends = item.step == steps - 1, last = ends && item.tile + int(gridDim.x) >= total;
		for (int pass = 0; pass < passes; pass++) {
			typename Step::template Terms<tiles> terms;
			if (!ahead) loadColumns(pass, item.step);
			step.multiply(terms, p.format, columns);
			if (pass == passes - 1 && next.tile < total) {
				if (ahead) loadColumns(0, next.step);
				step.load(a.list[next.product], next.at(span));
			}

			typename Step::template Terms<tiles>::Link links[tiles];
			for (int n = 0; n < tiles; n++) links[n] = terms.link(n);
			Bytes16 v[tiles] = {}; // tiles begin with zeros
			float acc[tiles][4];
			uint32 at = chain + pass * tiles * tileBytes, here = pass * warps + warp, there = pass * warps + follower;
			hold(at), hold(there);
			auto output = [&](int n) { return Output(a, p, item.tile - item.first, (pass * tiles + n) * actRows); };
			float before[tiles][4] = {};
			if (ends && a.add)
				for (int n = 0; n < tiles; n++) output(n).load(before[n]);

			barrierWait(here, 64);
			for (int n = 0; n < tiles; n++) loadShared(v[n], at + n * tileBytes, item.step > 0);
			for (int n = 0; n < tiles; n++) {
				for (int i = 0; i < 4; i++) acc[n][i] = floatOf(v[n].w[i]);
				links[n].add(acc[n]);
				for (int i = 0; i < 4; i++) v[n].w[i] = bitsOf(acc[n][i]);
				storeShared(at + n * tileBytes, v[n]);
			}
			if (!last) barrierArrive(there, 64);
			if (ends)
				for (int n = 0; n < tiles; n++) {
					for (int i = 0; i < 4 && a.add; i++) acc[n][i] = before[n][i] + acc[n][i];
					output(n).store(acc[n]);
				}
		}
	}
}

// Blocks may have 16 warps, of 128 registers a thread. products256x8d makes do with fewer, so that a multiprocessor has room for 24 warps
// in three blocks: of many tiles that is a little faster in a pass, where the next kernel begins as blocks end.
#define PRODUCTS(name, Step, tiles, ...) \
	extern "C" __global__ void __launch_bounds__(__VA_ARGS__) name(const __grid_constant__ ProductsArgs a) { fewRows<Step, tiles>(a); }
PRODUCTS(products32x8, Step32, 1, 512)
PRODUCTS(products32x16, Step32, 2, 512)
PRODUCTS(products256x8, Step256, 1, 512)
PRODUCTS(products256x16, Step256, 2, 512)
PRODUCTS(products256x8d, Step256, 1, 256, 3)
