//go:build emulator && linux

package cuda

import (
	"slices"
	"testing"
)

// TestCopyMemory copies sizes that the threads of a grid do not divide.
func TestCopyMemory(t *testing.T) {
	d := testDevice(t)
	for _, n := range []int{1, 63, 64, 1000} {
		src := make([]int32, 4*n)
		for i := range src {
			src[i] = int32(i)
		}
		dst := room[int32](t, d, len(src))
		args := copyMemoryArgs{put(t, d, src), dst, int64(n)}
		if err := launch(d, "copyMemory", [3]int{2, 1, 1}, 32, 0, &args); err != nil {
			t.Fatal(err)
		}
		if got := get[int32](t, d, dst, len(src)); !slices.Equal(got, src) {
			t.Errorf("%d pieces: %v", n, got)
		}
	}
}
