package cuda

import "fmt"

// uploads bring weights to the device: all cores pack tiles of rows into one of two buffers of pinned memory while the
// other is on its way.
type uploads struct {
	device device      // a queue of their own
	size   int         // of a buffer
	pinned []pointer   // the buffers
	free   chan []byte // buffers to pack into
	full   chan parcel
	done   chan error // the first error, at the end
}

// parcel is a packed part of a weight.
type parcel struct {
	dst pointer
	src []byte
}

// uploadBytes is the size of a buffer. A tile must fit.
const uploadBytes = 64 << 20

func newUploads(d device, size int) (*uploads, error) {
	const buffers = 2
	queue, err := d.fork()
	if err != nil {
		return nil, err
	}
	u := &uploads{device: queue, size: size, free: make(chan []byte, buffers), full: make(chan parcel), done: make(chan error, 1)}
	for range buffers {
		host, p, err := queue.pin(size)
		if err != nil {
			u.release()
			return nil, err
		}
		u.pinned = append(u.pinned, p)
		u.free <- host
	}
	go u.run()
	return u, nil
}

// run copies what is packed. After an error it lets the rest pass by.
func (u *uploads) run() {
	var failed error
	for part := range u.full {
		if failed == nil {
			failed = u.device.upload(part.dst, part.src)
		}
		u.free <- part.src[:u.size]
	}
	u.done <- failed
}

// add packs a weight.
func (u *uploads) add(w *weight, data []byte) error {
	n := tiles(w.rows)
	size := int(packedBytes(w.t, w.rows, w.cols)) / n // of a tile
	if size > u.size {
		return fmt.Errorf("rows of %d values are too long for the GPU: use -b cpu", w.cols)
	}
	at := w.at
	for from := 0; from < n; {
		to := min(from+u.size/size, n)
		buffer := <-u.free
		part := buffer[:(to-from)*size]
		packTiles(part, w.t, data, w.rows, w.cols, from, to)
		u.full <- parcel{at, part}
		at += pointer(len(part))
		from = to
	}
	return nil
}

// close waits until everything is on the device.
func (u *uploads) close() error {
	close(u.full)
	err := <-u.done
	u.release()
	return err
}

func (u *uploads) release() {
	for _, p := range u.pinned {
		u.device.unpin(p)
	}
	u.device.close()
}
