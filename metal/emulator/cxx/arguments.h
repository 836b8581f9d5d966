// How a kernel gets its arguments: the table of kernels that Go writes makes one of these for each parameter, by its
// attribute, and it becomes what the parameter's type is.
#pragma once
#pragma clang system_header
#include "types.h"

namespace arguments {

constexpr int max_buffers = 30, max_args = 4096;

// What a launch brings, besides the dimensions.
struct List {
	uint32_t args_bytes, buffers; // how many
	uint32_t flush;               // subnormal floats to zero, as a device may (specification, section 8.1)
	uint32_t pad;
	void *buffer[max_buffers];
	char args[max_args]; // [[buffer(0)]]
};

// open sets the arithmetic of the running thread's worker. Conversions between half and float keep subnormal halves.
inline const List &open(const void *list) {
	auto &l = *static_cast<const List *>(list);
#ifdef __x86_64__
	constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x40;
	unsigned control = __builtin_ia32_stmxcsr() & ~(flush_to_zero | denormals_are_zero);
	__builtin_ia32_ldmxcsr(l.flush ? control | flush_to_zero | denormals_are_zero : control);
#else
	constexpr uint64_t flush_to_zero = 1 << 24;
	uint64_t control;
	asm volatile("mrs %0, fpcr" : "=r"(control));
	control = l.flush ? control | flush_to_zero : control & ~flush_to_zero;
	asm volatile("msr fpcr, %0" : : "r"(control));
#endif
	return l;
}

struct Struct {
	const List &list;
	template <class T> operator const T &() const {
		if (list.args_bytes != sizeof(T))
			emulator::fail("its argument struct has %zu bytes, not %u", sizeof(T), list.args_bytes);
		return *reinterpret_cast<const T *>(list.args);
	}
};
inline Struct args(const List &l) { return {l}; }

struct Pointer {
	void *at;
	template <class T> operator T *() const {
		if (reinterpret_cast<uintptr_t>(at) % alignof(T))
			emulator::fail("a buffer's offset is not a multiple of %zu", alignof(T));
		return static_cast<T *>(at);
	}
};
inline Pointer buffer(const List &l, unsigned index) {
	if (index > l.buffers)
		emulator::fail("nothing is bound at buffer(%u)", index);
	return {l.buffer[index - 1]};
}
inline Pointer shared() { return {emulator::block().shared}; }

struct Place {
	emulator::Dim at;
	operator uint() const { return at.x; }
	operator ushort() const { return at.x; }
	operator uint2() const { return uint2{at.x, at.y}; }
	operator ushort2() const { return ushort2{ushort(at.x), ushort(at.y)}; }
	operator uint3() const { return uint3{at.x, at.y, at.z}; }
	operator ushort3() const { return ushort3{ushort(at.x), ushort(at.y), ushort(at.z)}; }
};
inline Place thread_position_in_grid() {
	auto &b = emulator::block();
	auto &t = emulator::self().index;
	return {{b.index.x * b.size.x + t.x, b.index.y * b.size.y + t.y, b.index.z * b.size.z + t.z}};
}
inline Place threadgroup_position_in_grid() { return {emulator::block().index}; }
inline Place threadgroups_per_grid() { return {emulator::block().grid}; }
inline Place thread_position_in_threadgroup() { return {emulator::self().index}; }
inline Place threads_per_threadgroup() { return {emulator::block().size}; }
inline uint thread_index_in_threadgroup() { return emulator::self().linear; }
inline uint thread_index_in_simdgroup() { return emulator::self().lane; }
inline uint simdgroup_index_in_threadgroup() { return emulator::self().linear / 32; }
inline uint simdgroups_per_threadgroup() { return (emulator::block().threads + 31) / 32; }
inline uint threads_per_simdgroup() { return 32; }

} // namespace arguments
