package jinja

// A stmt is a statement.
type stmt interface {
	run(s *state, v *scope) signal
}

// A signal says where a statement leaves the loop around it.
type signal int

const (
	proceed signal = iota
	toNext
	toEnd
)

func (s *state) run(list []stmt, v *scope) signal {
	for _, st := range list {
		s.work(nodeWork)
		if sig := st.run(s, v); sig != proceed {
			return sig
		}
	}
	return proceed
}

// A scope holds the variables of the template, of one turn of a loop, of a call
// of a macro or of a captured block. If statements have none of their own.
type scope struct {
	outer     *scope
	variables map[string]Value
}

func newScope(outer *scope) *scope { return &scope{outer, map[string]Value{}} }

// inner opens a scope inside another one.
func (s *state) inner(outer *scope) *scope {
	s.work(scopeWork)
	return newScope(outer)
}

func (v *scope) set(name string, value Value) { v.variables[name] = value }

func (s *state) lookup(name string, v *scope) Value {
	for ; v != nil; v = v.outer {
		s.work(nodeWork)
		if value, ok := v.variables[name]; ok {
			return value
		}
	}
	return undefined{name}
}

type (
	data       string
	generation []stmt
	jump       bool // break, or else continue
	output     struct {
		line  int
		value expr
	}
	ifStmt struct {
		branches  []branch
		otherwise []stmt
	}
	branch struct {
		line      int
		condition expr
		body      []stmt
	}
	setStmt struct {
		line  int
		to    target
		value expr
		body  []stmt // what is captured where there is no value
	}
	target struct {
		names     []string
		unpack    bool
		attribute string // of the namespace names[0]
	}
	macroStmt struct {
		line       int
		name       string
		parameters []string
		defaults   []expr // nil where there is none
		body       []stmt
	}
	filterStmt struct {
		line  int
		body  []stmt
		value expr // filters over text
	}
)

func (d data) run(s *state, _ *scope) signal {
	s.out.add(string(d))
	return proceed
}

func (g generation) run(s *state, v *scope) signal { return s.run(g, s.inner(v)) }

func (j jump) run(*state, *scope) signal {
	if j {
		return toEnd
	}
	return toNext
}

func (o output) run(s *state, v *scope) signal {
	s.line = o.line
	s.out.add(s.text(s.eval(o.value, v)))
	return proceed
}

func (st ifStmt) run(s *state, v *scope) signal {
	for _, b := range st.branches {
		s.line = b.line
		if truth(s.eval(b.condition, v)) {
			return s.run(b.body, v)
		}
	}
	return s.run(st.otherwise, v)
}

func (st setStmt) run(s *state, v *scope) signal {
	s.line = st.line
	if st.value == nil {
		text := s.capture(func() { s.run(st.body, s.inner(v)) })
		s.line = st.line
		s.assign(st.to, v, text)
		return proceed
	}
	s.assign(st.to, v, s.eval(st.value, v))
	return proceed
}

func (s *state) assign(to target, v *scope, value Value) {
	switch {
	case to.attribute != "":
		of := s.lookup(to.names[0], v)
		ns, ok := of.(*namespace)
		if !ok {
			s.fail("cannot set '%s' of %s: only namespaces change", to.attribute, describe(of))
		}
		s.work(pairWork)
		ns.attributes.Set(to.attribute, value)
	case to.unpack:
		list := s.list(value)
		if len(list) != len(to.names) {
			s.fail("cannot assign %d values to %d names", len(list), len(to.names))
		}
		for i, name := range to.names {
			v.set(name, list[i])
		}
	default:
		v.set(to.names[0], value)
	}
}

func (st *macroStmt) run(s *state, v *scope) signal {
	v.set(st.name, function(func(s *state, a arguments) Value {
		s.enter()
		defer s.leave()
		line := s.line
		inner := s.inner(v)
		for i, value := range s.take(st.name, a, 0, st.parameters...) {
			if _, missing := value.(undefined); missing && st.defaults[i] != nil {
				value = s.eval(st.defaults[i], inner)
			}
			inner.set(st.parameters[i], value)
		}
		text := s.capture(func() { s.run(st.body, inner) })
		s.line = line
		return text
	}))
	return proceed
}

func (st *filterStmt) run(s *state, v *scope) signal {
	text := s.capture(func() { s.run(st.body, s.inner(v)) })
	s.line = st.line
	inner := s.inner(v)
	inner.set("", text)
	s.out.add(s.text(s.eval(st.value, inner)))
	return proceed
}
