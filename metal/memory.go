package metal

import (
	"fmt"
	"unsafe"
)

// at is a place in a buffer.
func at(b buffer, offset int64) binding { return binding{b, offset} }

// plus is the place so many bytes further on.
func (b binding) plus(bytes int64) binding { return binding{b.buffer, b.offset + bytes} }

// matrix is float32, row by row; cols is also the stride. The zero matrix is none.
type matrix struct {
	at         binding
	rows, cols int
}

func (m matrix) slice(from, to int) matrix {
	return matrix{m.at.plus(4 * int64(from) * int64(m.cols)), to - from, m.cols}
}

func ceil(n, by int) int { return (n + by - 1) / by }

// simd is the number of threads of a simdgroup.
const simd = 32

// list is what the launch functions of this package add dispatches to.
type list struct {
	device device
	all    []dispatch
	err    error // the first
}

// launch adds a dispatch of groups of threads threads. args points to the kernel's struct, a copy of which belongs to the list.
func launch[T any](l *list, kernel string, groups [3]int, threads int, args T, buffers ...binding) {
	if l.err != nil {
		return
	}
	p, err := l.device.pipeline(kernel)
	if err == nil && p.threads() < threads {
		err = fmt.Errorf("metal: kernel %s can have %d threads of the %d it needs: use -b cpu", kernel, p.threads(), threads)
	}
	if l.err = err; err != nil {
		return
	}
	l.all = append(l.all, dispatch{pipeline: p, groups: groups, threads: threads, args: argsOf(&args), buffers: buffers})
}

// most is the largest threadgroup that a kernel can have, of whole simdgroups and up to so many threads.
func (l *list) most(kernel string, threads int) int {
	if p, err := l.device.pipeline(kernel); err == nil { // launch tells
		threads = min(threads, p.threads()/simd*simd)
	}
	return threads
}

// beside lets the last n dispatches run together.
func (l *list) beside(n int) {
	if l.err == nil {
		for i := len(l.all) - n + 1; i < len(l.all); i++ {
			l.all[i].beside = true
		}
	}
}

// bytesOf views values as bytes.
func bytesOf[T any](x []T) []byte {
	var v T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(v)))
}

// floatsOf views bytes, aligned to 4, as floats.
func floatsOf(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// int32sOf views bytes, aligned to 4, as integers.
func int32sOf(b []byte) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}
