package neon

import (
	"fmt"
	"strings"
)

// form is an instruction that Go's assembler lacks: its bits without operands, and its text in ARM's notation,
// where Vd, Vn, Vm stand for registers and i for a lane or a shift.
type form struct {
	bits  uint32
	text  string
	index func(i int) uint32 // the bits of i
}

// lane4 and lane8 are the bits of a lane among 4 of 32 bits, or 8 of 16 (then Vm is below 16).
func lane4(i int) uint32 { return uint32(i&1<<21 | i>>1<<11) }
func lane8(i int) uint32 { return uint32(i&3<<20 | i>>2<<11) }

// right32 and right16 are the bits of a right shift of lanes of that size.
func right32(i int) uint32 { return uint32(64-i) << 16 }
func right16(i int) uint32 { return uint32(32-i) << 16 }

// forms are the instructions by name; those that take a lane have the suffix [i]. The encodings are those of the
// Arm Architecture Reference Manual (DDI 0487), section C7.2. TestForms has every one from an assembler.
var forms = map[string]form{
	// int8: FEAT_DotProd and FEAT_I8MM
	"SDOT":    {0x4e809400, "sdot Vd.4s, Vn.16b, Vm.16b", nil},
	"SDOT[i]": {0x4f80e000, "sdot Vd.4s, Vn.16b, Vm.4b[i]", lane4},
	"SMMLA":   {0x4e80a400, "smmla Vd.4s, Vn.16b, Vm.16b", nil},
	// wider integers
	"MLA":       {0x4ea09400, "mla Vd.4s, Vn.4s, Vm.4s", nil},
	"MLA[i]":    {0x6f800000, "mla Vd.4s, Vn.4s, Vm.s[i]", lane4},
	"SMULL":     {0x0e60c000, "smull Vd.4s, Vn.4h, Vm.4h", nil},
	"SMLAL":     {0x0e608000, "smlal Vd.4s, Vn.4h, Vm.4h", nil},
	"SMLAL2":    {0x4e608000, "smlal2 Vd.4s, Vn.8h, Vm.8h", nil},
	"SMLAL[i]":  {0x0f402000, "smlal Vd.4s, Vn.4h, Vm.h[i]", lane8},
	"SMLAL2[i]": {0x4f402000, "smlal2 Vd.4s, Vn.8h, Vm.h[i]", lane8},
	"SXTL.B":    {0x0f08a400, "sxtl Vd.8h, Vn.8b", nil},
	"SXTL.H":    {0x0f10a400, "sxtl Vd.4s, Vn.4h", nil},
	"SXTL2.H":   {0x4f10a400, "sxtl2 Vd.4s, Vn.8h", nil},
	"SHLL.H":    {0x2e613800, "shll Vd.4s, Vn.4h, #16", nil},
	"SHLL2.H":   {0x6e613800, "shll2 Vd.4s, Vn.8h, #16", nil},
	"SSHR.S":    {0x4f000400, "sshr Vd.4s, Vn.4s, #i", right32},
	"SSHR.H":    {0x4f000400, "sshr Vd.8h, Vn.8h, #i", right16},
	"UMAXV":     {0x6eb0a800, "umaxv Sd, Vn.4s", nil},
	"MOVI0":     {0x6f00e400, "movi Vd.2d, #0", nil},
	// conversions
	"SCVTF":  {0x4e21d800, "scvtf Vd.4s, Vn.4s", nil},
	"FCVTNS": {0x4e21a800, "fcvtns Vd.4s, Vn.4s", nil}, // to nearest, ties to even
	"FCVTL":  {0x0e217800, "fcvtl Vd.4s, Vn.4h", nil},
	"FCVTL2": {0x4e217800, "fcvtl2 Vd.4s, Vn.8h", nil},
	// float32
	"FADD":    {0x4e20d400, "fadd Vd.4s, Vn.4s, Vm.4s", nil},
	"FADDP":   {0x6e20d400, "faddp Vd.4s, Vn.4s, Vm.4s", nil},
	"FSUB":    {0x4ea0d400, "fsub Vd.4s, Vn.4s, Vm.4s", nil},
	"FMUL":    {0x6e20dc00, "fmul Vd.4s, Vn.4s, Vm.4s", nil},
	"FMUL[i]": {0x4f809000, "fmul Vd.4s, Vn.4s, Vm.s[i]", lane4},
	"FMLA[i]": {0x4f801000, "fmla Vd.4s, Vn.4s, Vm.s[i]", lane4},
	"FDIV":    {0x6e20fc00, "fdiv Vd.4s, Vn.4s, Vm.4s", nil},
	"FMAX":    {0x4e20f400, "fmax Vd.4s, Vn.4s, Vm.4s", nil},
	"FMIN":    {0x4ea0f400, "fmin Vd.4s, Vn.4s, Vm.4s", nil},
	"FNEG":    {0x6ea0f800, "fneg Vd.4s, Vn.4s", nil},
}

// encode returns the instruction for operands in Go's order.
func (f form) encode(operands []any) (bits uint32, text string) {
	bits, text = f.bits, f.text
	set := func(name, value string) { text = strings.Replace(text, name, value, 1) }
	last := len(operands) - 1
	register := func(k int, x v) {
		field := "dnm"[last-k]
		bits |= uint32(x) << map[byte]int{'d': 0, 'n': 5, 'm': 16}[field]
		set("V"+string(field), fmt.Sprintf("v%d", int(x)))
		set("S"+string(field), fmt.Sprintf("s%d", int(x)))
	}
	index := func(i int) {
		bits |= f.index(i)
		set("#i", fmt.Sprintf("#%d", i))
		set("[i]", fmt.Sprintf("[%d]", i))
	}
	for k, o := range operands {
		switch o := o.(type) {
		case v:
			register(k, o)
		case lane:
			register(k, o.v)
			index(o.i)
		case int:
			index(o)
		}
	}
	return bits, text
}
