package gguf

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// everyValue has an entry of every scalar and every array type.
var everyValue = Metadata{
	{"uint8", uint8(200)}, {"int8", int8(-100)}, {"uint16", uint16(60000)}, {"int16", int16(-30000)},
	{"uint32", uint32(4e9)}, {"int32", int32(-2e9)}, {"uint64", uint64(math.MaxUint64)}, {"int64", int64(math.MinInt64)},
	{"float32", float32(0.1)}, {"float64", math.Pi}, {"true", true}, {"false", false}, {"string", "héllo\x00\n"},
	{"uint8s", []uint8{1, 2, 3}}, {"int8s", []int8{-1}}, {"uint16s", []uint16{7, 8}}, {"int16s", []int16{-7, 8}},
	{"uint32s", []uint32{9}}, {"int32s", []int32{-9, 0, 9}}, {"uint64s", []uint64{1, math.MaxUint64}}, {"int64s", []int64{math.MinInt64, 5}},
	{"float32s", []float32{1, -2.5}}, {"float64s", []float64{1e300}}, {"bools", []bool{true, false, true}},
	{"strings", []string{"a", "", "ccc"}}, {"no strings", []string{}}, {"no floats", []float32{}},
}

func TestNumbers(t *testing.T) {
	md := everyValue
	for key, want := range map[string]uint64{"uint8": 200, "uint16": 60000, "uint32": 4e9, "uint64": math.MaxUint64} {
		if got, err := md.Uint(key); got != want || err != nil {
			t.Errorf("Uint(%q) = %d, %v, want %d", key, got, err, want)
		}
	}
	if got, err := (Metadata{{"n", int32(5)}}).Uint("n"); got != 5 || err != nil {
		t.Errorf("Uint of an int32: %d, %v", got, err)
	}
	for key, want := range map[string]float64{
		"uint8": 200, "int8": -100, "uint64": 1 << 64, "int64": -1 << 63, "float32": float64(float32(0.1)), "float64": math.Pi,
	} {
		if got, err := md.Float(key); got != want || err != nil {
			t.Errorf("Float(%q) = %v, %v, want %v", key, got, err, want)
		}
	}
	for key, want := range map[string][]int64{
		"uint8s": {1, 2, 3}, "int8s": {-1}, "uint16s": {7, 8}, "int16s": {-7, 8}, "uint32s": {9}, "int32s": {-9, 0, 9},
		"int64s": {math.MinInt64, 5},
	} {
		if got, err := md.Ints(key); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("Ints(%q) = %v, %v, want %v", key, got, err, want)
		}
	}
}

func TestTexts(t *testing.T) {
	if got, err := everyValue.Text("string"); got != "héllo\x00\n" || err != nil {
		t.Errorf("Text: %q, %v", got, err)
	}
	if got, err := everyValue.Texts("strings"); !reflect.DeepEqual(got, []string{"a", "", "ccc"}) || err != nil {
		t.Errorf("Texts: %q, %v", got, err)
	}
	for key, want := range map[string]bool{"true": true, "false": false} {
		if got, err := everyValue.Bool(key); got != want || err != nil {
			t.Errorf("Bool(%q) = %v, %v", key, got, err)
		}
	}
}

// TestMismatch asks for values of the wrong type: the errors name the key and, but for values out of range, both types.
func TestMismatch(t *testing.T) {
	md := everyValue
	ask := map[string]func(key string) error{
		"Uint":  func(key string) error { _, err := md.Uint(key); return err },
		"Float": func(key string) error { _, err := md.Float(key); return err },
		"Text":  func(key string) error { _, err := md.Text(key); return err },
		"Bool":  func(key string) error { _, err := md.Bool(key); return err },
		"Texts": func(key string) error { _, err := md.Texts(key); return err },
		"Ints":  func(key string) error { _, err := md.Ints(key); return err },
	}
	for _, c := range [][3]string{
		{"Uint", "int8", `metadata key "int8" is -100, want a non-negative integer`},
		{"Uint", "float32", `metadata key "float32" is of type float32, want an integer`},
		{"Uint", "true", `metadata key "true" is of type bool, want an integer`},
		{"Uint", "uint32s", `metadata key "uint32s" is of type []uint32, want an integer`},
		{"Float", "string", `metadata key "string" is of type string, want a number`},
		{"Text", "uint8", `metadata key "uint8" is of type uint8, want string`},
		{"Text", "strings", `metadata key "strings" is of type []string, want string`},
		{"Bool", "uint8", `metadata key "uint8" is of type uint8, want bool`},
		{"Texts", "string", `metadata key "string" is of type string, want []string`},
		{"Ints", "uint32", `metadata key "uint32" is of type uint32, want an array of integers`},
		{"Ints", "float32s", `metadata key "float32s" is of type []float32, want an array of integers`},
		{"Ints", "no strings", `metadata key "no strings" is of type []string, want an array of integers`},
		{"Ints", "uint64s", `metadata key "uint64s": element 1 is 18446744073709551615, above the range of int64`},
	} {
		if err := ask[c[0]](c[1]); err == nil || err.Error() != c[2] {
			t.Errorf("%s(%q): %v, want %s", c[0], c[1], err, c[2])
		}
	}
	for name, f := range ask {
		if err := f("absent"); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), `"absent"`) {
			t.Errorf("%s of a missing key: %v", name, err)
		}
	}
}

func TestSet(t *testing.T) {
	var md Metadata
	md.Set("a", uint8(1))
	md.Set("b", "x")
	md.Set("a", true)
	if want := (Metadata{{"a", true}, {"b", "x"}}); !reflect.DeepEqual(md, want) {
		t.Errorf("%v, want %v", md, want)
	}
}
