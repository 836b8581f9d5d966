// Workers, launches, and the functions that tests call.
#include "machine.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <signal.h>
#include <thread>

namespace emulator {

static std::mutex turn;  // held by each exported function: one at a time
static std::mutex mutex; // of all below
static std::condition_variable work, rest;
static Launch *current;
static uint64_t round; // counts launches
static unsigned workers, busy;
static Worker crew[max_workers]; // inside of the library, where kernels may read

constexpr size_t max_args = 4096 + 256; // CUDA's, and as much with a list of buffers
constexpr auto patience = std::chrono::minutes(3); // for a block; mostly it takes milliseconds

static std::string place(const Worker &w, const Thread *t) {
	const Block &b = w.block;
	char text[192];
	int n = snprintf(text, sizeof text, "%s, block %u,%u,%u of %u,%u,%u", w.launch->kernel->name, b.index.x, b.index.y, b.index.z,
		b.grid.x, b.grid.y, b.grid.z);
	if (t)
		snprintf(text + n, sizeof text - n, ", thread %u of %u", t->linear, b.threads);
	return text;
}

void Launch::report(Worker &w, const Thread *t, const char *text) {
	static std::mutex first;
	std::lock_guard<std::mutex> lock(first);
	if (!failed) {
		error = place(w, t) + ": " + text;
		if (w.code) { // for the caller to translate
			char at[32];
			snprintf(at, sizeof at, " [%#zx]", size_t(reinterpret_cast<uintptr_t>(w.code) - library_from - 1));
			error += at;
		}
		failed = true;
	}
}

// Blocks run in the order of a linear congruential generator of full period (Hull and Dobell, 1962) over the next power
// of two.
static uint64_t shuffled(uint64_t i, uint64_t count, uint64_t seed) {
	uint64_t period = 1;
	while (period < count)
		period *= 2;
	do
		i = (i * 4 * (seed % 64) + i + (seed | 1)) % period;
	while (i >= count);
	return i;
}

static void run_blocks(Worker &w, Launch &l) {
	w.launch = &l;
	w.block = l.shape;
	w.reserve();
	for (uint64_t i; !l.failed && (i = l.next++) < l.blocks; l.done++) {
		uint64_t n = shuffled(i, l.blocks, l.seed), x = l.shape.grid.x, y = l.shape.grid.y;
		w.number = n;
		w.run_block({unsigned(n % x), unsigned(n / x % y), unsigned(n / x / y)});
	}
}

static void serve(Worker *w) {
	w->prepare();
	std::unique_lock<std::mutex> lock(mutex);
	for (uint64_t seen = 0;;) {
		work.wait(lock, [&] { return current && round != seen; });
		seen = round;
		Launch *l = current;
		busy++;
		lock.unlock();
		run_blocks(*w, *l);
		lock.lock();
		if (--busy == 0)
			rest.notify_all();
	}
}

} // namespace emulator

using namespace emulator;

static void tell(char *error, size_t bytes, const std::string &text) { snprintf(error, bytes, "%s", text.c_str()); }

#define EXPORT extern "C" __attribute__((visibility("default")))

// emulator_start starts workers, once; it is false when there is no memory for their stacks.
EXPORT bool emulator_start(unsigned count) {
	std::lock_guard<std::mutex> lock(turn);
	if (workers)
		return true;
	reserve_stacks();
	if (!stacks)
		return false;
	catch_faults();
	sigset_t all, before;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before); // signals are for the test's own threads
	workers = count < 1 ? 1 : count > max_workers ? max_workers : count;
	for (unsigned i = 0; i < workers; i++) {
		Worker *w = &crew[i];
		w->first = threads + i * max_threads;
		open_stacks(i * max_threads);
		std::thread(serve, w).detach();
	}
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
	return true;
}

EXPORT void *emulator_allocate(size_t bytes) {
	std::lock_guard<std::mutex> lock(turn);
	return allocate(bytes);
}

EXPORT bool emulator_release(char *p) {
	std::lock_guard<std::mutex> lock(turn);
	return release(p);
}

// emulator_copy copies to (upload) or from (download) an allocation; it is false when that is too small.
EXPORT bool emulator_copy(void *dst, const void *src, size_t bytes, bool upload) {
	std::lock_guard<std::mutex> lock(turn);
	if (!valid(upload ? dst : src, bytes))
		return false;
	memcpy(dst, src, bytes);
	return true;
}

// emulator_launch runs a kernel of the table, and waits for its end. The first error goes to `error`, else that is "".
EXPORT void emulator_launch(size_t kernel, const unsigned *grid, const unsigned *size, size_t shared, const void *args, size_t bytes,
	uint64_t seed, char *error, size_t error_bytes) {
	std::lock_guard<std::mutex> lock(turn);
	*error = 0;
	const Kernel &k = kernels[kernel];
	alignas(16) char copy[max_args];
	Launch l{&k, copy, {}, seed, 0, {0}, {0}, {false}, 0, {false}, {false}, ""};
	l.shape.grid = {grid[0], grid[1], grid[2]};
	l.shape.size = {size[0], size[1], size[2]};
	l.shape.shared_bytes = shared;
	l.blocks = uint64_t(grid[0]) * grid[1] * grid[2];
	uint64_t threads = uint64_t(size[0]) * size[1] * size[2];
	l.shape.threads = threads;
	unsigned limit = k.limit ? k.limit : max_threads;
	char text[160] = "";
	if (bytes != k.args || bytes > max_args)
		snprintf(text, sizeof text, "%s: its parameter has %zu bytes, not %zu", k.name, k.args, bytes);
	else if (!l.blocks || grid[0] > 0x7FFFFFFF || grid[1] > 65535 || grid[2] > 65535)
		snprintf(text, sizeof text, "%s: grid of %u,%u,%u", k.name, grid[0], grid[1], grid[2]);
	else if (!threads || threads > limit)
		snprintf(text, sizeof text, "%s: block of %llu threads, of at most %u", k.name, (unsigned long long)threads, limit);
	else if (shared > max_shared)
		snprintf(text, sizeof text, "%s: %zu bytes of shared memory, of at most %zu", k.name, shared, max_shared);
	if (*text)
		return tell(error, error_bytes, text);

	memcpy(copy, args, bytes);
	std::unique_lock<std::mutex> handshake(mutex);
	current = &l;
	l.number = ++round;
	work.notify_all();
	for (uint64_t before = 0; !rest.wait_for(handshake, patience, [&] { return !busy && (l.failed || l.done == l.blocks); });) {
		if (l.done != before) {
			before = l.done;
			continue;
		}
		for (unsigned i = 0; i < workers; i++)
			if (crew[i].launch == &l)
				fprintf(stderr, "emulator: %s: does not end\n", place(crew[i], nullptr).c_str());
		abort();
	}
	current = nullptr;
	std::string after = l.failed ? l.error : check_allocations();
	if (after.empty() && k.early && !l.awaited)
		after = "no thread awaits the launch before, so that those behind may run before that has ended";
	if (!after.empty())
		tell(error, error_bytes, l.failed ? after : std::string(k.name) + ": " + after);
}

// The table of kernels, and of the fields of their parameters.
EXPORT size_t emulator_kernels() { return kernel_count; }
EXPORT const char *emulator_kernel(size_t kernel) { return kernels[kernel].name; }
EXPORT size_t emulator_args(size_t kernel) { return kernels[kernel].args; }
EXPORT size_t emulator_fields(size_t kernel) { return kernels[kernel].count; }
EXPORT const char *emulator_field(size_t kernel, size_t field, uint32_t *offset, uint32_t *bytes) {
	const Field &f = kernels[kernel].fields[field];
	*offset = f.offset;
	*bytes = f.bytes;
	return f.name;
}
