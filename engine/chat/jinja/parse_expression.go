package jinja

import (
	"fmt"
	"slices"
	"strconv"
)

// A parser reads statements and expressions from tokens, by recursive descent
// after the grammar of Jinja's own parser.
type parser struct {
	tokens []token
	pos    int
	depth  int // expressions and statements inside each other
	loops  int // for statements around
}

func (p *parser) fail(format string, args ...any) {
	panic(&Error{p.peek().line, fmt.Sprintf(format, args...)})
}

func (p *parser) peek() token { return p.tokens[p.pos] }

// after returns the token after the next one.
func (p *parser) after() token { return p.tokens[min(p.pos+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != kindEOF {
		p.pos++
	}
	return t
}

// accept reads a name or an operator if it is next.
func (p *parser) accept(k kind, text string) bool {
	if !p.peek().is(k, text) {
		return false
	}
	p.pos++
	return true
}

func (p *parser) word(text string) bool { return p.accept(kindName, text) }
func (p *parser) op(text string) bool   { return p.accept(kindOperator, text) }

func (p *parser) expect(k kind, text string) {
	if !p.accept(k, text) {
		p.fail("expected %s, not %s", text, p.peek())
	}
}

func (p *parser) name() string {
	t := p.peek()
	if t.kind != kindName {
		p.fail("expected a name, not %s", t)
	}
	return p.next().text
}

// level returns a function that restores the depth of nesting. Chains such as
// a + b + c are nested to the left, so every link goes one deeper as well.
func (p *parser) level() func() {
	depth := p.depth
	return func() { p.depth = depth }
}

func (p *parser) deepen() {
	if p.depth++; p.depth > maxNesting {
		p.fail("the template is nested more than %d deep", maxNesting)
	}
}

// tuple reads expressions between commas: one is itself, more are a list.
func (p *parser) tuple(read func() expr) expr {
	first := read()
	if !p.peek().is(kindOperator, ",") {
		return first
	}
	list := listExpr{first}
	for p.op(",") && p.startsExpression() {
		list = append(list, read())
	}
	return list
}

func (p *parser) startsExpression() bool {
	switch t := p.peek(); t.kind {
	case kindOperator:
		return slices.Contains([]string{"(", "[", "{", "-", "+"}, t.text)
	case kindName:
		return t.text != "in"
	case kindString, kindInteger, kindFloat:
		return true
	}
	return false
}

// expression reads an expression with its conditionals.
func (p *parser) expression() expr {
	defer p.level()()
	p.deepen()
	e := p.or()
	for p.word("if") {
		p.deepen()
		c := conditional{then: e, condition: p.or()}
		if p.word("else") {
			c.otherwise = p.expression()
		}
		e = c
	}
	return e
}

func (p *parser) or() expr {
	defer p.level()()
	e := p.and()
	for p.word("or") {
		p.deepen()
		e = logical{or: true, a: e, b: p.and()}
	}
	return e
}

func (p *parser) and() expr {
	defer p.level()()
	e := p.not()
	for p.word("and") {
		p.deepen()
		e = logical{a: e, b: p.not()}
	}
	return e
}

func (p *parser) not() expr {
	if p.word("not") {
		defer p.level()()
		p.deepen()
		return not{p.not()}
	}
	return p.compare()
}

var comparisons = []string{"==", "!=", "<", "<=", ">", ">="}

func (p *parser) compare() expr {
	first := p.binary(0)
	var rest []operand
	for {
		var op string
		switch t := p.peek(); {
		case t.kind == kindOperator && slices.Contains(comparisons, t.text):
			op = p.next().text
		case p.word("in"):
			op = "in"
		case t.is(kindName, "not") && p.after().is(kindName, "in"):
			p.pos += 2
			op = "not in"
		default:
			if rest == nil {
				return first
			}
			return compared{first, rest}
		}
		rest = append(rest, operand{op, p.binary(0)})
	}
}

// precedence lists the binary operators from the loosest to the tightest.
var precedence = [][]string{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *parser) binary(level int) expr {
	if level == len(precedence) {
		return p.unary(true)
	}
	defer p.level()()
	e := p.binary(level + 1)
	for t := p.peek(); t.kind == kindOperator && slices.Contains(precedence[level], t.text); t = p.peek() {
		p.deepen()
		e = operated{p.next().text, e, p.binary(level + 1)}
	}
	return e
}

func (p *parser) unary(filters bool) expr {
	defer p.level()()
	p.deepen()
	var e expr
	switch {
	case p.op("-"):
		e = sign{true, p.unary(false)}
	case p.op("+"):
		e = sign{false, p.unary(false)}
	default:
		e = p.primary()
	}
	e = p.postfix(e)
	for filters {
		switch {
		case p.op("|"):
			p.deepen()
			e = p.filter(e)
		case p.word("is"):
			p.deepen()
			e = p.test(e)
		default:
			return e
		}
	}
	return e
}

var constants = map[string]Value{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func (p *parser) primary() expr {
	t := p.next()
	switch t.kind {
	case kindName:
		if v, ok := constants[t.text]; ok {
			return literal{v}
		}
		return name(t.text)
	case kindString:
		text := t.text
		for p.peek().kind == kindString {
			text += p.next().text
		}
		return literal{text}
	case kindInteger:
		i, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			p.fail("%s does not fit into 64 bits", t.text)
		}
		return literal{i}
	case kindFloat:
		f, _ := strconv.ParseFloat(t.text, 64) // infinite beyond 64 bits
		return literal{f}
	case kindOperator:
		switch t.text {
		case "(":
			if p.op(")") {
				return listExpr{}
			}
			e := p.tuple(p.expression)
			p.expect(kindOperator, ")")
			return e
		case "[":
			list := listExpr{}
			p.sequence("]", func() { list = append(list, p.expression()) })
			return list
		case "{":
			return p.dict()
		}
	}
	panic(&Error{t.line, fmt.Sprintf("unexpected %s", t)})
}

func (p *parser) dict() expr {
	var d dictExpr
	p.sequence("}", func() {
		key := p.expression()
		p.expect(kindOperator, ":")
		d = append(d, struct{ key, value expr }{key, p.expression()})
	})
	return d
}

// sequence reads elements between commas, the last of which may be followed by
// one, up to the closing bracket.
func (p *parser) sequence(end string, element func()) {
	for first := true; !p.op(end); first = false {
		if !first {
			p.expect(kindOperator, ",")
			if p.op(end) {
				return
			}
		}
		element()
	}
}

// postfix reads attributes, items, slices and calls.
func (p *parser) postfix(e expr) expr {
	for {
		switch {
		case p.op("."):
			p.deepen()
			if t := p.peek(); t.kind == kindInteger {
				e = item{e, p.primary()}
			} else {
				e = attribute{e, p.name()}
			}
		case p.op("["):
			p.deepen()
			e = p.subscript(e)
		case p.op("("):
			p.deepen()
			e = call{e, p.callArgs()}
		default:
			return e
		}
	}
}

func (p *parser) subscript(of expr) expr {
	var parts [3]expr
	colons := 0
	for !p.op("]") {
		if p.op(":") {
			if colons++; colons > 2 {
				p.fail("a slice has at most three parts")
			}
			continue
		}
		if parts[colons] != nil {
			p.fail("expected ], not %s", p.peek())
		}
		parts[colons] = p.expression()
	}
	switch {
	case colons > 0:
		return slice{of, parts[0], parts[1], parts[2]}
	case parts[0] == nil:
		p.fail("expected an index")
	}
	return item{of, parts[0]}
}

// callArgs reads arguments up to the closing parenthesis.
func (p *parser) callArgs() callArgs {
	var a callArgs
	p.sequence(")", func() {
		if p.peek().kind == kindName && p.after().is(kindOperator, "=") {
			n := p.name()
			p.next()
			a.named = append(a.named, struct {
				name string
				expr
			}{n, p.expression()})
			return
		}
		if a.named != nil {
			p.fail("an argument without a name follows named ones")
		}
		a.list = append(a.list, p.expression())
	})
	return a
}

func (p *parser) filter(of expr) expr {
	t := p.peek()
	n := p.name()
	f, ok := filters[n]
	if !ok {
		panic(&Error{t.line, fmt.Sprintf("there is no filter '%s'", n)})
	}
	e := filterCall{of: of, f: f}
	if p.op("(") {
		e.args = p.callArgs()
	}
	return e
}

// test reads a test: its name, and its arguments in parentheses or one without.
func (p *parser) test(of expr) expr {
	negated := p.word("not")
	t := p.peek()
	n := p.name()
	f, ok := tests[n]
	if !ok {
		panic(&Error{t.line, fmt.Sprintf("there is no test '%s'", n)})
	}
	e := testCall{of: of, f: f.do}
	if p.op("(") {
		a := p.callArgs()
		if a.named != nil {
			p.fail("tests take no named arguments")
		}
		e.args = a.list
	} else if f.argument {
		e.args = []expr{p.postfix(p.primary())}
	}
	want := 0
	if f.argument {
		want = 1
	}
	if len(e.args) != want {
		p.fail("the test '%s' takes %d arguments, not %d", n, want, len(e.args))
	}
	if negated {
		return not{e}
	}
	return e
}
