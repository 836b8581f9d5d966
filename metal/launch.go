package metal

import "fmt"

func ceil(n, by int) int { return (n + by - 1) / by }

// simd is the number of threads of a simdgroup.
const simd = 32

// list is what the launch functions of this package add dispatches to.
type list struct {
	device device
	all    []dispatch
	err    error // the first
}

// launch adds a dispatch of groups of threads threads. args is the kernel's struct, of which the list keeps a copy.
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
