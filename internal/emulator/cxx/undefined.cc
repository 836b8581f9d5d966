// What C++ leaves undefined and devices do in ways of their own. The compiler calls these functions
// (-fsanitize=undefined), which take the place of that sanitizer's library; where in the source is what their data begins with.
#include "machine.h"

#include <cstdio>
#include <cstring>

struct Place {
	const char *file;
	uint32_t line, column;
};

struct Mismatch { // of pointers and types
	Place place;
	const void *type;
	uint8_t alignment_log, kind;
};

static void fail_at(const Place *p, const char *what) {
	emulator::self().worker->code = nullptr; // p tells it better
	const char *name = strrchr(p->file, '/');
	emulator::fail("%s:%u: %s", name ? name + 1 : p->file, p->line, what);
}

#define HOOK extern "C" __attribute__((visibility("hidden"))) void

HOOK __ubsan_handle_type_mismatch_v1(const Mismatch *m, uintptr_t at) {
	char what[96];
	snprintf(what, sizeof what, "address %#zx is not a multiple of %u", size_t(at), 1u << m->alignment_log);
	fail_at(&m->place, what);
}
HOOK __ubsan_handle_out_of_bounds(const Place *p, uintptr_t) { fail_at(p, "index outside of its array"); }
HOOK __ubsan_handle_shift_out_of_bounds(const Place *p, uintptr_t, uintptr_t) { fail_at(p, "shift by more bits than there are"); }
HOOK __ubsan_handle_divrem_overflow(const Place *p, uintptr_t, uintptr_t) { fail_at(p, "division by zero"); }
HOOK __ubsan_handle_float_cast_overflow(const Place *p, uintptr_t) { fail_at(p, "float outside of the integer's range"); }
