package jinja

import (
	"math"
	"strings"
)

// binary computes a op b for the operators of arithmetic and ~.
func (s *state) binary(op string, a, b Value) Value {
	if op == "~" {
		return s.concat(s.text(a), s.text(b))
	}
	i, f, isInt, ok := number(a)
	j, g, isInt2, ok2 := number(b)
	switch {
	case ok && ok2 && isInt && isInt2 && op != "/":
		return s.integers(op, i, j)
	case ok && ok2:
		return s.floats(op, f, g)
	case op == "+":
		switch x := a.(type) {
		case string:
			if y, ok := b.(string); ok {
				return s.concat(x, y)
			}
		case List:
			if y, ok := b.(List); ok {
				s.work(elementWork * (len(x) + len(y)))
				return append(append(make(List, 0, len(x)+len(y)), x...), y...)
			}
		}
	case op == "*" && isInt2:
		switch x := a.(type) {
		case string:
			return strings.Repeat(x, s.times(j, len(x)))
		case List:
			n := s.times(j, elementWork*len(x))
			list := make(List, 0, n*len(x))
			for range n {
				list = append(list, x...)
			}
			return list
		}
	case op == "*" && isInt:
		return s.binary(op, b, a)
	}
	s.fail("cannot compute %s %s %s", describe(a), op, describe(b))
	return nil
}

func (s *state) concat(a, b string) string {
	s.work(len(a) + len(b))
	return a + b
}

// times counts the work of n copies of something.
func (s *state) times(n int64, work int) int {
	if n <= 0 || work == 0 {
		return 0
	}
	if n > int64(s.left/work) {
		s.work(s.left + 1) // which is too much
	}
	s.work(int(n) * work)
	return int(n)
}

// integers computes with integers, which must not grow beyond 64 bits.
func (s *state) integers(op string, a, b int64) Value {
	var c int64
	exact := true
	switch op {
	case "+":
		c = a + b
		exact = (c > a) == (b > 0)
	case "-":
		c = a - b
		exact = (c < a) == (b > 0)
	case "*":
		c, exact = multiply(a, b)
	case "**":
		if b < 0 {
			return s.floats(op, float64(a), float64(b))
		}
		c = 1
		for square := a; ; {
			if b&1 != 0 {
				var fits bool
				c, fits = multiply(c, square)
				exact = exact && fits
			}
			if b >>= 1; b == 0 || !exact {
				break
			}
			square, exact = multiply(square, square)
		}
	default: // "//" and "%", which round down
		if b == 0 {
			s.fail("cannot divide by zero")
		}
		if b == -1 { // the one quotient that may not fit
			if op == "%" {
				return int64(0)
			}
			return s.integers("-", 0, a)
		}
		quotient, rest := a/b, a%b
		if rest != 0 && (rest < 0) != (b < 0) {
			quotient--
			rest += b
		}
		if op == "%" {
			return rest
		}
		return quotient
	}
	if !exact {
		s.fail("%d %s %d does not fit into 64 bits", a, op, b)
	}
	return c
}

func multiply(a, b int64) (c int64, exact bool) {
	c = a * b
	return c, a == 0 || c/a == b && !(a == -1 && b == math.MinInt64)
}

func (s *state) floats(op string, a, b float64) Value {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "**":
		return math.Pow(a, b)
	}
	if b == 0 {
		s.fail("cannot divide by zero")
	}
	switch op {
	case "/":
		return a / b
	case "//":
		return math.Floor(a / b)
	}
	rest := math.Mod(a, b)
	if rest != 0 && (rest < 0) != (b < 0) {
		rest += b
	}
	return rest
}

// negative is -v.
func (s *state) negative(v Value) Value {
	if f, ok := v.(float64); ok {
		return -f
	}
	if _, _, isInt, _ := number(v); !isInt {
		s.fail("cannot negate %s", describe(v))
	}
	return s.binary("-", int64(0), v)
}
