package main

import "fmt"

// vexOpcodes has the instructions of AVX-VNNI that kernels use, all VEX.256.66.0F38.W0 (Intel's Software Developer's
// Manual, volume 2). Go's assembler has only their AVX-512 forms.
var vexOpcodes = map[string]byte{"VPDPBUSD": 0x50, "VPDPWSSD": 0x52}

// vex encodes an instruction on Y registers, in Go's order.
func vex(opcode byte, rm, source, destination vec) [5]byte {
	inverted := func(v vec, bit int) byte { return byte(^v>>bit&1) << 7 } // of the registers, to the top
	const (
		map0F38 = 2
		long66  = 5 // 256 bits, prefix 66
	)
	return [...]byte{
		0xc4,
		inverted(destination, 3) | 1<<6 | inverted(rm, 3)>>2 | map0F38,
		byte(^source&15)<<3 | long66,
		opcode,
		0xc0 | byte(destination&7)<<3 | byte(rm&7),
	}
}

// vexOp writes what op would if Go's assembler had the instruction.
func (w *writer) vexOp(name string, rm, source, destination vec) {
	b := vex(vexOpcodes[name], rm, source, destination)
	fmt.Fprintf(&w.text, "\tLONG $%#02x%02x%02x%02x; BYTE $%#02x // %s Y%d, Y%d, Y%d\n",
		b[3], b[2], b[1], b[0], b[4], name, rm, source, destination)
}
