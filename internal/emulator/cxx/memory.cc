// Device memory, shared memory, and what happens outside of them.
#include "machine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

namespace emulator {

static size_t page() {
	static const size_t bytes = sysconf(_SC_PAGESIZE);
	return bytes;
}

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// guarded maps bytes that end within `alignment` of a guard page; another lies before them.
static char *guarded(size_t bytes, size_t alignment, char **base, size_t *mapped) {
	size_t inner = round_up(bytes ? bytes : 1, page());
	*mapped = inner + 2 * page();
	void *p = mmap(nullptr, *mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return nullptr;
	*base = static_cast<char *>(p);
	if (mprotect(*base + page(), inner, PROT_READ | PROT_WRITE)) {
		munmap(p, *mapped);
		return nullptr;
	}
	return *base + page() + inner - round_up(bytes, alignment);
}

// An allocation's end is at a guard page, but for fewer than 16 bytes; those hold canary bytes.
struct Allocation {
	size_t bytes;
	char *base;
	size_t mapped;
	History *history;
};
constexpr size_t allocation_alignment = 16;
constexpr unsigned char canary = 0xA7;

static std::map<uintptr_t, Allocation> allocations; // by address

static size_t slack(size_t bytes) { return round_up(bytes, allocation_alignment) - bytes; }

static bool intact(const char *end, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (static_cast<unsigned char>(end[i]) != canary)
			return false;
	return true;
}

std::string check_allocations() {
	for (auto &[at, a] : allocations) {
		char *end = reinterpret_cast<char *>(at) + a.bytes;
		if (!intact(end, slack(a.bytes))) {
			memset(end, canary, slack(a.bytes));
			char text[128];
			snprintf(text, sizeof text, "wrote behind the end of the allocation of %zu bytes at %#zx", a.bytes, size_t(at));
			return text;
		}
	}
	return "";
}

static const std::pair<const uintptr_t, Allocation> *allocation(uintptr_t p) {
	auto i = allocations.upper_bound(p);
	if (i == allocations.begin())
		return nullptr;
	return &*--i;
}

static bool allocated(uintptr_t p, size_t bytes) {
	auto a = allocation(p);
	return a && p - a->first <= a->second.bytes && bytes <= a->second.bytes - (p - a->first);
}

static bool inside(uintptr_t p, size_t bytes, const void *from, size_t size) {
	auto at = reinterpret_cast<uintptr_t>(from);
	return p >= at && p - at <= size && bytes <= size - (p - at);
}

bool is_shared(const void *p) {
	const Worker &w = *self().worker;
	auto at = reinterpret_cast<uintptr_t>(p);
	return inside(at, 1, w.block.shared, w.block.shared_bytes) || inside(at, 1, w.statics, w.statics_bytes);
}

bool allocation(uintptr_t p, uintptr_t *from, uintptr_t *to, History **history) {
	auto a = allocation(p);
	if (!a || p - a->first >= a->second.bytes)
		return false;
	*from = a->first;
	*to = a->first + a->second.bytes;
	*history = a->second.history;
	return true;
}

std::string describe_fault(const Worker &w, uintptr_t at, bool known, bool write) {
	char text[256];
	const char *verb = write ? "writes" : "touches";
	if (!known) {
		snprintf(text, sizeof text, "uses an address that no memory has, or one that is not aligned");
		return text;
	}
	if (at >= stacks && at < stacks + max_workers * max_threads * stack_bytes) {
		snprintf(text, sizeof text, "fills its stack of %zu KiB: too many local variables", stack_bytes >> 10);
		return text;
	}
	auto near = [&](uintptr_t from, size_t bytes) { return at + page() >= from && at < from + bytes + page(); };
	auto offset = [&](const char *what, uintptr_t from, size_t bytes) {
		snprintf(text, sizeof text, "%s byte %lld of %s of %zu bytes", verb, (long long)(at - from), what, bytes);
	};
	auto shared = reinterpret_cast<uintptr_t>(w.block.shared);
	auto a = allocation(at + page());
	if (near(shared, w.block.shared_bytes))
		offset("dynamic shared memory", shared, w.block.shared_bytes);
	else if (auto b = allocation(at); b && near(b->first, b->second.bytes))
		offset("an allocation", b->first, b->second.bytes);
	else if (a && near(a->first, a->second.bytes))
		offset("an allocation", a->first, a->second.bytes);
	else
		snprintf(text, sizeof text, "%s %#zx, which is in no allocation", verb, size_t(at));
	return text;
}

// A fault of a kernel becomes an error of the launch: the handler rewrites where the thread goes on. Faults of other
// threads are handed to whom they would have gone to.
static struct sigaction segv_before, bus_before;

static void leave(Worker *w) { w->abandon(); }

static void on_fault(int signal, siginfo_t *info, void *context) {
	auto &m = static_cast<ucontext_t *>(context)->uc_mcontext;
#if defined(__x86_64__)
	auto &pc = m.gregs[REG_RIP], &sp = m.gregs[REG_RSP], &argument = m.gregs[REG_RDI];
	bool write = m.gregs[REG_ERR] & 2;
	constexpr size_t call = sizeof(void *); // what a call leaves on the stack
#else
	auto &pc = m.pc, &sp = m.sp, &argument = m.regs[0];
	bool write = false; // not told
	constexpr size_t call = 0;
#endif
	size_t number = (uintptr_t(sp) - stacks) >> stack_shift;
	if (number >= max_workers * max_threads) {
		auto &before = signal == SIGBUS ? bus_before : segv_before;
		if (before.sa_flags & SA_SIGINFO)
			before.sa_sigaction(signal, info, context);
		else
			::signal(signal, SIG_DFL);
		return;
	}
	Thread &t = threads[number];
	bool known = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
	auto at = reinterpret_cast<uintptr_t>(info->si_addr);
	t.worker->launch->report(*t.worker, &t, describe_fault(*t.worker, at, known, write).c_str());
	pc = reinterpret_cast<uintptr_t>(leave);
	sp = stacks + (number + 1) * stack_bytes - 64 - call;
	argument = reinterpret_cast<uintptr_t>(t.worker);
}

void catch_faults() {
	struct sigaction action = {};
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigfillset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &segv_before);
	sigaction(SIGBUS, &action, &bus_before);
}

// Statically allocated shared memory is thread storage of this library, all of it but this byte.
static thread_local volatile char anchor;
uintptr_t library_from, library_to;

static int find_statics(dl_phdr_info *info, size_t, void *worker) {
	bool here = false;
	size_t bytes = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		auto &h = info->dlpi_phdr[i];
		auto at = reinterpret_cast<void *>(info->dlpi_addr + h.p_vaddr);
		if (h.p_type == PT_LOAD && inside(reinterpret_cast<uintptr_t>(threads), 1, at, h.p_memsz))
			here = true;
		if (h.p_type == PT_TLS)
			bytes = h.p_memsz;
	}
	if (here) {
		library_from = library_to = info->dlpi_addr;
		for (int i = 0; i < info->dlpi_phnum; i++)
			if (auto &h = info->dlpi_phdr[i]; h.p_type == PT_LOAD)
				library_to = std::max(library_to, uintptr_t(info->dlpi_addr + h.p_vaddr + h.p_memsz));
		auto w = static_cast<Worker *>(worker);
		w->statics = static_cast<char *>(info->dlpi_tls_data);
		w->statics_bytes = bytes;
	}
	return here;
}

void Worker::prepare() {
	anchor = 0; // so that the storage exists
	dl_iterate_phdr(find_statics, this);
	stack_t alternate = {};
	alternate.ss_size = 64 << 10;
	alternate.ss_sp = new char[alternate.ss_size];
	sigaltstack(&alternate, nullptr);
	char *base;
	size_t mapped;
	shared = guarded(max_shared, page(), &base, &mapped);
	words.resize((statics_bytes + 3) / 4 + max_shared / 4);
}

// reserve makes the shared memory of a launch end at a guard page, and begin near one.
void Worker::reserve() {
	size_t pages = round_up(block.shared_bytes, page());
	mprotect(shared, max_shared - pages, PROT_NONE);
	mprotect(shared + max_shared - pages, pages, PROT_READ | PROT_WRITE);
	memset(recent, 0, sizeof recent);
	block.shared = shared + max_shared - round_up(block.shared_bytes, allocation_alignment);
}

// Floats read from poison are NaN or huge, indices are wild.
void Worker::poison() {
	static const unsigned char patterns[] = {0xFF, 0x7F, 0xCB, 0x55};
	int pattern = patterns[draw() % 4];
	memset(block.shared, pattern, round_up(block.shared_bytes, allocation_alignment));
	memset(statics, pattern, statics_bytes);
}

static size_t history_bytes(size_t bytes) { return (bytes / 4 + 2) * sizeof(uint64_t); } // an address need not be a multiple of 4

void begin(History &h, size_t bytes) {
	static std::mutex one;
	std::lock_guard<std::mutex> lock(one);
	if (h.words)
		return;
	void *p = mmap(nullptr, history_bytes(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fail("no memory for the history of an allocation of %zu bytes", bytes);
	h.words = static_cast<std::atomic<uint64_t> *>(p);
}

char *allocate(size_t bytes) {
	Allocation a = {bytes, nullptr, 0, nullptr};
	char *p = guarded(bytes, allocation_alignment, &a.base, &a.mapped);
	if (p) {
		memset(p + bytes, canary, slack(bytes));
		a.history = new History();
		allocations[reinterpret_cast<uintptr_t>(p)] = a;
	}
	return p;
}

bool release(char *p) {
	auto i = allocations.find(reinterpret_cast<uintptr_t>(p));
	if (i == allocations.end())
		return false;
	munmap(i->second.base, i->second.mapped);
	if (auto words = i->second.history->words.load())
		munmap(words, history_bytes(i->second.bytes));
	delete i->second.history;
	allocations.erase(i);
	return true;
}

void reserve_stacks() {
	size_t bytes = max_workers * max_threads * stack_bytes;
	void *p = mmap(nullptr, bytes + stack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	stacks = p == MAP_FAILED ? 0 : round_up(reinterpret_cast<uintptr_t>(p), stack_bytes);
}

// Each stack's lowest page is its guard.
void open_stacks(unsigned first) {
	for (unsigned i = first; i < first + max_threads; i++)
		mprotect(reinterpret_cast<char *>(stacks + i * stack_bytes) + page(), stack_bytes - page(), PROT_READ | PROT_WRITE);
}

bool valid(const void *p, size_t bytes) { return allocated(reinterpret_cast<uintptr_t>(p), bytes); }

} // namespace emulator
