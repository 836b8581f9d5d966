package gguf

import (
	"errors"
	"fmt"
	"math"
	"reflect"
)

// KV is one metadata entry. Value is a uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64,
// bool or string, or a slice of one of them.
type KV struct {
	Key   string
	Value any
}

// Metadata holds the entries in file order. Keys are unique.
type Metadata []KV

// ErrMissing is wrapped by the errors for a key that is not there.
var ErrMissing = errors.New("missing")

// Lookup returns the value of key.
func (m Metadata) Lookup(key string) (any, bool) {
	for _, kv := range m {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return nil, false
}

// Set replaces the value of key, or appends the entry.
func (m *Metadata) Set(key string, value any) {
	for i := range *m {
		if (*m)[i].Key == key {
			(*m)[i].Value = value
			return
		}
	}
	*m = append(*m, KV{key, value})
}

// Uint returns a non-negative integer of any integer type.
func (m Metadata) Uint(key string) (uint64, error) {
	value, ok := m.Lookup(key)
	v := reflect.ValueOf(value)
	switch {
	case !ok:
		return 0, missing(key)
	case v.CanUint():
		return v.Uint(), nil
	case v.CanInt() && v.Int() >= 0:
		return uint64(v.Int()), nil
	case v.CanInt():
		return 0, fmt.Errorf("metadata key %q is %d, want a non-negative integer", key, v.Int())
	}
	return 0, mismatch(key, value, "an integer")
}

// Float returns a float32, a float64 or an integer.
func (m Metadata) Float(key string) (float64, error) {
	value, ok := m.Lookup(key)
	v := reflect.ValueOf(value)
	switch {
	case !ok:
		return 0, missing(key)
	case v.CanFloat():
		return v.Float(), nil
	case v.CanUint():
		return float64(v.Uint()), nil
	case v.CanInt():
		return float64(v.Int()), nil
	}
	return 0, mismatch(key, value, "a number")
}

// Text returns a string.
func (m Metadata) Text(key string) (string, error) { return get[string](m, key) }

// Bool returns a bool.
func (m Metadata) Bool(key string) (bool, error) { return get[bool](m, key) }

// Texts returns an array of strings. It is the entry's own slice.
func (m Metadata) Texts(key string) ([]string, error) { return get[[]string](m, key) }

// Ints returns an array of any integer type. Values above the range of int64 are an error.
func (m Metadata) Ints(key string) ([]int64, error) {
	value, ok := m.Lookup(key)
	if !ok {
		return nil, missing(key)
	}
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		return nil, mismatch(key, value, "an array of integers")
	}
	if e := reflect.Zero(v.Type().Elem()); !e.CanInt() && !e.CanUint() {
		return nil, mismatch(key, value, "an array of integers")
	}
	ints := make([]int64, v.Len())
	for i := range ints {
		e := v.Index(i)
		switch {
		case e.CanInt():
			ints[i] = e.Int()
		case e.Uint() <= math.MaxInt64:
			ints[i] = int64(e.Uint())
		default:
			return nil, fmt.Errorf("metadata key %q: element %d is %d, above the range of int64", key, i, e.Uint())
		}
	}
	return ints, nil
}

func get[T any](m Metadata, key string) (T, error) {
	value, ok := m.Lookup(key)
	v, is := value.(T)
	switch {
	case !ok:
		return v, missing(key)
	case !is:
		return v, mismatch(key, value, reflect.TypeFor[T]().String())
	}
	return v, nil
}

func missing(key string) error {
	return fmt.Errorf("metadata key %q: %w", key, ErrMissing)
}

func mismatch(key string, value any, want string) error {
	return fmt.Errorf("metadata key %q is of type %T, want %s", key, value, want)
}
