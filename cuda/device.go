package cuda

import "unsafe"

// pointer is an address that kernels can use: of device memory, or of pinned host memory.
type pointer uint64

// matrix is float32 in device memory, row by row; cols is also the stride.
type matrix struct {
	at         pointer
	rows, cols int
}

// row is the address of row i.
func (m matrix) row(i int) pointer { return m.at + pointer(4*i*m.cols) }

// slice is the part [from, to) of the rows.
func (m matrix) slice(from, to int) matrix { return matrix{m.row(from), to - from, m.cols} }

// span is a piece of device memory. The zero span is none.
type span struct {
	at    pointer
	bytes int64
}

// device is a GPU and one queue of work on it, in whose order everything below happens. What it can do is no more than
// the backend needs, so that tests can put an emulator in its place. A device is used by one goroutine at a time.
type device interface {
	// properties tells what the device is.
	properties() properties
	// memory tells how many bytes of device memory are free, and how many there are.
	memory() (free, total int64, err error)

	// alloc gives zeroed device memory, aligned to 256 bytes.
	alloc(bytes int64) (pointer, error)
	// free gives it back after all that is queued.
	free(p pointer)
	// pin gives zeroed host memory that kernels reach at the address p. Copies from it are fast.
	pin(bytes int) (host []byte, p pointer, err error)
	// unpin gives it back.
	unpin(p pointer)

	// upload copies to the device and returns when src may be changed.
	upload(dst pointer, src []byte) error
	// download waits for all that is queued and copies from the device.
	download(dst []byte, src pointer) error

	// launch queues a kernel of one parameter, a struct of size bytes that is read before launch returns. shared is
	// its dynamic shared memory in bytes.
	launch(kernel string, grid [3]int, block, shared int, args unsafe.Pointer, size uintptr) error
	// record calls build and keeps the kernels that it launches, which do not run.
	record(build func() error) (graph, error)
	// run queues a recorded graph.
	run(g graph) error
	// wait waits for all that is queued. An error of a kernel shows here at the latest.
	wait() error

	// fork is another queue on the same GPU. Memory and kernels are shared.
	fork() (device, error)
	// close gives the queue back, and with the last one the GPU.
	close() error
}

// graph is a recorded sequence of kernels.
type graph interface {
	release()
}

// properties describe a GPU.
type properties struct {
	name            string
	major, minor    int // compute capability
	multiprocessors int
	shared          int   // bytes of shared memory that one block can have
	l2              int64 // bytes of cache
}

// launch queues a kernel whose parameter is *args.
func launch[T any](d device, kernel string, grid [3]int, block, shared int, args *T) error {
	return d.launch(kernel, grid, block, shared, unsafe.Pointer(args), unsafe.Sizeof(*args))
}
