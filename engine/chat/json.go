package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// decode reads a JSON value; objects keep the order of their keys.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return decodeValue(d)
}

func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		if i, err := strconv.Atoi(string(t)); err == nil {
			return i, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			list := []any{}
			for d.More() {
				v, err := decodeValue(d)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := d.Token()
			return list, err
		}
		dict := exec.NewDict()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			dict.Pairs = append(dict.Pairs, &exec.Pair{Key: exec.AsValue(key), Value: exec.AsValue(v)})
		}
		_, err := d.Token()
		return dict, err
	}
	return token, nil
}

// toJSON is the filter tojson as transformers defines it: Python's json.dumps with ensure_ascii=False.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	indent := -1
	if v, ok := params.KwArgs["indent"]; ok && v.IsInteger() {
		indent = v.Integer()
	}
	var b strings.Builder
	if err := writeJSON(&b, in, indent, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(b.String())
}

func writeJSON(b *strings.Builder, v *exec.Value, indent, depth int) error {
	if depth > 100 {
		return fmt.Errorf("tojson: more than 100 levels")
	}
	line := func(depth int) {
		if indent >= 0 {
			b.WriteString("\n" + strings.Repeat(" ", min(indent, 16)*depth))
		}
	}
	comma := ", "
	if indent >= 0 {
		comma = ","
	}
	switch {
	case v.IsNil():
		b.WriteString("null")
	case v.IsBool():
		b.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsString():
		writeString(b, v.String())
	case v.IsInteger(), v.IsFloat():
		b.WriteString(v.String())
	case v.IsDict():
		if v.Len() == 0 {
			b.WriteString("{}")
			return nil
		}
		b.WriteByte('{')
		var err error
		v.Iterate(func(i, _ int, key, value *exec.Value) bool {
			if i > 0 {
				b.WriteString(comma)
			}
			line(depth + 1)
			writeString(b, key.String())
			b.WriteString(": ")
			err = writeJSON(b, value, indent, depth+1)
			return err == nil
		}, func() {})
		line(depth)
		b.WriteByte('}')
		return err
	case v.Val.Kind() == reflect.Slice:
		if v.Len() == 0 {
			b.WriteString("[]")
			return nil
		}
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(comma)
			}
			line(depth + 1)
			if err := writeJSON(b, v.Index(i), indent, depth+1); err != nil {
				return err
			}
		}
		line(depth)
		b.WriteByte(']')
	default:
		return fmt.Errorf("tojson: cannot write %s", v.Val.Type())
	}
	return nil
}

func writeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if c < 0x20 {
				fmt.Fprintf(b, `\u%04x`, c)
			} else {
				b.WriteRune(c)
			}
		}
	}
	b.WriteByte('"')
}
