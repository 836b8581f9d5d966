package jinja

type forStmt struct {
	line      int
	to        target
	over      expr
	condition expr // which elements count; nil for all
	body      []stmt
	otherwise []stmt // for no elements
}

func (st *forStmt) run(s *state, v *scope) signal {
	s.line = st.line
	list := s.list(s.eval(st.over, v))
	if st.condition != nil {
		var kept List
		for _, e := range list {
			inner := s.inner(v)
			s.assign(st.to, inner, e)
			if truth(s.eval(st.condition, inner)) {
				s.work(elementWork)
				kept = append(kept, e)
			}
		}
		list = kept
	}
	if len(list) == 0 {
		return s.run(st.otherwise, v)
	}
	l := &loop{list: list}
	for i, e := range list {
		l.index = i
		inner := s.inner(v)
		inner.set("loop", l)
		s.line = st.line
		s.assign(st.to, inner, e)
		if s.run(st.body, inner) == toEnd {
			break
		}
	}
	return proceed
}

// A loop is the variable loop inside a for statement.
type loop struct {
	list  List
	index int   // from 0
	last  Value // the arguments of the last call of changed
}

func (l *loop) attribute(name string) Value {
	switch name {
	case "index":
		return int64(l.index + 1)
	case "index0":
		return int64(l.index)
	case "revindex":
		return int64(len(l.list) - l.index)
	case "revindex0":
		return int64(len(l.list) - l.index - 1)
	case "first":
		return l.index == 0
	case "last":
		return l.index == len(l.list)-1
	case "length":
		return int64(len(l.list))
	case "depth": // of recursive loops, which are not supported
		return int64(1)
	case "depth0":
		return int64(0)
	case "previtem":
		if l.index > 0 {
			return l.list[l.index-1]
		}
	case "nextitem":
		if l.index < len(l.list)-1 {
			return l.list[l.index+1]
		}
	case "cycle":
		return function(func(s *state, a arguments) Value {
			if len(a.list) == 0 {
				s.fail("cycle takes arguments")
			}
			return a.list[l.index%len(a.list)]
		})
	case "changed":
		return function(func(s *state, a arguments) Value {
			if last, ok := l.last.(List); ok && s.equal(last, a.list) {
				return false
			}
			l.last = a.list
			return true
		})
	}
	return undefined{name}
}
