package quant

import "testing"

func TestLimits(t *testing.T) {
	for _, k := range available() {
		buf := make([]byte, 5000)
		for _, n := range []int{0, 1, 1023, 1024, 5000} {
			k.read(buf[:n])
		}
		if one, three := k.multiply(1000), k.multiply(3000); one <= 0 || three != 3*one {
			t.Errorf("%s: %d multiply-adds in 1000 rounds, %d in 3000", k.name, one, three)
		}
	}
	if n := MultiplyAdds(0); n != 0 {
		t.Errorf("%d multiply-adds in no round", n)
	}
}
