// The core of an emulator of GPU kernels: it runs the threads of thread blocks on the CPU, for tests. It knows no
// kernel language; a header per language (CUDA: cuda/emulator/cxx/cuda.h) builds the language's names on what is here.
//
// Each thread of a block is a fiber: a stack of its own, and a switch of a few instructions. A fiber runs until it
// waits: in a collective operation for the other lanes of its warp, or at a barrier for the threads of its block. Which
// fiber runs next is drawn from a generator with a seed, so that code that forgets to wait computes something else with
// another seed. When nobody can run, the emulator tells who waits where: what would hang a GPU is an error here.
//
// Blocks of a grid run in random order, as many at a time as there are workers (OS threads), each to its end.
//
// The first error of a launch ends it: misuse found here (fail), or a fault at one of the guard pages that surround
// allocations, shared memory and stacks.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

constexpr unsigned warp_lanes = 32, max_threads = 1024, max_warps = max_threads / warp_lanes, max_barriers = 16;

struct Dim {
	unsigned x = 1, y = 1, z = 1;
};

struct Worker;

// What a thread of the running block knows about itself.
struct Thread {
	Dim index;             // in its block
	unsigned linear, lane; // x fastest; lane of its warp
	Worker *worker;
	void *stack;           // stack pointer while it does not run
	const char *waits;     // for what, while it waits; "" when it has ended
	uint32_t detail;       // mask or count of what it waits for
	uint64_t serial;       // no other run of a thread has it
	bool early;            // the launch before may not have ended for it yet
};

// What all threads of a block share.
struct Block {
	Dim index, grid, size;
	unsigned threads;
	void *shared; // dynamic shared memory
	unsigned shared_bytes;
};

// Every stack begins at a multiple of stack_bytes from `stacks`, so a thread finds itself by its stack pointer.
constexpr unsigned stack_shift = 17;
constexpr size_t stack_bytes = size_t(1) << stack_shift;
extern uintptr_t stacks __attribute__((visibility("hidden")));
extern Thread threads[] __attribute__((visibility("hidden")));

inline Thread &self() {
	uintptr_t sp;
#if defined(__x86_64__)
	asm("mov %%rsp, %0" : "=r"(sp));
#elif defined(__aarch64__)
	asm("mov %0, sp" : "=r"(sp));
#else
#error "the emulator runs on x86-64 and arm64"
#endif
	return threads[(sp - stacks) >> stack_shift];
}

const Block &block();

// fail ends the launch with an error that names kernel, block and thread.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// collective joins the lanes of the calling thread's warp that mask names: each brings its operands, the last to come
// calls run, which sees the operands of all (lane i's at operands[i]), and then all go on. Lanes meet when what and
// mask are equal; what is a string constant.
void collective(const char *what, uint32_t mask, void *operands, void (*run)(void *const *operands, uint32_t mask));

// barrier number id opens when `count` threads have come, of whole warps. Those that do not wait go on at once.
void barrier(unsigned id, unsigned count, bool wait);

// await_before waits for the end of the launches before. Until then a thread of an early kernel may read nothing that a kernel
// has ever written, and write nothing.
void await_before();

// yield lets another thread of the block run: to be called wherever a thread looks whether another is done.
void yield();

// random is a number that the seed of the launch decides.
uint32_t random();

// access checks an access to memory before it is made; begins is one of which writes will be the end. The compiler calls it
// for plain loads and stores (shadow.cc). code is where in the program that is, if known.
enum Access { reads, writes, updates, begins }; // updates: atomically
void access(const void *p, size_t bytes, size_t alignment, Access kind, const void *code = nullptr);

// A function whose accesses the compiler does not check.
#ifdef __clang__
#define UNCHECKED __attribute__((noinline, disable_sanitizer_instrumentation))
#else
#define UNCHECKED __attribute__((noinline, no_sanitize("thread")))
#endif

// is_shared tells whether p lies in the block's shared memory.
bool is_shared(const void *p);

// A kernel, as the table that Go writes has it.
struct Field {
	const char *name;
	uint32_t offset, bytes;
};
struct Kernel {
	const char *name;
	void (*run)(const void *args);
	size_t args;            // bytes of the parameter
	unsigned limit;         // threads a block may have; 0: max_threads
	const Field *fields;    // of the parameter, by ascending offset; nested ones by their path
	size_t count;
	bool early;             // its threads begin before the launch before has ended: they have to await that
};
extern const Kernel kernels[];
extern const size_t kernel_count;

} // namespace emulator
