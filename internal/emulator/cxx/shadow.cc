// Every access of a kernel to memory, checked before it is made: that it is inside of an allocation or of shared memory,
// that it is aligned, and in shared memory that somebody has written what is read and that a barrier or an operation of
// the warp lies between the accesses of different threads, when one of them writes.
//
// The compiler calls the functions at the end (-fsanitize=thread); there is no other part of that sanitizer.
#include "machine.h"

#include <cstring>

namespace emulator {

// Order among threads: a warp's clock counts the operations and barriers that all of its lanes take part in. What a
// thread did at an earlier time of its own warp, or before the time of another warp that its warp knows of by barriers,
// is done.
static bool done_before(const Worker &w, const Thread &t, unsigned thread, uint32_t time) {
	unsigned other = thread / warp_lanes, mine = t.linear / warp_lanes;
	return thread == t.linear || time < (other == mine ? w.warps[mine].clock : w.warps[mine].known[other]);
}

constexpr size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static void shared_access(Worker &w, const Thread &t, size_t first, size_t bytes, Access kind, const char *where, size_t offset) {
	for (size_t i = first / 4; i <= (first + bytes - 1) / 4; i++) {
		Word &word = w.words[i];
		size_t from = i * 4 < first ? first - i * 4 : 0, to = i * 4 + 4 > first + bytes ? first + bytes - i * 4 : 4;
		uint8_t mask = (1 << to) - (1 << from);
		if (word.block != w.blocks) {
			word = {};
			word.block = w.blocks;
		}
		auto complain = [&](const char *does, unsigned thread, const char *did) {
			fail("%s byte %zu of %s shared memory, which thread %u %s, with no barrier between", does, offset + i * 4 + from - first, where,
				thread, did);
		};
		uint32_t now = w.warps[t.linear / warp_lanes].clock;
		bool raced = word.writer_mask & mask && !done_before(w, t, word.writer, word.written_at) &&
			!(kind == updates && word.updated);
		if (kind == reads) {
			if (raced)
				complain("reads", word.writer, "writes");
			if ((word.written & mask) != mask)
				fail("reads byte %zu of %s shared memory, which nobody has written", offset + i * 4 + from - first, where);
			word.reader = t.linear;
			word.read_at = now;
			word.reader_mask = mask;
			continue;
		}
		if (raced && word.writer / warp_lanes != t.linear / warp_lanes) // in one warp, one wins
			complain("writes", word.writer, "writes");
		if (word.reader_mask & mask && !done_before(w, t, word.reader, word.read_at))
			complain("writes", word.reader, "reads");
		word.writer = t.linear;
		word.updated = kind == updates;
		word.written_at = now;
		word.writer_mask = mask;
		word.reader_mask &= ~mask;
		word.written = kind != begins ? word.written | mask : word.written & ~mask;
	}
}

// Blocks of a launch run in any order, at the same time or not: what one writes no other may read or write, unless they
// tell each other by atomic operations. A word of history has, from the top: the launch, 20 bits; the block that wrote and
// the one that read, plus 1, 20 bits each, or `several`; and a bit for every byte that was written.
constexpr unsigned block_bits = 20;
constexpr uint64_t several = (1 << block_bits) - 1;

static void history_access(Worker &w, std::atomic<uint64_t> *words, uintptr_t base, uintptr_t at, size_t bytes, Access kind) {
	Launch &l = *w.launch;
	if (kind == updates)
		l.updates = true;
	if (l.updates)
		return;
	auto complain = [&](const char *does, uint64_t block, const char *did) {
		std::string who = block == several ? "several others" : "block " + std::to_string(block - 1);
		fail("%s byte %zu of an allocation, which %s of this launch %s too", does, size_t(at - base), who.c_str(), did);
	};
	constexpr unsigned reader_at = 4, writer_at = reader_at + block_bits, launch_at = writer_at + block_bits;
	uint64_t now = l.number << launch_at, mine = 1 + w.number % (several - 1);
	for (uintptr_t i = at / 4; i <= (at + bytes - 1) / 4; i++) {
		size_t from = i * 4 < at ? at - i * 4 : 0, to = i * 4 + 4 > at + bytes ? at + bytes - i * 4 : 4;
		uint64_t mask = (1 << to) - (1 << from);
		auto &word = words[i - base / 4];
		uint64_t h = word.load(std::memory_order_relaxed);
		if (h >> launch_at << launch_at != now)
			h = now;
		uint64_t writer = h >> writer_at & several, reader = h >> reader_at & several, written = h & 15;
		if (writer && writer != mine && writer != several && written & mask)
			complain(kind == reads ? "reads" : "writes", writer, "writes");
		if (kind == reads) {
			reader = reader && reader != mine ? several : mine;
		} else {
			if (reader && reader != mine)
				complain("writes", reader, "reads");
			writer = writer && writer != mine ? several : mine; // of other bytes
			written |= mask;
		}
		word.store(now | writer << writer_at | reader << reader_at | written, std::memory_order_relaxed);
	}
}

static void slow_access(Worker &w, const Thread &t, const void *p, size_t bytes, size_t alignment, Access kind, const void *code) {
	auto at = reinterpret_cast<uintptr_t>(p);
	if (bytes == 0 || (at - library_from < library_to - library_from && kind == reads))
		return;
	w.code = code;
	if (at & (alignment - 1))
		fail("%s %zu bytes at %#zx, which is not a multiple of %zu", kind == reads ? "reads" : "writes", bytes, size_t(at), alignment);
	auto in = [&](const void *from, size_t size) {
		size_t offset = at - reinterpret_cast<uintptr_t>(from);
		return offset < size && bytes <= size - offset;
	};
	uintptr_t from, to;
	History *history;
	if (in(w.block.shared, w.block.shared_bytes)) {
		size_t offset = static_cast<const char *>(p) - static_cast<char *>(w.block.shared);
		shared_access(w, t, round_up(w.statics_bytes, 4) + offset, bytes, kind, "dynamic", offset);
	} else if (in(w.statics, w.statics_bytes)) {
		size_t offset = static_cast<const char *>(p) - w.statics;
		shared_access(w, t, offset, bytes, kind, "static", offset);
	} else if (allocation(at, &from, &to, &history) && bytes <= to - at) {
		if (t.early && (kind != reads || history->words))
			fail("%s byte %zu of an allocation of %zu bytes before it has awaited the launch before", kind == reads ? "reads" : "writes",
				size_t(at - from), size_t(to - from));
		if (t.early)
			return;
		if (kind != reads && !history->words)
			begin(*history, to - from);
		auto words = history->words.load();
		w.recent[at >> recent_shift & (recents - 1)] = {from, to, words};
		if (words)
			history_access(w, words, from, at, bytes, kind);
	} else if (!in(w.launch->args, w.launch->kernel->args)) {
		fail("%s", describe_fault(w, at, true, kind != reads).c_str());
	}
}

// Most accesses are to stacks, and to the allocation that was found for an address nearby.
inline void fast_access(const void *p, size_t bytes, size_t alignment, Access kind, const void *code) {
	auto at = reinterpret_cast<uintptr_t>(p);
	if (at - stacks < max_workers * max_threads * stack_bytes)
		return;
	const Thread &t = self();
	Worker &w = *t.worker;
	auto &r = w.recent[at >> recent_shift & (recents - 1)];
	if (at >= r.from && at + bytes <= r.to && !(at & (alignment - 1)) && !t.early) {
		if (r.history) {
			w.code = code;
			return history_access(w, r.history, r.from, at, bytes, kind);
		}
		if (kind == reads)
			return;
	}
	slow_access(w, t, p, bytes, alignment, kind, code);
}

void access(const void *p, size_t bytes, size_t alignment, Access kind, const void *code) {
	fast_access(p, bytes, alignment, kind, code);
}

} // namespace emulator

// What compilers call with -fsanitize=thread, for plain and for volatile accesses. Functions of that name for unaligned
// accesses are called where the type says that alignment is 1.
#define HOOK extern "C" __attribute__((visibility("hidden"))) void
#define CODE __builtin_return_address(0)
#define ACCESSES(n) \
	HOOK __tsan_read##n(void *p) { emulator::fast_access(p, n, n, emulator::reads, CODE); } \
	HOOK __tsan_write##n(void *p) { emulator::fast_access(p, n, n, emulator::writes, CODE); } \
	HOOK __tsan_volatile_read##n(void *p) { emulator::fast_access(p, n, n, emulator::reads, CODE); } \
	HOOK __tsan_volatile_write##n(void *p) { emulator::fast_access(p, n, n, emulator::writes, CODE); } \
	HOOK __tsan_unaligned_read##n(void *p) { emulator::fast_access(p, n, 1, emulator::reads, CODE); } \
	HOOK __tsan_unaligned_write##n(void *p) { emulator::fast_access(p, n, 1, emulator::writes, CODE); } \
	HOOK __tsan_unaligned_volatile_read##n(void *p) { emulator::fast_access(p, n, 1, emulator::reads, CODE); } \
	HOOK __tsan_unaligned_volatile_write##n(void *p) { emulator::fast_access(p, n, 1, emulator::writes, CODE); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
HOOK __tsan_read_range(void *p, size_t n) { emulator::fast_access(p, n, 1, emulator::reads, CODE); }
HOOK __tsan_write_range(void *p, size_t n) { emulator::fast_access(p, n, 1, emulator::writes, CODE); }
HOOK __tsan_init() {}
HOOK __tsan_func_entry(void *) {}
HOOK __tsan_func_exit() {}
extern "C" __attribute__((visibility("hidden"))) void *__tsan_memcpy(void *to, const void *from, size_t n) {
	emulator::fast_access(from, n, 1, emulator::reads, CODE);
	emulator::fast_access(to, n, 1, emulator::writes, CODE);
	return memcpy(to, from, n);
}
extern "C" __attribute__((visibility("hidden"))) void *__tsan_memset(void *to, int value, size_t n) {
	emulator::fast_access(to, n, 1, emulator::writes, CODE);
	return memset(to, value, n);
}
extern "C" __attribute__((visibility("hidden"))) void *__tsan_memmove(void *to, const void *from, size_t n) {
	emulator::fast_access(from, n, 1, emulator::reads, CODE);
	emulator::fast_access(to, n, 1, emulator::writes, CODE);
	return memmove(to, from, n);
}
