package metal

import "unsafe"

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
