#include "core.h"
#include "machine.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace emulator {

uintptr_t stacks;
Thread threads[max_workers * max_threads];

// emulator_switch saves the registers that a call preserves on the running stack, notes the stack pointer, and goes on
// where another stack was left.
extern "C" void emulator_switch(void **save, void *load);

#if defined(__x86_64__)
constexpr unsigned saved_words = 6, resume_word = 6; // registers; then the return address
asm(R"(
	.text
	.globl emulator_switch
	.hidden emulator_switch
	.type emulator_switch, @function
emulator_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
)");
#else
constexpr unsigned saved_words = 20, resume_word = 11; // x30, to which ret returns, is the twelfth
asm(R"(
	.text
	.globl emulator_switch
	.hidden emulator_switch
	.type emulator_switch, @function
emulator_switch:
	stp x19, x20, [sp, #-160]!
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x2, sp
	str x2, [x0]
	mov sp, x1
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	ldp x19, x20, [sp], #160
	ret
)");
#endif

const Block &block() { return self().worker->block; }

// xorshift64* (Vigna, 2016).
uint32_t Worker::draw() {
	generator ^= generator >> 12;
	generator ^= generator << 25;
	generator ^= generator >> 27;
	return generator * 0x2545F4914F6CDD1D >> 32;
}

uint32_t random() { return self().worker->draw(); }

static unsigned pick(uint32_t set, uint32_t from) {
	from &= 31;
	uint32_t rotated = set >> from | set << (-from & 31);
	return (__builtin_ctz(rotated) + from) & 31;
}

void Worker::ready(unsigned warp, uint32_t lanes) {
	if (lanes) {
		warps[warp].ready |= lanes;
		ready_warps |= 1u << warp;
	}
}

// go_on runs a thread that is ready, the calling one perhaps; it returns when the calling thread is chosen again.
// It stays with a warp for some while: warps of a real device run in lockstep, and caches are warm.
void Worker::go_on(void **save) {
	if (!ready_warps) {
		if (alive)
			deadlock();
		emulator_switch(save, home);
		return;
	}
	uint32_t r = draw();
	if (!(ready_warps >> warp & 1) || (r & 0xF00) == 0)
		warp = pick(ready_warps, r);
	Warp &w = warps[warp];
	unsigned lane = pick(w.ready, r >> 16);
	w.ready &= ~(1u << lane);
	if (!w.ready)
		ready_warps &= ~(1u << warp);
	Thread &next = first[warp * warp_lanes + lane];
	next.waits = nullptr;
	if (&next.stack != save)
		emulator_switch(save, next.stack);
}

static void wait(Thread &t, const char *what, uint32_t detail) {
	t.waits = what;
	t.detail = detail;
	t.worker->go_on(&t.stack);
}

void await_before() {
	Thread &t = self();
	t.early = false;
	if (!t.worker->launch->awaited)
		t.worker->launch->awaited = true;
}

void yield() {
	Thread &t = self();
	Worker &w = *t.worker;
	if (++w.yields > 1u << 22)
		fail("spins: what it waits for does not happen");
	w.ready(t.linear / warp_lanes, 1u << t.lane);
	w.warp = pick(w.ready_warps, w.draw());
	w.go_on(&t.stack);
}

void collective(const char *what, uint32_t mask, void *operands, void (*run)(void *const *, uint32_t)) {
	Thread &t = self();
	Worker &w = *t.worker;
	unsigned number = t.linear / warp_lanes;
	Warp &warp = w.warps[number];
	uint32_t bit = 1u << t.lane;
	w.code = nullptr;
	if (!(mask & bit))
		fail("%s by lane %u, which its mask %08x leaves out", what, t.lane, mask);
	mask &= warp.exists;

	unsigned i = 0;
	while (i < warp.groups && !(warp.group[i].mask == mask && (warp.group[i].what == what || !strcmp(warp.group[i].what, what))))
		i++;
	Group &g = warp.group[i];
	if (i == warp.groups) {
		g.what = what;
		g.mask = mask;
		g.arrived = 0;
		warp.groups++; // at most one a lane
	}
	g.operands[t.lane] = operands;
	g.arrived |= bit;
	if (g.arrived != mask) {
		wait(t, what, mask);
		return;
	}
	w.yields = 0;
	run(g.operands, mask);
	warp.clock++;
	if (i != --warp.groups)
		g = warp.group[warp.groups];
	w.ready(number, mask & ~bit);
}

static void learn(uint32_t (&known)[max_warps], const uint32_t (&more)[max_warps]) {
	for (unsigned i = 0; i < max_warps; i++)
		if (known[i] < more[i])
			known[i] = more[i];
}

void barrier(unsigned id, unsigned count, bool waits) {
	Thread &t = self();
	Worker &w = *t.worker;
	if (id >= max_barriers)
		fail("barrier %u: there are %u", id, max_barriers);
	if (count == 0 || (count % warp_lanes && count != w.block.threads) || count > w.block.threads)
		fail("barrier %u for %u threads of %u: whole warps are needed", id, count, w.block.threads);
	w.code = nullptr;
	Barrier &b = w.barriers[id];
	unsigned number = t.linear / warp_lanes;
	uint32_t bit = 1u << t.lane;
	if (b.arrived && b.count != count)
		fail("barrier %u for %u threads, where others wait for %u", id, count, b.count);
	if (b.lanes[number] & bit)
		fail("arrives a second time at barrier %u before it opened", id);
	b.count = count;
	b.lanes[number] |= bit;
	if (waits)
		b.waiting[number] |= bit;
	if (Warp &warp = w.warps[number]; b.lanes[number] == warp.exists) {
		learn(b.known, warp.known);
		b.known[number] = ++warp.clock;
	}
	if (++b.arrived < count) {
		if (waits)
			wait(t, "barrier", id);
		return;
	}
	w.yields = 0;
	b.arrived = 0;
	if (waits)
		learn(w.warps[number].known, b.known);
	b.waiting[number] &= ~bit;
	for (unsigned i = 0; i * warp_lanes < w.block.threads; i++) {
		if (b.lanes[i] && b.lanes[i] != w.warps[i].exists)
			fail("barrier %u opened by a part of warp %u (lanes %08x): every lane has to come", id, i, b.lanes[i]);
		b.lanes[i] = 0;
		if (b.waiting[i])
			learn(w.warps[i].known, b.known);
		w.ready(i, b.waiting[i]);
		b.waiting[i] = 0;
	}
	memset(b.known, 0, sizeof b.known);
}

// A thread begins here, on its own stack.
static void start() {
	Thread &t = self();
	Worker &w = *t.worker;
	w.launch->kernel->run(w.launch->args);
	w.alive--;
	w.go_on(&t.stack);
	__builtin_unreachable();
}

// The stacks' beginnings are spread over the cache's sets.
static void *fresh_stack(unsigned thread) {
	auto top = reinterpret_cast<void **>(stacks + (size_t(thread) + 1) * stack_bytes - 1024 - thread % 61 * 448);
	memset(top - 2 - saved_words, 0, (saved_words + 4) * sizeof *top);
	void **sp = top - 2 - saved_words;
	sp[resume_word] = reinterpret_cast<void *>(start);
	return sp;
}

void Worker::run_block(Dim index) {
	block.index = index;
	generator = (launch->seed + 1) * 0x9E3779B97F4A7C15 + (uint64_t(index.z) << 42 ^ uint64_t(index.y) << 21 ^ index.x);
	generator |= !generator;
	for (int i = 0; i < 4; i++)
		draw();
	poison();
	alive = block.threads;
	warp = yields = ready_warps = 0;
	blocks++;
	for (unsigned i = 0; i * warp_lanes < block.threads; i++) {
		Warp &w = warps[i];
		w.exists = w.ready = w.groups = 0;
		w.clock = 1;
		memset(w.known, 0, sizeof w.known);
	}
	memset(barriers, 0, sizeof barriers);
	unsigned base = first - threads;
	Dim at{0, 0, 0};
	for (unsigned i = 0; i < block.threads; i++) {
		Thread &t = first[i];
		t.index = at;
		t.linear = i;
		t.lane = i % warp_lanes;
		t.worker = this;
		t.waits = nullptr;
		t.early = launch->kernel->early;
		t.serial = ++serial;
		t.stack = fresh_stack(base + i);
		warps[i / warp_lanes].exists |= 1u << t.lane;
		if (++at.x == block.size.x) {
			at.x = 0;
			if (++at.y == block.size.y)
				at.y = 0, at.z++;
		}
	}
	for (unsigned i = 0; i * warp_lanes < block.threads; i++)
		ready(i, warps[i].exists);
	go_on(&home);
}

// abandon leaves the running thread and its block.
void Worker::abandon() {
	void *nowhere;
	emulator_switch(&nowhere, home);
	__builtin_unreachable();
}

void Worker::deadlock() {
	char text[2048];
	size_t n = snprintf(text, sizeof text, "nobody can go on:");
	for (unsigned i = 0; i < block.threads && n < sizeof text;) {
		const Thread &t = first[i];
		unsigned j = i + 1;
		while (j < block.threads && first[j].waits == t.waits && (!t.waits || first[j].detail == t.detail))
			j++;
		if (j == i + 1)
			n += snprintf(text + n, sizeof text - n, "%s thread %u ", i ? "," : "", i);
		else
			n += snprintf(text + n, sizeof text - n, "%s threads %u to %u ", i ? "," : "", i, j - 1);
		if (n >= sizeof text)
			break;
		if (!t.waits)
			n += snprintf(text + n, sizeof text - n, j == i + 1 ? "has ended" : "have ended");
		else if (!strcmp(t.waits, "barrier"))
			n += snprintf(text + n, sizeof text - n, "wait%s at barrier %u (%u of %u there)", j == i + 1 ? "s" : "", t.detail,
				barriers[t.detail].arrived, barriers[t.detail].count);
		else
			n += snprintf(text + n, sizeof text - n, "wait%s in %s (mask %08x)", j == i + 1 ? "s" : "", t.waits, t.detail);
		i = j;
	}
	code = nullptr;
	launch->report(*this, nullptr, text);
	abandon();
}

void fail(const char *format, ...) {
	char text[512];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	Thread &t = self();
	t.worker->launch->report(*t.worker, &t, text);
	t.worker->abandon();
	__builtin_unreachable();
}

} // namespace emulator
