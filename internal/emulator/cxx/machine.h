// What the parts of the core share: workers, launches, memory.
#pragma once
#include "core.h"

#include <atomic>
#include <string>
#include <vector>

namespace emulator {

constexpr unsigned max_workers = 16, recents = 64, recent_shift = 12;

// Lanes that meet for a collective operation.
struct Group {
	const char *what;
	uint32_t mask, arrived;
	void *operands[warp_lanes];
};

// A warp's clock counts the collective operations and barriers that it has been through; known has the times of other
// warps up to which it knows, by barriers, that all is done.
struct Warp {
	uint32_t exists, ready;
	uint32_t clock, known[max_warps];
	unsigned groups;
	Group group[warp_lanes];
};

struct Barrier {
	unsigned count, arrived;
	uint32_t lanes[max_warps], waiting[max_warps];
	uint32_t known[max_warps]; // by those that arrived, together
};

// What was done to a word of shared memory last, by whom and when. Masks are of its bytes.
struct Word {
	uint32_t block; // of what this tells
	uint8_t written, writer_mask, reader_mask;
	bool updated; // by its writer
	uint16_t writer, reader;
	uint32_t written_at, read_at;
};

struct Launch {
	const Kernel *kernel;
	const void *args;
	Block shape; // index unused
	uint64_t seed;
	uint64_t blocks;
	std::atomic<uint64_t> next, done;
	std::atomic<bool> failed;
	uint64_t number;
	std::atomic<bool> updates; // memory atomically, so that blocks may know of each other
	std::atomic<bool> awaited; // by a thread at least, so that this launch ends after that before
	std::string error; // the first

	void report(Worker &w, const Thread *t, const char *text);
	Dim block(uint64_t i) const;
};

// A worker is an OS thread that runs blocks, one after another.
struct Worker {
	Launch *launch;
	Block block;
	Thread *first; // of max_threads
	Warp warps[max_warps];
	Barrier barriers[max_barriers];
	uint32_t ready_warps;
	unsigned warp;   // of the thread that ran last
	unsigned alive;  // threads that have not ended
	unsigned yields; // since anything happened
	uint32_t blocks; // so far
	uint64_t number; // of the block in its launch
	uint64_t generator, serial;
	const void *code; // of the last access to memory, or null
	struct {
		uintptr_t from, to;
		std::atomic<uint64_t> *history; // or null, if it is only read
	} recent[recents];       // allocations that were used, by bits of an address
	std::vector<Word> words; // of static and dynamic shared memory
	void *home; // the worker's own stack
	char *shared;  // max_shared bytes, of which a launch can use the last
	char *statics; // shared memory that is allocated statically
	size_t statics_bytes;

	uint32_t draw();
	void ready(unsigned warp, uint32_t lanes);
	void go_on(void **save);
	void run_block(Dim index);
	[[noreturn]] void abandon();
	[[noreturn]] void deadlock();

	void prepare(); // on the worker's OS thread, once
	void reserve(); // shared memory, before each launch
	void poison();  // shared memory, before each block
};

// catch_faults makes faults of kernels errors of their launches.
void catch_faults();

// describe_fault says what is at an address that w faulted at; known tells whether the processor told the address.
std::string describe_fault(const Worker &w, uintptr_t at, bool known, bool write);

// Device memory: zeroed, aligned to 16 bytes, its end at a guard page.
char *allocate(size_t bytes);
bool release(char *p);
bool valid(const void *p, size_t bytes);

// What blocks have done to the words of an allocation: null until a kernel has written to it. A word of history has the
// number of a launch, and of the blocks that wrote and read in it (see shadow.cc).
struct History {
	std::atomic<std::atomic<uint64_t> *> words{nullptr};
};

// allocation gives the bounds and the history of the one that p is in. It is false if there is none.
bool allocation(uintptr_t p, uintptr_t *from, uintptr_t *to, History **history);

// begin makes the words of a history.
void begin(History &h, size_t bytes);

// The addresses of this library.
extern uintptr_t library_from, library_to;

// check_allocations tells of bytes written between an allocation's end and the guard page, or is empty.
std::string check_allocations();

// reserve_stacks reserves addresses for the stacks of all threads of all workers, and sets `stacks`; open_stacks makes
// usable those of one worker.
void reserve_stacks();
void open_stacks(unsigned first);

constexpr size_t max_shared = size_t(228) << 10;

} // namespace emulator
