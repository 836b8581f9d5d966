// NVIDIA's driver over the emulator: as much of it as package cuda uses, so that its calls of the driver are tested too.
// It is strict: what a driver may leave undefined is an error. Work on a stream is done when something waits for it, as
// late as a driver might.
#include "../../../internal/emulator/cxx/core.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

extern "C" {
bool emulator_start(unsigned count);
char *emulator_allocate(size_t bytes);
bool emulator_release(char *p);
bool emulator_copy(void *dst, const void *src, size_t bytes, bool upload);
void emulator_launch(size_t kernel, const unsigned *grid, const unsigned *size, size_t shared, const void *args, size_t bytes,
	uint64_t seed, char *error, size_t error_bytes);
}

// Codes of the driver (CUresult).
enum Result {
	success = 0,
	invalid_value = 1,
	out_of_memory = 2,
	invalid_device = 101,
	invalid_context = 201,
	invalid_ptx = 218,
	invalid_handle = 400,
	not_found = 500,
	illegal_address = 700,
	capture_unsupported = 900,
};

namespace {

constexpr size_t memory = size_t(1) << 30;
constexpr int max_block_shared = 227 << 10, default_shared = 48 << 10;

struct Kernel {
	size_t number, args;
	size_t threads; // of a block at most, by the PTX
	size_t shared = default_shared;
};
struct Launch {
	Kernel *kernel;
	unsigned grid[3], block[3];
	size_t shared;
	std::vector<char> args;
};
using Graph = std::vector<Launch>;
struct Stream {
	bool capturing = false;
	Graph graph;
	std::vector<std::function<Result()>> queue;
};

int context;
thread_local void *current;
std::set<Stream *> streams;
std::map<uint64_t, size_t> device_memory, host_memory;
size_t used;
std::string ptx;
std::map<std::string, std::unique_ptr<Kernel>> functions;
Result broken; // by a kernel: every call fails from then on
uint64_t seed;

Result complain(Result code, const char *function, const char *what) {
	fprintf(stderr, "emulated driver: %s: %s\n", function, what);
	return code;
}

Result copied(const char *function, bool inside) {
	return inside ? success : complain(invalid_value, function, "outside of an allocation");
}

Result flush(Stream &s) {
	for (auto &work : s.queue)
		if (broken == success)
			broken = work();
	s.queue.clear();
	return broken;
}

Result run(const Launch &l) {
	char error[1024];
	emulator_launch(l.kernel->number, l.grid, l.block, l.shared, l.args.data(), l.args.size(), seed++, error, sizeof error);
	return *error ? complain(illegal_address, "cuLaunchKernelEx", error) : success;
}

// entry finds a kernel in the PTX: the bytes of its parameter, and the threads that a block may have.
bool entry(const char *name, size_t *args, size_t *threads) {
	size_t at = ptx.find(std::string(".visible .entry ") + name + "(");
	if (at == std::string::npos)
		return false;
	size_t size = ptx.find('[', at), body = ptx.find('{', at), most = ptx.find(".maxntid ", at);
	*args = strtoul(&ptx[size + 1], nullptr, 10);
	*threads = most < body ? strtoul(&ptx[most + 9], nullptr, 10) : emulator::max_threads;
	return true;
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) Result
#define NEEDS_CONTEXT \
	if (current != &context) \
		return complain(invalid_context, __func__, "no context"); \
	if (broken) \
		return broken
#define NEEDS_STREAM(s) \
	NEEDS_CONTEXT; \
	if (!streams.count(s)) \
		return complain(invalid_handle, __func__, "no stream"); \
	if (s->capturing) \
		return complain(capture_unsupported, __func__, "while a graph is captured")

EXPORT cuInit(unsigned flags) { return flags == 0 && emulator_start(2) ? success : invalid_value; }
EXPORT cuDriverGetVersion(int *version) { return *version = 12080, success; }
EXPORT cuGetErrorName(Result, const char **name) { return *name = "CUDA_ERROR", success; }
EXPORT cuGetErrorString(Result, const char **text) { return *text = "see the emulated driver's message", success; }

EXPORT cuDeviceGetCount(int *count) { return *count = 1, success; }
EXPORT cuDeviceGet(int *device, int number) { return *device = number, number == 0 ? success : invalid_device; }
EXPORT cuDeviceGetName(char *name, int size, int) { return snprintf(name, size, "Emulated GPU"), success; }
EXPORT cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = memory, success; }
EXPORT cuDeviceGetAttribute(int *value, int attribute, int) {
	static const std::map<int, int> attributes = {{16, 132}, {38, 50 << 20}, {75, 9}, {76, 0}, {97, max_block_shared}};
	auto a = attributes.find(attribute);
	if (a == attributes.end())
		return complain(invalid_value, __func__, "an attribute that it does not know");
	return *value = a->second, success;
}

EXPORT cuDevicePrimaryCtxRetain(void **c, int) { return *c = &context, success; }
EXPORT cuDevicePrimaryCtxRelease_v2(int) {
	if (broken) { // the next one is a fresh context
		broken = success;
		streams.clear();
		device_memory.clear();
		host_memory.clear();
		used = 0;
		return success;
	}
	bool empty = streams.empty() && device_memory.empty() && host_memory.empty();
	return empty ? success : complain(invalid_value, __func__, "something is left");
}
EXPORT cuCtxSetCurrent(void *c) { return current = c, c == &context ? success : invalid_context; }

EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
	NEEDS_CONTEXT;
	return *free = memory - used, *total = memory, success;
}
EXPORT cuMemAlloc_v2(uint64_t *p, size_t bytes) {
	NEEDS_CONTEXT;
	if (bytes == 0)
		return invalid_value;
	if (bytes > memory - used)
		return out_of_memory;
	char *at = emulator_allocate(bytes);
	memset(at, 0xA5, bytes); // not zero
	*p = reinterpret_cast<uint64_t>(at);
	device_memory[*p] = bytes;
	used += bytes;
	return success;
}
EXPORT cuMemFree_v2(uint64_t p) {
	NEEDS_CONTEXT;
	for (auto s : streams)
		flush(*s);
	auto m = device_memory.find(p);
	if (m == device_memory.end())
		return complain(invalid_value, __func__, "nothing is there");
	used -= m->second;
	device_memory.erase(m);
	return emulator_release(reinterpret_cast<char *>(p)) ? success : invalid_value;
}
EXPORT cuMemHostAlloc(void **p, size_t bytes, unsigned) {
	NEEDS_CONTEXT;
	*p = emulator_allocate(bytes);
	host_memory[reinterpret_cast<uint64_t>(*p)] = bytes;
	return success;
}
EXPORT cuMemFreeHost(void *p) {
	NEEDS_CONTEXT;
	for (auto s : streams)
		flush(*s);
	if (!host_memory.erase(reinterpret_cast<uint64_t>(p)))
		return complain(invalid_value, __func__, "nothing is there");
	return emulator_release(static_cast<char *>(p)) ? success : invalid_value;
}

EXPORT cuStreamCreate(Stream **s, unsigned) {
	NEEDS_CONTEXT;
	streams.insert(*s = new Stream());
	return success;
}
EXPORT cuStreamDestroy_v2(Stream *s) {
	NEEDS_STREAM(s);
	flush(*s);
	streams.erase(s);
	delete s;
	return broken;
}
EXPORT cuStreamSynchronize(Stream *s) {
	NEEDS_STREAM(s);
	return flush(*s);
}
EXPORT cuMemsetD8Async(uint64_t p, unsigned char value, size_t bytes, Stream *s) {
	NEEDS_STREAM(s);
	s->queue.push_back([=] {
		std::vector<char> all(bytes, value);
		return copied("cuMemsetD8Async", emulator_copy(reinterpret_cast<void *>(p), all.data(), bytes, true));
	});
	return success;
}
EXPORT cuMemcpyHtoDAsync_v2(uint64_t dst, const void *src, size_t bytes, Stream *s) {
	NEEDS_STREAM(s);
	s->queue.push_back([=] {
		return copied("cuMemcpyHtoDAsync", emulator_copy(reinterpret_cast<void *>(dst), src, bytes, true));
	});
	return success;
}
EXPORT cuMemcpyDtoHAsync_v2(void *dst, uint64_t src, size_t bytes, Stream *s) {
	NEEDS_STREAM(s);
	s->queue.push_back([=] {
		return copied("cuMemcpyDtoHAsync", emulator_copy(dst, reinterpret_cast<void *>(src), bytes, false));
	});
	return success;
}

EXPORT cuModuleLoadDataEx(void **module, const char *text, unsigned options, const int *, void **) {
	NEEDS_CONTEXT;
	if (options != 2 || strncmp(strstr(text, ".version") ?: "", ".version ", 9))
		return invalid_ptx;
	ptx = text;
	return *module = &ptx, success;
}
EXPORT cuModuleUnload(void *module) { return module == &ptx ? success : invalid_handle; }
EXPORT cuModuleGetFunction(Kernel **kernel, void *module, const char *name) {
	NEEDS_CONTEXT;
	auto &k = functions[name];
	for (size_t i = 0; !k && i < emulator::kernel_count; i++)
		if (!strcmp(emulator::kernels[i].name, name))
			k.reset(new Kernel{i, emulator::kernels[i].args, 0});
	size_t args = 0;
	if (module != &ptx || !k || !entry(name, &args, &k->threads))
		return complain(not_found, __func__, name);
	if (args != k->args)
		return complain(not_found, name, "its parameter in the PTX has another size: make ptx");
	return *kernel = k.get(), success;
}
EXPORT cuFuncSetAttribute(Kernel *kernel, int attribute, int value) {
	NEEDS_CONTEXT;
	constexpr int max_dynamic_shared = 8, carveout = 9; // a wish in percent
	if (attribute == carveout && value >= -1 && value <= 100)
		return success;
	if (attribute != max_dynamic_shared || value > max_block_shared)
		return complain(invalid_value, __func__, "another attribute, or too much shared memory");
	kernel->shared = value;
	return success;
}

// CUlaunchConfig and CUlaunchAttribute.
struct Attribute {
	int id, pad;
	union {
		char bytes[64];
		int programmatic;
	};
};
struct Config {
	unsigned grid[3], block[3], shared;
	Stream *stream;
	const Attribute *attributes;
	unsigned count;
};

EXPORT cuLaunchKernelEx(const Config *c, Kernel *kernel, void **parameters, void **extra) {
	NEEDS_CONTEXT;
	constexpr int programmatic_serialization = 6;
	if (!streams.count(c->stream) || extra)
		return complain(invalid_handle, __func__, "no stream, or extra parameters");
	for (unsigned i = 0; i < c->count; i++)
		if (c->attributes[i].id != programmatic_serialization || c->attributes[i].programmatic != 1)
			return complain(invalid_value, __func__, "an attribute that it does not know");
	if (c->shared > kernel->shared || c->block[0] * c->block[1] * c->block[2] > kernel->threads)
		return complain(invalid_value, __func__, "more shared memory or threads than the kernel may have");
	auto from = static_cast<const char *>(parameters[0]);
	Launch l{kernel, {}, {}, c->shared, {from, from + kernel->args}};
	std::copy(c->grid, c->grid + 3, l.grid);
	std::copy(c->block, c->block + 3, l.block);
	if (c->stream->capturing)
		c->stream->graph.push_back(l);
	else
		c->stream->queue.push_back([l] { return run(l); });
	return success;
}

EXPORT cuStreamBeginCapture_v2(Stream *s, int) {
	NEEDS_STREAM(s);
	s->capturing = true;
	s->graph.clear();
	return success;
}
EXPORT cuStreamEndCapture(Stream *s, Graph **graph) {
	NEEDS_CONTEXT;
	if (!streams.count(s) || !s->capturing)
		return complain(invalid_handle, __func__, "nothing is captured");
	s->capturing = false;
	return *graph = new Graph(s->graph), success;
}
EXPORT cuGraphInstantiateWithFlags(Graph **executable, const Graph *graph, unsigned long long flags) {
	NEEDS_CONTEXT;
	return *executable = new Graph(*graph), flags == 0 ? success : invalid_value;
}
EXPORT cuGraphDestroy(Graph *graph) { return delete graph, success; }
EXPORT cuGraphExecDestroy(Graph *graph) { return delete graph, success; }
EXPORT cuGraphLaunch(const Graph *graph, Stream *s) {
	NEEDS_STREAM(s);
	for (auto &l : *graph)
		s->queue.push_back([l] { return run(l); });
	return success;
}
