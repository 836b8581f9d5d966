package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// object is a JSON object whose fields are taken one by one, under their exact
// names. The first thing wrong is kept in err; every getter is safe to call
// after it. A field that is null counts as absent, as it does in Python.
type object struct {
	fields map[string]json.RawMessage
	err    error
}

// parseObject reads a whole JSON object. Nesting is bounded by encoding/json.
func parseObject(data []byte) (*object, error) {
	o := &object{}
	if err := json.Unmarshal(data, &o.fields); err != nil {
		return nil, describeJSON(err)
	}
	if o.fields == nil {
		return nil, errors.New("null where a JSON object is expected")
	}
	return o, nil
}

// describeJSON says in terms of the file, not of Go, what is wrong.
func describeJSON(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s: unexpected JSON %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("unexpected JSON %s", kind.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: %v at byte %d", syntax, syntax.Offset)
	}
	return err
}

func (o *object) fail(key, format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(key+": "+format, args...)
	}
}

func (o *object) has(key string) bool {
	raw, ok := o.fields[key]
	return ok && !bytes.Equal(raw, []byte("null"))
}

// decode stores a field in v and tells whether it is there and fits.
func (o *object) decode(key string, v any) bool {
	if !o.has(key) {
		return false
	}
	if err := json.Unmarshal(o.fields[key], v); err != nil {
		o.fail(key, "%w", describeJSON(err))
		return false
	}
	return true
}

// count is a required whole number from 1 to limit; 1 after an error.
func (o *object) count(key string, limit int) int {
	var n int64
	switch {
	case !o.has(key):
		o.fail(key, "missing")
	case !o.decode(key, &n):
	case n < 1 || n > int64(limit):
		o.fail(key, "%d is outside 1 to %d", n, limit)
	default:
		return int(n)
	}
	return 1
}

// positive is a required number above zero that a float32 holds.
func (o *object) positive(key string) float64 {
	var f float64
	switch {
	case !o.has(key):
		o.fail(key, "missing")
	case !o.decode(key, &f):
	case !(f >= math.SmallestNonzeroFloat32 && f <= math.MaxFloat32):
		o.fail(key, "%g is not a positive number", f)
	default:
		return f
	}
	return 1
}

// within is an optional number from low to high; nil where it is absent.
func (o *object) within(key string, low, high float64) *float64 {
	var f float64
	if !o.decode(key, &f) {
		return nil
	}
	if !(f >= low && f <= high) {
		o.fail(key, "%g is outside %g to %g", f, low, high)
		return nil
	}
	return &f
}

func (o *object) flag(key string) (b bool) {
	o.decode(key, &b)
	return b
}

func (o *object) text(key string) (s string) {
	o.decode(key, &s)
	return s
}

// child is an object inside the object; nil where it is absent.
func (o *object) child(key string) *object {
	if !o.has(key) {
		return nil
	}
	c, err := parseObject(o.fields[key])
	if err != nil {
		o.fail(key, "%w", err)
		return nil
	}
	return c
}

// tokens is a token id or a list of them, each below rows.
func (o *object) tokens(key string, rows int) []uint32 {
	if !o.has(key) {
		return nil
	}
	var ids []int64
	if o.fields[key][0] == '[' {
		o.decode(key, &ids)
	} else {
		ids = make([]int64, 1)
		o.decode(key, &ids[0])
	}
	var out []uint32
	for _, id := range ids {
		if id < 0 || id >= int64(rows) {
			o.fail(key, "token %d is outside the vocabulary of %d", id, rows)
			return nil
		}
		out = append(out, uint32(id))
	}
	return out
}
