package main

import "testing"

// What GNU as 2.40 makes of "{vex} vpdpbusd %ymm13, %ymm14, %ymm7" and so on.
func TestVEX(t *testing.T) {
	for _, c := range []struct {
		name                    string
		rm, source, destination vec
		want                    [5]byte
	}{
		{"VPDPBUSD", 13, 14, 7, [5]byte{0xc4, 0xc2, 0x0d, 0x50, 0xfd}},
		{"VPDPBUSD", 1, 2, 15, [5]byte{0xc4, 0x62, 0x6d, 0x50, 0xf9}},
		{"VPDPBUSD", 15, 8, 0, [5]byte{0xc4, 0xc2, 0x3d, 0x50, 0xc7}},
		{"VPDPBUSD", 7, 0, 8, [5]byte{0xc4, 0x62, 0x7d, 0x50, 0xc7}},
		{"VPDPWSSD", 9, 15, 0, [5]byte{0xc4, 0xc2, 0x05, 0x52, 0xc1}},
		{"VPDPWSSD", 0, 5, 10, [5]byte{0xc4, 0x62, 0x55, 0x52, 0xd0}},
	} {
		if got := vex(vexOpcodes[c.name], c.rm, c.source, c.destination); got != c.want {
			t.Errorf("%s Y%d, Y%d, Y%d: % x, want % x", c.name, c.rm, c.source, c.destination, got, c.want)
		}
	}
}
