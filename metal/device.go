package metal

import "unsafe"

// device is a GPU. What it can do is no more than the backend needs, so that tests can put an emulator in its place.
// Its methods may be called by several goroutines.
type device interface {
	// properties tells what the device is.
	properties() properties
	// alloc gives zeroed memory that host and device share, aligned to a page.
	alloc(bytes int64) (buffer, error)
	// wrap makes a buffer of whole pages of the host's memory, without a copy; kernels must not write them. They have to
	// stay as they are until the buffer is released. At most maxBuffer bytes. The address is no pointer, as pages may
	// begin where Go's heap has no object.
	wrap(address uintptr, bytes int64) (buffer, error)
	// pipeline is a kernel made ready to run; the same one for the same name.
	pipeline(kernel string) (pipeline, error)
	// queue is a new queue of work, which waits for none of the others.
	queue() (queue, error)
	// close gives the device back, after its buffers and queues.
	close() error
}

// buffer is memory that kernels can use.
type buffer interface {
	// bytes is the memory as the host sees it, if it was allocated. What kernels write is there after queue.wait.
	bytes() []byte
	// release gives it back; no work that uses it may be queued.
	release()
}

// pipeline is a kernel made ready to run.
type pipeline interface {
	// threads is how many threads a threadgroup of it can have.
	threads() int
}

// queue runs lists of dispatches in the order that they are given to it.
type queue interface {
	// run queues a list, as one command buffer. The list is not changed afterwards.
	run(list []dispatch) error
	// wait waits for all that is queued. An error of the device shows here at the latest.
	wait() error
	// close gives the queue back, after wait.
	close()
}

// dispatch is one run of a kernel. It begins when all before it in the queue have ended, and sees what they wrote.
type dispatch struct {
	pipeline pipeline
	groups   [3]int // threadgroups
	threads  int    // of each threadgroup, in x
	shared   int    // bytes of threadgroup memory, at [[threadgroup(0)]]; 0: none
	args     []byte // the struct at [[buffer(0)]], at most 4 KiB
	buffers  []binding
	// beside: it may run together with the dispatch before it, as neither needs what the other does.
	beside bool
}

// binding is what a kernel finds at [[buffer(1)]], [[buffer(2)]], ...: the memory of a buffer from an offset on, aligned
// as its type wants it. Up to 30.
type binding struct {
	buffer buffer
	offset int64
}

// properties describe a GPU.
type properties struct {
	name      string
	family    int   // Apple GPU family: 7 is M1, 8 M2, 9 M3 and M4, 10 M5
	memory    int64 // bytes that work well together (recommendedMaxWorkingSetSize)
	maxBuffer int64 // bytes of the largest buffer
	shared    int   // bytes of threadgroup memory that a threadgroup can have
}

// argsOf is the memory of a kernel's argument struct. It holds no pointers.
func argsOf[T any](args *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(args)), unsafe.Sizeof(*args))
}
