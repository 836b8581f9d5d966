package main

import (
	"bytes"
	"fmt"
	"strings"
)

// writer writes the kernels of one instruction set.
type writer struct {
	isa   string // suffix of function names
	lanes int    // 32-bit lanes of a vector
	reg   byte   // of vector registers
	vnni  bool   // has VPDPBUSD and VPDPWSSD

	text, decls bytes.Buffer
	labels      int
}

// Operands: a vec is a full vector register; ymm and xmm are the lower half and quarter of it, in AVX2 the
// whole and half; an int is an immediate; everyLane is a dword in memory for all lanes, in AVX-512; a string stands as
// it is.
type (
	vec       int
	ymm       int
	xmm       int
	everyLane string
)

func (w *writer) bytes() int { return 4 * w.lanes }

// extends tells that the set has AVX2's kernels but for quantized products.
func (w *writer) extends() bool { return w.vnni && w.lanes == 8 }

// evex names the AVX-512 forms of instructions that have another name in AVX2.
var evex = map[string]string{
	"VPAND": "VPANDD", "VPOR": "VPORD", "VPXOR": "VPXORD", "VMOVDQU": "VMOVDQU64", "VXORPS": "VPXORD",
}

// op writes an instruction. The operands are in Go's order, the destination last.
func (w *writer) op(name string, operands ...any) {
	if _, ok := vexOpcodes[name]; ok && w.lanes == 8 {
		w.vexOp(name, operands[0].(vec), operands[1].(vec), operands[2].(vec))
		return
	}
	var s []string
	full := false
	for _, o := range operands {
		switch o := o.(type) {
		case vec:
			full = true
			s = append(s, fmt.Sprintf("%c%d", w.reg, int(o)))
		case ymm:
			s = append(s, fmt.Sprintf("Y%d", int(o)))
		case xmm:
			s = append(s, fmt.Sprintf("X%d", int(o)))
		case int:
			s = append(s, fmt.Sprintf("$%d", o))
		case everyLane:
			name += ".BCST"
			s = append(s, string(o))
		case string:
			s = append(s, o)
		}
	}
	if n, ok := evex[name]; ok && full && w.lanes == 16 {
		name = n
	}
	fmt.Fprintf(&w.text, "\t%s\n", strings.TrimRight(name+" "+strings.Join(s, ", "), " "))
}

// param is a parameter of a kernel.
type param struct{ name, typ string }

// fn begins a function and returns what loads a parameter into a register.
func (w *writer) fn(name string, params []param, result string) (load func(param, reg string)) {
	type slot struct {
		offset int
		move   string
	}
	slots := map[string]slot{}
	var list []string
	size := 0
	add := func(p param) {
		bytes, move := 8, "MOVQ"
		switch p.typ {
		case "float32":
			bytes, move = 4, "VMOVSS"
		case "bool":
			bytes, move = 1, "MOVBLZX"
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
	return func(p, reg string) {
		s, ok := slots[p]
		if !ok {
			panic(name + " has no parameter " + p)
		}
		if p == "ret" {
			w.op(s.move, reg, fmt.Sprintf("ret+%d(FP)", s.offset))
		} else {
			w.op(s.move, fmt.Sprintf("%s+%d(FP)", p, s.offset), reg)
		}
	}
}

func (w *writer) ret() {
	w.op("VZEROUPPER")
	w.op("RET")
}

// label returns a new label, to be placed with place.
func (w *writer) label() string {
	w.labels++
	return fmt.Sprintf("l%d", w.labels)
}

func (w *writer) place(label string) { fmt.Fprintf(&w.text, "%s:\n", label) }

// loop repeats body until the register count has been counted down to 0; it is at least 1.
func (w *writer) loop(count string, body func()) {
	l := w.label()
	w.place(l)
	body()
	w.op("DECQ", count)
	w.op("JNZ", l)
}

// constant sets all dwords of v.
func (w *writer) constant(bits uint32, v vec) {
	w.op("MOVL", fmt.Sprintf("$%#08x", bits), "AX")
	w.op("VMOVD", "AX", xmm(v))
	w.op("VPBROADCASTD", xmm(v), v)
}

// mem is the operand at a fixed offset from an address without one.
func mem(offset int, address string) string { return fmt.Sprintf("%d%s", offset, address) }

// The rows of a matrix are addressed by base registers and multiples of the stride, which rows prepares: SI
// and the stride R8 are given, R9, R10, R11 become 3, 5, 7 strides, DI the address of row 8.
func (w *writer) rows() {
	w.op("LEAQ", "(R8)(R8*2)", "R9")
	w.op("LEAQ", "(R8)(R8*4)", "R10")
	w.op("LEAQ", "(R9)(R8*4)", "R11")
	w.op("LEAQ", "(SI)(R8*8)", "DI")
}

func row(r, offset int) string { return rowFrom([...]string{"(SI)", "(DI)"}[r/8], r%8, offset) }

// rowFrom is the operand at the offset in row r, less than 8, counted from the base.
func rowFrom(base string, r, offset int) string {
	return mem(offset, base+[...]string{"", "(R8*1)", "(R8*2)", "(R9*1)", "(R8*4)", "(R10*1)", "(R9*2)", "(R11*1)"}[r])
}

// fourFrom is the operand at the offset in row r, less than 4, given the registers of a stride and 3 strides.
func fourFrom(base, stride, stride3 string, r, offset int) string {
	return mem(offset, base+[...]string{"", "(" + stride + "*1)", "(" + stride + "*2)", "(" + stride3 + "*1)"}[r])
}

// advance moves the base registers of the rows.
func (w *writer) advance(bytes int) {
	w.op("ADDQ", bytes, "SI")
	if w.lanes == 16 {
		w.op("ADDQ", bytes, "DI")
	}
}

// prefetch prefetches the line at R14 and moves on by R15, the pace.
func (w *writer) prefetch() {
	w.op("PREFETCHT0", "(R14)")
	w.op("ADDQ", "R15", "R14")
}

// prefetching writes body, straight code that takes so many bytes of every row, with as many prefetches as that is
// cache lines.
func (w *writer) prefetching(rowBytes int, body func()) {
	w.spread((rowBytes*w.lanes+63)/64, func(int) { w.prefetch() }, body)
}

// spread writes body, straight code, with n prefetches spread evenly over it: a burst of them fills the queue of cache
// misses and keeps all other loads waiting.
func (w *writer) spread(n int, prefetch func(i int), body func()) {
	outer := w.text
	w.text = bytes.Buffer{}
	body()
	code := bytes.SplitAfter(w.text.Bytes(), []byte("\n"))
	w.text = outer
	for i, next := 0, 0; i < len(code); i++ {
		for ; next*len(code) <= i*n && next < n; next++ {
			prefetch(next)
		}
		w.text.Write(code[i])
	}
}
