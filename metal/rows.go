package metal

// outputs are where an operation on rows leaves them: as floats, as activations, or as both.
type outputs struct {
	floats matrix
	acts   acts
}

// rowArgs is struct RowArgs of rows.h.
type rowArgs struct {
	width, floats, form int32
	eps                 float32
}

func (o outputs) args(width int) rowArgs {
	return rowArgs{width: int32(width), floats: flag(o.floats.at.buffer != nil), form: int32(o.acts.form)}
}

// bindings are the places of the floats and of the activations; of what is not wanted, some other place.
func (o outputs) bindings(other binding) []binding {
	list := []binding{o.floats.at, o.acts.q, o.acts.scales, o.acts.sums}
	for i, b := range list {
		if b.buffer == nil {
			list[i] = other
		}
	}
	return list
}

// norm is the RMS norm of src times w, row by row.
func norm(l *list, out outputs, src matrix, w binding, eps float32) {
	a := out.args(src.cols)
	a.eps = eps
	threads := l.most("norm", simd*min(ceil(src.cols, 256), 32))
	launch(l, "norm", [3]int{src.rows, 1, 1}, threads, a, append([]binding{src.at, w}, out.bindings(src.at)...)...)
}

// gate is silu(gated) * up.
func gate(l *list, out outputs, gated, up matrix) {
	groups := [3]int{ceil(gated.cols, 256), gated.rows, 1}
	launch(l, "gate", groups, simd, out.args(gated.cols), append([]binding{gated.at, up.at}, out.bindings(up.at)...)...)
}
