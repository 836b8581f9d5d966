package jinja

import (
	"fmt"
	"slices"
)

// statements reads statements up to the one of the given names that ends them,
// whose name is left to read. Without names it reads up to the template's end.
func (p *parser) statements(of string, ends ...string) []stmt {
	defer p.level()()
	p.deepen()
	line := p.peek().line
	var list []stmt
	for {
		t := p.next()
		switch t.kind {
		case kindData:
			list = append(list, data(t.text))
		case kindOpen:
			e := p.tuple(p.expression)
			p.expect(kindClose, "}}")
			list = append(list, output{t.line, e})
		case kindBegin:
			if t := p.peek(); t.kind == kindName && slices.Contains(ends, t.text) {
				return list
			}
			list = append(list, p.statement())
		default: // the end
			if ends != nil {
				panic(&Error{line, fmt.Sprintf("%s has no %s", of, ends[len(ends)-1])})
			}
			return list
		}
	}
}

// body reads statements up to their end, and the tag that ends them.
func (p *parser) body(of string) []stmt {
	list := p.statements(of, "end"+of)
	p.next()
	p.endTag()
	return list
}

// captured reads a body whose text is a value; it leaves no loop around it.
func (p *parser) captured(of string) []stmt {
	loops := p.loops
	p.loops = 0
	list := p.body(of)
	p.loops = loops
	return list
}

func (p *parser) endTag() { p.expect(kindEnd, "%}") }

// statement reads what follows {%.
func (p *parser) statement() stmt {
	t := p.peek()
	switch keyword := p.name(); keyword {
	case "if":
		return p.ifStatement(t.line)
	case "for":
		return p.forStatement(t.line)
	case "set":
		return p.setStatement(t.line)
	case "macro":
		return p.macroStatement(t.line)
	case "filter":
		return p.filterStatement(t.line)
	case "break", "continue":
		if p.loops == 0 {
			p.fail("%s stands outside of a loop", keyword)
		}
		p.endTag()
		return jump(keyword == "break")
	case "generation":
		// Marks what an assistant wrote, for training.
		p.endTag()
		return generation(p.captured(keyword))
	default:
		panic(&Error{t.line, fmt.Sprintf("there is no statement '%s' here", keyword)})
	}
}

func (p *parser) ifStatement(line int) stmt {
	var st ifStmt
	for {
		condition := p.expression()
		p.endTag()
		st.branches = append(st.branches, branch{line, condition, p.statements("if", "elif", "else", "endif")})
		line = p.peek().line
		switch p.next().text {
		case "else":
			p.endTag()
			st.otherwise = p.body("if")
			return st
		case "endif":
			p.endTag()
			return st
		}
	}
}

func (p *parser) forStatement(line int) stmt {
	st := &forStmt{line: line, to: p.target()}
	p.expect(kindName, "in")
	st.over = p.tuple(p.or)
	if p.word("if") {
		st.condition = p.expression()
	}
	p.endTag()
	p.loops++
	st.body = p.statements("for", "else", "endfor")
	p.loops--
	if p.next().text == "else" {
		p.endTag()
		st.otherwise = p.body("for")
		return st
	}
	p.endTag()
	return st
}

func (p *parser) setStatement(line int) stmt {
	st := setStmt{line: line, to: p.target()}
	if p.op("=") {
		st.value = p.tuple(p.expression)
		p.endTag()
		return st
	}
	p.endTag()
	st.body = p.captured("set")
	return st
}

// target reads what a value is assigned to: a name, names between commas that
// may stand in parentheses, or an attribute of a namespace.
func (p *parser) target() target {
	if p.op("(") {
		defer p.level()()
		p.deepen()
		to := p.target()
		p.expect(kindOperator, ")")
		return to
	}
	to := target{names: []string{p.name()}}
	if p.op(".") {
		to.attribute = p.name()
		return to
	}
	for p.op(",") {
		to.unpack = true
		to.names = append(to.names, p.name())
	}
	return to
}

func (p *parser) macroStatement(line int) stmt {
	st := &macroStmt{line: line, name: p.name()}
	p.expect(kindOperator, "(")
	p.sequence(")", func() {
		st.parameters = append(st.parameters, p.name())
		var value expr
		if p.op("=") {
			value = p.expression()
		} else if n := len(st.defaults); n > 0 && st.defaults[n-1] != nil {
			p.fail("a parameter without a default follows one with a default")
		}
		st.defaults = append(st.defaults, value)
	})
	p.endTag()
	st.body = p.captured("macro")
	return st
}

func (p *parser) filterStatement(line int) stmt {
	st := &filterStmt{line: line}
	st.value = p.filter(name(""))
	for p.op("|") {
		p.deepen()
		st.value = p.filter(st.value)
	}
	p.endTag()
	st.body = p.captured("filter")
	return st
}
