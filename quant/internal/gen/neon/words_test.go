package neon

import "testing"

// Every form, with what llvm-mc 14 (-triple=aarch64 -mattr=+dotprod,+i8mm -show-encoding) makes of the text.
func TestForms(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range []struct {
		name     string
		operands []any
		bits     uint32
		text     string
	}{
		{"SDOT", []any{v(29), v(30), v(31)}, 0x4e9d97df, "sdot v31.4s, v30.16b, v29.16b"},
		{"SDOT[i]", []any{lane{29, 0}, v(30), v(31)}, 0x4f9de3df, "sdot v31.4s, v30.16b, v29.4b[0]"},
		{"SDOT[i]", []any{lane{17, 3}, v(30), v(1)}, 0x4fb1ebc1, "sdot v1.4s, v30.16b, v17.4b[3]"},
		{"SMMLA", []any{v(29), v(30), v(31)}, 0x4e9da7df, "smmla v31.4s, v30.16b, v29.16b"},
		{"MLA", []any{v(29), v(30), v(31)}, 0x4ebd97df, "mla v31.4s, v30.4s, v29.4s"},
		{"MLA[i]", []any{lane{29, 1}, v(30), v(31)}, 0x6fbd03df, "mla v31.4s, v30.4s, v29.s[1]"},
		{"MLA[i]", []any{lane{29, 2}, v(30), v(31)}, 0x6f9d0bdf, "mla v31.4s, v30.4s, v29.s[2]"},
		{"SMULL", []any{v(29), v(30), v(31)}, 0x0e7dc3df, "smull v31.4s, v30.4h, v29.4h"},
		{"SMLAL", []any{v(29), v(30), v(31)}, 0x0e7d83df, "smlal v31.4s, v30.4h, v29.4h"},
		{"SMLAL2", []any{v(29), v(30), v(31)}, 0x4e7d83df, "smlal2 v31.4s, v30.8h, v29.8h"},
		{"SMLAL[i]", []any{lane{15, 5}, v(30), v(31)}, 0x0f5f2bdf, "smlal v31.4s, v30.4h, v15.h[5]"},
		{"SMLAL2[i]", []any{lane{15, 2}, v(30), v(31)}, 0x4f6f23df, "smlal2 v31.4s, v30.8h, v15.h[2]"},
		{"SXTL.B", []any{v(30), v(31)}, 0x0f08a7df, "sxtl v31.8h, v30.8b"},
		{"SXTL.H", []any{v(30), v(31)}, 0x0f10a7df, "sxtl v31.4s, v30.4h"},
		{"SXTL2.H", []any{v(30), v(31)}, 0x4f10a7df, "sxtl2 v31.4s, v30.8h"},
		{"SHLL.H", []any{v(30), v(31)}, 0x2e613bdf, "shll v31.4s, v30.4h, #16"},
		{"SHLL2.H", []any{v(30), v(31)}, 0x6e613bdf, "shll2 v31.4s, v30.8h, #16"},
		{"SSHR.S", []any{24, v(30), v(31)}, 0x4f2807df, "sshr v31.4s, v30.4s, #24"},
		{"SSHR.H", []any{7, v(30), v(31)}, 0x4f1907df, "sshr v31.8h, v30.8h, #7"},
		{"UMAXV", []any{v(30), v(31)}, 0x6eb0abdf, "umaxv s31, v30.4s"},
		{"MOVI0", []any{v(31)}, 0x6f00e41f, "movi v31.2d, #0"},
		{"SCVTF", []any{v(30), v(31)}, 0x4e21dbdf, "scvtf v31.4s, v30.4s"},
		{"FCVTNS", []any{v(30), v(31)}, 0x4e21abdf, "fcvtns v31.4s, v30.4s"},
		{"FCVTL", []any{v(30), v(31)}, 0x0e217bdf, "fcvtl v31.4s, v30.4h"},
		{"FCVTL2", []any{v(30), v(31)}, 0x4e217bdf, "fcvtl2 v31.4s, v30.8h"},
		{"FADD", []any{v(29), v(30), v(31)}, 0x4e3dd7df, "fadd v31.4s, v30.4s, v29.4s"},
		{"FADDP", []any{v(29), v(30), v(31)}, 0x6e3dd7df, "faddp v31.4s, v30.4s, v29.4s"},
		{"FSUB", []any{v(29), v(30), v(31)}, 0x4ebdd7df, "fsub v31.4s, v30.4s, v29.4s"},
		{"FMUL", []any{v(29), v(30), v(31)}, 0x6e3ddfdf, "fmul v31.4s, v30.4s, v29.4s"},
		{"FMUL[i]", []any{lane{29, 3}, v(30), v(31)}, 0x4fbd9bdf, "fmul v31.4s, v30.4s, v29.s[3]"},
		{"FMLA[i]", []any{lane{29, 0}, v(30), v(31)}, 0x4f9d13df, "fmla v31.4s, v30.4s, v29.s[0]"},
		{"FDIV", []any{v(29), v(30), v(31)}, 0x6e3dffdf, "fdiv v31.4s, v30.4s, v29.4s"},
		{"FMAX", []any{v(29), v(30), v(31)}, 0x4e3df7df, "fmax v31.4s, v30.4s, v29.4s"},
		{"FMIN", []any{v(29), v(30), v(31)}, 0x4ebdf7df, "fmin v31.4s, v30.4s, v29.4s"},
		{"FNEG", []any{v(30), v(31)}, 0x6ea0fbdf, "fneg v31.4s, v30.4s"},
	} {
		tested[c.name] = true
		if bits, text := forms[c.name].encode(c.operands); bits != c.bits || text != c.text {
			t.Errorf("%s: %#08x %s, want %#08x %s", c.name, bits, text, c.bits, c.text)
		}
	}
	for name := range forms {
		if !tested[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}
