package jinja

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DecodeJSON reads one JSON value. Objects keep the order of their keys, and
// integers that do not fit into an int64 become floats.
func DecodeJSON(text []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decode(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func decode(d *json.Decoder, depth int) (Value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("JSON nested more than %d deep", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(string(t), 10, 64); err == nil {
			return i, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			return decodeArray(d, depth)
		}
		return decodeObject(d, depth)
	}
	return t, nil
}

func decodeArray(d *json.Decoder, depth int) (Value, error) {
	list := List{}
	for d.More() {
		v, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func decodeObject(d *json.Decoder, depth int) (Value, error) {
	object := &Dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		object.Set(key, v)
	}
	_, err := d.Token()
	return object, err
}

// toJSON is the filter tojson of transformers: Python's json.dumps with
// ensure_ascii=False.
func toJSON(s *state, v Value, a arguments) Value {
	args := s.take("tojson", a, 0, "ensure_ascii", "indent", "separators", "sort_keys")
	e := encoder{
		builder: builder{state: s},
		ascii:   truth(args[0]),
		sort:    truth(args[3]),
		comma:   ", ",
		colon:   ": ",
	}
	switch width := args[1].(type) {
	case nil, undefined:
	case string:
		e.lines, e.indent = true, width
	default:
		e.lines, e.indent = true, strings.Repeat(" ", s.times(s.intOr(width, 0), 1))
	}
	if e.lines {
		e.comma = ","
	}
	if pair, ok := args[2].(List); ok && len(pair) == 2 {
		e.comma, e.colon = s.str(pair[0]), s.str(pair[1])
	}
	e.value(v)
	return e.String()
}

// An encoder writes JSON as Python's json.dumps does.
type encoder struct {
	builder
	ascii, sort, lines   bool
	indent, comma, colon string
	depth                int
}

func (e *encoder) value(v Value) {
	e.state.enter()
	defer e.state.leave()
	switch v := v.(type) {
	case nil:
		e.add("null")
	case bool:
		e.add(strconv.FormatBool(v))
	case int64:
		e.add(strconv.FormatInt(v, 10))
	case float64:
		e.float(v)
	case string:
		e.string(v)
	case List:
		e.sequence("[", "]", len(v), func(i int) { e.value(v[i]) })
	case *Dict:
		keys := v.keys
		if e.sort {
			keys = slices.SortedFunc(slices.Values(keys), e.state.compare)
		}
		e.sequence("{", "}", len(keys), func(i int) {
			e.string(e.state.text(keys[i]))
			e.add(e.colon)
			e.value(v.values[keys[i]])
		})
	default:
		e.state.fail("tojson cannot write %s", describe(v))
	}
}

func (e *encoder) sequence(open, end string, n int, element func(i int)) {
	e.add(open)
	e.depth++
	for i := range n {
		if i > 0 {
			e.add(e.comma)
		}
		e.line()
		element(i)
	}
	e.depth--
	if n > 0 {
		e.line()
	}
	e.add(end)
}

func (e *encoder) line() {
	if e.lines {
		e.add("\n")
		for range e.depth {
			e.add(e.indent)
		}
	}
}

func (e *encoder) float(f float64) {
	switch {
	case math.IsNaN(f):
		e.add("NaN")
	case math.IsInf(f, 1):
		e.add("Infinity")
	case math.IsInf(f, -1):
		e.add("-Infinity")
	default:
		e.add(floatText(f))
	}
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (e *encoder) string(text string) {
	e.add(`"`)
	plain := 0 // where the text starts that is not yet written
	for i, r := range text {
		var escape string
		switch {
		case r == '"', r == '\\', r < ' ':
			escape = jsonEscapes[r]
			if escape == "" {
				escape = `\u` + hex(r, 4)
			}
		case e.ascii && r > 0xffff:
			escape = `\u` + hex(0xd800+(r-0x10000)>>10, 4) + `\u` + hex(0xdc00+(r-0x10000)&0x3ff, 4)
		case e.ascii && r > '~':
			escape = `\u` + hex(r, 4)
		default:
			continue
		}
		e.add(text[plain:i])
		e.add(escape)
		_, size := utf8.DecodeRuneInString(text[i:])
		plain = i + size
	}
	e.add(text[plain:])
	e.add(`"`)
}
