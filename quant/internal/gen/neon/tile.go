package neon

// A tile holds a group, up to 256 values, of 8 weight rows, unpacked to int8. Rows are taken four at a time, a
// quad. Its vectors of values, scales and minimums are arranged so that one instruction multiplies:
//
//   - For SDOT by an element, a vector of values has 4 values of each of the quad's rows, and a quad of numbers
//     (scales) is one vector.
//   - For SMMLA, a vector has 8 values of each of two rows, and a quad of numbers is two vectors, of which each
//     number fills two lanes: a vector of results has two rows by two activation rows.
//
// Values stand at the beginning, in 16 steps of 16 values, of which each quad has 4 vectors. In bytes:
const (
	stepSize = 128
	quadSize = 64 // a quad's part of a step

	tileD     = 16 * stepSize // k types: scale of the block, two quads
	tileDmin  = tileD + 64    // q4_k, q5_k: scale of the minimums, two quads
	tileMin   = tileDmin + 64 // q4_k, q5_k: for each quad 64 bytes, see storeMins
	tileScale = tileMin + 128 // q8_0, q4_0: for every 32 values, float32; k types: for every 32 or 16, int32; two quads
	tileSize  = tileScale + 1024
)

// numbers is the bytes of a quad of numbers.
func (w *writer) numbers() int {
	if w.mm {
		return 32
	}
	return 16
}

// transpose transposes the 4x4 dwords of the registers x to x+3, by way of t to t+3.
func (w *writer) transpose(x, t v) {
	w.s4("VTRN1", x+1, x, t)
	w.s4("VTRN2", x+1, x, t+1)
	w.s4("VTRN1", x+3, x+2, t+2)
	w.s4("VTRN2", x+3, x+2, t+3)
	w.d2("VTRN1", t+2, t, x)
	w.d2("VTRN1", t+3, t+1, x+1)
	w.d2("VTRN2", t+2, t, x+2)
	w.d2("VTRN2", t+3, t+1, x+3)
}

// arrange brings 16 bytes of each row of a quad, in the registers x to x+3, to the order of a step, by way of t to
// t+3, and returns the first register of the result.
func (w *writer) arrange(x, t v) v {
	if !w.mm {
		w.transpose(x, t)
		return x
	}
	w.d2("VZIP1", x+1, x, t)
	w.d2("VZIP1", x+3, x+2, t+1)
	w.d2("VZIP2", x+1, x, t+2)
	w.d2("VZIP2", x+3, x+2, t+3)
	return t
}

// storeNumbers stores a quad of numbers, one a lane of x, using t and t+1.
func (w *writer) storeNumbers(x, t v, offset int, address r) {
	if !w.mm {
		w.op("FMOVQ", x, at(offset, address))
		return
	}
	w.s4("VZIP1", x, x, t)
	w.s4("VZIP2", x, x, t+1)
	w.op("FSTPQ", pair(t, t+1), at(offset, address))
}

// storeStep stores a quad's vectors.
func (w *writer) storeStep(x v, step int, address r) {
	w.op("FSTPQ", pair(x, x+1), at(step*stepSize, address))
	w.op("FSTPQ", pair(x+2, x+3), at(step*stepSize+32, address))
}
