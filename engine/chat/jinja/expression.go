package jinja

// An expr is a node of an expression. Nodes are evaluated by state.eval, which
// counts them.
type expr interface {
	eval(s *state, v *scope) Value
}

func (s *state) eval(e expr, v *scope) Value {
	s.work(nodeWork)
	return e.eval(s, v)
}

// evalOptional is nil where there is no expression.
func (s *state) evalOptional(e expr, v *scope) Value {
	if e == nil {
		return nil
	}
	return s.eval(e, v)
}

func (s *state) evalAll(list []expr, v *scope) List {
	s.work(elementWork * len(list))
	values := make(List, len(list))
	for i, e := range list {
		values[i] = s.eval(e, v)
	}
	return values
}

type (
	literal   struct{ value Value }
	name      string
	listExpr  []expr
	dictExpr  []struct{ key, value expr }
	attribute struct {
		of   expr
		name string
	}
	item  struct{ of, key expr }
	slice struct{ of, start, stop, step expr }
	call  struct {
		f    expr
		args callArgs
	}
	filterCall struct {
		of   expr
		f    filter
		args callArgs
	}
	testCall struct {
		of   expr
		f    test
		args []expr
	}
	not  struct{ of expr }
	sign struct {
		negative bool
		of       expr
	}
	logical struct {
		or   bool
		a, b expr
	}
	operated struct {
		op   string
		a, b expr
	}
	compared struct {
		first expr
		rest  []operand
	}
	operand struct {
		op string
		of expr
	}
	conditional struct{ then, condition, otherwise expr }
)

// callArgs are the arguments of a call before their evaluation.
type callArgs struct {
	list  []expr
	named []struct {
		name string
		expr
	}
}

func (e literal) eval(*state, *scope) Value { return e.value }

func (e name) eval(s *state, v *scope) Value { return s.lookup(string(e), v) }

func (e listExpr) eval(s *state, v *scope) Value { return s.evalAll(e, v) }

func (e dictExpr) eval(s *state, v *scope) Value {
	s.work(pairWork * len(e))
	d := &Dict{}
	for _, pair := range e {
		k := s.eval(pair.key, v)
		key, ok := asKey(k)
		if !ok {
			s.fail("%s cannot be the key of a dictionary", describe(k))
		}
		d.Set(key, s.eval(pair.value, v))
	}
	return d
}

func (e attribute) eval(s *state, v *scope) Value { return s.attribute(s.eval(e.of, v), e.name) }

func (e item) eval(s *state, v *scope) Value { return s.item(s.eval(e.of, v), s.eval(e.key, v)) }

func (e slice) eval(s *state, v *scope) Value {
	return s.slice(s.eval(e.of, v), s.evalOptional(e.start, v), s.evalOptional(e.stop, v), s.evalOptional(e.step, v))
}

func (e call) eval(s *state, v *scope) Value {
	f := s.eval(e.f, v)
	do, ok := f.(function)
	if !ok {
		s.fail("cannot call %s", describe(f))
	}
	return do(s, e.args.eval(s, v))
}

func (c callArgs) eval(s *state, v *scope) arguments {
	a := arguments{list: s.evalAll(c.list, v)}
	for _, n := range c.named {
		s.work(pairWork)
		a.named.Set(n.name, s.eval(n.expr, v))
	}
	return a
}

func (e filterCall) eval(s *state, v *scope) Value {
	return e.f(s, s.eval(e.of, v), e.args.eval(s, v))
}

func (e testCall) eval(s *state, v *scope) Value {
	return e.f(s, s.eval(e.of, v), s.evalAll(e.args, v))
}

func (e not) eval(s *state, v *scope) Value { return !truth(s.eval(e.of, v)) }

func (e sign) eval(s *state, v *scope) Value {
	of := s.eval(e.of, v)
	if e.negative {
		return s.negative(of)
	}
	return s.binary("+", int64(0), of)
}

func (e logical) eval(s *state, v *scope) Value {
	if a := s.eval(e.a, v); truth(a) == e.or {
		return a
	}
	return s.eval(e.b, v)
}

func (e operated) eval(s *state, v *scope) Value {
	return s.binary(e.op, s.eval(e.a, v), s.eval(e.b, v))
}

func (e compared) eval(s *state, v *scope) Value {
	a := s.eval(e.first, v)
	for _, o := range e.rest {
		b := s.eval(o.of, v)
		if !s.holds(a, o.op, b) {
			return false
		}
		a = b
	}
	return true
}

func (s *state) holds(a Value, op string, b Value) bool {
	switch op {
	case "==":
		return s.equal(a, b)
	case "!=":
		return !s.equal(a, b)
	case "in":
		return s.contains(b, a)
	case "not in":
		return !s.contains(b, a)
	case "<":
		return s.compare(a, b) < 0
	case "<=":
		return s.compare(a, b) <= 0
	case ">":
		return s.compare(a, b) > 0
	}
	return s.compare(a, b) >= 0
}

func (e conditional) eval(s *state, v *scope) Value {
	if truth(s.eval(e.condition, v)) {
		return s.eval(e.then, v)
	}
	if e.otherwise == nil {
		return undefined{"else"}
	}
	return s.eval(e.otherwise, v)
}
