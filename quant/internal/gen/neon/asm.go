package neon

import (
	"bytes"
	"fmt"
	"strings"
)

// writer writes the kernels of one instruction set.
type writer struct {
	isa string // suffix of function names
	mm  bool   // multiplies by SMMLA, else by SDOT

	text, decls bytes.Buffer
	labels      int
}

// Operands: v is a vector register, r a general one, lane an element of a vector; an int is an immediate; a string
// stands as it is.
type (
	v    int
	r    int
	lane struct {
		v v
		i int
	}
)

func (x v) String() string { return fmt.Sprintf("F%d", int(x)) }
func (x r) String() string { return fmt.Sprintf("R%d", int(x)) }

// at is the memory operand at an offset from an address.
func at(offset int, address r) string { return fmt.Sprintf("%d(%v)", offset, address) }

// half, dword and qword are the operands of one lane.
func half(x v, i int) string  { return fmt.Sprintf("V%d.H[%d]", int(x), i) }
func dword(x v, i int) string { return fmt.Sprintf("V%d.S[%d]", int(x), i) }
func qword(x v, i int) string { return fmt.Sprintf("V%d.D[%d]", int(x), i) }

// pair is the operand of loads and stores of two registers.
func pair(x, y v) string { return fmt.Sprintf("(%v, %v)", x, y) }

// op writes an instruction. The operands are in Go's order, the destination last: what ARM writes as
// "sub Vd, Vn, Vm" has the operands m, n, d. An instruction that Go's assembler lacks becomes a WORD.
func (w *writer) op(name string, operands ...any) {
	if _, ok := operands[0].(lane); ok {
		name += "[i]"
	}
	if f, ok := forms[name]; ok {
		bits, text := f.encode(operands)
		fmt.Fprintf(&w.text, "\tWORD $%#08x // %s\n", bits, text)
		return
	}
	var s []string
	for _, o := range operands {
		if n, ok := o.(int); ok {
			o = fmt.Sprintf("$%d", n)
		}
		s = append(s, fmt.Sprint(o))
	}
	fmt.Fprintf(&w.text, "\t%s %s\n", name, strings.Join(s, ", "))
}

// arranged writes an instruction of Go's assembler whose vectors all have the same arrangement.
func (w *writer) arranged(arrangement, name string, operands []any) {
	for i, o := range operands {
		if x, ok := o.(v); ok {
			operands[i] = fmt.Sprintf("V%d.%s", int(x), arrangement)
		}
	}
	w.op(name, operands...)
}

func (w *writer) b16(name string, operands ...any) { w.arranged("B16", name, operands) }
func (w *writer) h8(name string, operands ...any)  { w.arranged("H8", name, operands) }
func (w *writer) s4(name string, operands ...any)  { w.arranged("S4", name, operands) }
func (w *writer) d2(name string, operands ...any)  { w.arranged("D2", name, operands) }

// widen writes an instruction with vectors of two arrangements.
func (w *writer) widen(name string, x v, from string, dst v, to string) {
	w.op(name, fmt.Sprintf("V%d.%s", int(x), from), fmt.Sprintf("V%d.%s", int(dst), to))
}

// zero clears registers.
func (w *writer) zero(registers ...v) {
	for _, x := range registers {
		w.op("MOVI0", x)
	}
}

// bytes sets all bytes of x.
func (w *writer) bytes(value int, x v) { w.op("VMOVI", value, fmt.Sprintf("V%d.B16", int(x))) }

// param is a parameter of a kernel.
type param struct{ name, typ string }

// fn begins a function and returns what loads a parameter into a register, or stores the result ret from one.
func (w *writer) fn(name string, params []param, result string) (load func(param string, register any)) {
	type slot struct {
		offset int
		move   string
	}
	slots := map[string]slot{}
	var list []string
	size := 0
	add := func(p param) {
		bytes, move := 8, "MOVD"
		switch p.typ {
		case "float32":
			bytes, move = 4, "FMOVS"
		case "bool":
			bytes, move = 1, "MOVBU"
		}
		size = (size + bytes - 1) / bytes * bytes
		slots[p.name] = slot{size, move}
		size += bytes
	}
	for _, p := range params {
		add(p)
		list = append(list, p.name+" "+p.typ)
	}
	fmt.Fprintf(&w.decls, "\n//go:noescape\nfunc %s\n", strings.TrimSpace(name+w.isa+"("+strings.Join(list, ", ")+") "+result))
	if result != "" {
		size = (size + 7) / 8 * 8
		add(param{"ret", result})
	}
	fmt.Fprintf(&w.text, "\nTEXT ·%s%s(SB), NOSPLIT, $0-%d\n", name, w.isa, size)
	return func(p string, register any) {
		s, ok := slots[p]
		if !ok {
			panic(name + " has no parameter " + p)
		}
		operand := fmt.Sprintf("%s+%d(FP)", p, s.offset)
		if p == "ret" {
			w.op(s.move, register, operand)
		} else {
			w.op(s.move, operand, register)
		}
	}
}

func (w *writer) ret() { w.text.WriteString("\tRET\n") }

// label returns a new label, to be placed with place.
func (w *writer) label() string {
	w.labels++
	return fmt.Sprintf("l%d", w.labels)
}

func (w *writer) place(label string) { fmt.Fprintf(&w.text, "%s:\n", label) }

// loop repeats body until the register count has been counted down to 0; it is at least 1.
func (w *writer) loop(count r, body func()) {
	l := w.label()
	w.place(l)
	body()
	w.op("SUBS", 1, count)
	w.op("BNE", l)
}
