package metal

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"orthrus/gguf"
	"orthrus/quant"
)

// verify computes some products of a type on the device, of sums as large as they can be and of random ones, and holds them
// against quant.MatMul. What the kernels take for granted and Apple does not document is so put to the test: how 8x8 matrices
// lie in registers, and that their products are exact. Where they are not, rows go two by two. Where even these differ, the
// device is of no use.
func (b *Backend) verify(t gguf.Type) error {
	const rows, cols = 21, 512
	random := rand.New(rand.NewPCG(1, 2))
	signs := make([]float32, cols)
	for i := range signs {
		signs[i] = float32(2*random.IntN(2) - 1)
	}
	fill := func(n int) []float32 { // every other row is signs
		x := make([]float32, n*cols)
		for i := range x {
			if x[i] = signs[i%cols]; i/cols%2 == 1 {
				x[i] = float32(random.NormFloat64())
			}
		}
		return x
	}
	size, err := t.RowBytes(cols)
	if err != nil {
		return err
	}
	w := make([]byte, rows*size)
	quant.Quantize(t, w, fill(rows))
	for _, inputs := range []int{1, 2, 8, 9, 17, 33} {
		x := fill(inputs)
		var a quant.Act
		a.Reset(t, inputs, cols)
		for i := range inputs {
			a.Set(i, x[i*cols:][:cols])
		}
		want := make([]float32, inputs*rows)
		quant.MatMul(want, rows, t, w, cols, 0, rows, &a, false)
		got, err := b.multiply(t, w, x, rows, cols, inputs)
		if err != nil {
			return err
		}
		if slices.Equal(got, want) {
			continue
		}
		if inputs <= 2 || quant.FormOf(t) == quant.FormFloat {
			return fmt.Errorf("%s multiplies %v otherwise than it must: use -b cpu", b.device.properties().name, t)
		}
		b.exact = false
		return nil
	}
	return nil
}

// multiply computes one product of rows of x on the device.
func (b *Backend) multiply(t gguf.Type, w []byte, x []float32, rows, cols, inputs int) ([]float32, error) {
	queue, err := b.device.queue()
	if err != nil {
		return nil, err
	}
	defer queue.close()
	var places []binding
	q, scales, sums := actBytes(quant.FormOf(t), inputs, cols)
	dst := make([]float32, inputs*rows)
	for _, bytes := range [][]byte{w, bytesOf(x), bytesOf(dst), make([]byte, max(4, q+scales+sums))} {
		m, err := b.device.alloc(int64(len(bytes)))
		if err != nil {
			return nil, err
		}
		defer m.release()
		copy(m.bytes(), bytes)
		places = append(places, at(m, 0))
	}
	in := input{floats: matrix{places[1], inputs, cols}}
	l := list{device: b.device}
	if f := quant.FormOf(t); f != quant.FormFloat {
		in.acts = newActs(f, places[3].buffer, inputs, cols)
		quantize(&l, in.acts, in.floats)
	}
	products(&l, in, false, true, []product{{&weight{t: t, rows: rows, cols: cols, at: places[0]}, matrix{places[2], inputs, rows}}})
	if l.err != nil {
		return nil, l.err
	}
	if err := queue.run(l.all); err != nil {
		return nil, err
	}
	err = queue.wait()
	copy(dst, floatsOf(places[2].buffer.bytes()))
	return dst, err
}
