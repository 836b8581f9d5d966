package engine

// passes records the passes of a decoder when they are first needed and keeps
// those for replay that will be needed again.
type passes struct {
	net      *Net
	ctx      Context
	act      activations
	draftP   Buffer // kept probabilities of the drafts; allocated for rejection only
	recorded map[passKey]Pass
}

// passKey tells passes of different shape apart.
type passKey struct {
	kind  passKind
	rows  int
	heads int  // rows that get logits
	keep  bool // rejection acceptance
}

type passKind uint8

const (
	fillPass  passKind = iota // AR rows into the cache, no logits
	checkPass                 // AR rows, then choose and accept
	draftPass                 // diffusion rows, then draft
	evalPass                  // AR rows, logits only
	evalDiffPass
)

// fill runs n known tokens through the AR view, for their keys and values.
func (p *passes) fill(n int) (Pass, error) {
	return p.get(passKey{kind: fillPass, rows: n}, func(ops Ops) {
		p.net.forward(ops, AR, p.act.slice(n))
	})
}

// check runs n rows through the AR view and accepts. The tokens of the rows
// before the last heads ones are known and need no logits.
func (p *passes) check(n, heads int, keep bool) (Pass, error) {
	return p.get(passKey{checkPass, n, heads, keep}, func(ops Ops) {
		a, first := p.act.slice(n), n-heads
		logits := p.act.logits.Slice(0, heads)
		p.net.forward(ops, AR, a)
		p.net.head(ops, a, first, n, logits)
		ops.Choose(logits, first, false, keep)
		if keep {
			ops.Accept(n, first, logits, p.draftP)
		} else {
			ops.Accept(n, first, nil, nil)
		}
	})
}

// draft runs a block of n rows, the known token and n-1 masks, through the
// diffusion view and drafts the tokens of rows 1..drafts.
func (p *passes) draft(n, drafts int, keep bool) (Pass, error) {
	if keep && p.draftP == nil {
		b, err := p.ctx.Buffer(p.act.logits.Rows(), p.net.Vocab)
		if err != nil {
			return nil, err
		}
		p.draftP = b
	}
	return p.get(passKey{draftPass, n, drafts, keep}, func(ops Ops) {
		a, logits := p.act.slice(n), p.act.logits.Slice(0, drafts)
		if keep {
			logits = p.draftP.Slice(0, drafts)
		}
		ops.Mask(n, p.net.MaskToken)
		p.net.forward(ops, Diffusion, a)
		p.net.head(ops, a, 0, drafts, logits)
		ops.Choose(logits, 0, true, keep)
		ops.Draft(drafts)
	})
}

// eval runs n rows through a view for their logits alone.
func (p *passes) eval(view View, n int) (Pass, error) {
	key := passKey{kind: evalPass, rows: n, heads: n}
	if view == Diffusion {
		key.kind = evalDiffPass
	}
	return p.get(key, func(ops Ops) {
		a := p.act.slice(n)
		p.net.forward(ops, view, a)
		p.net.head(ops, a, 0, n, p.act.logits.Slice(0, n))
	})
}

func (p *passes) get(key passKey, build func(Ops)) (Pass, error) {
	if pass, ok := p.recorded[key]; ok {
		return pass, nil
	}
	pass, err := p.ctx.Record(build)
	// The rest of a prompt may have any number of rows, hence passes of more rows than
	// a block are kept only for whole chunks.
	if err == nil && (key.rows <= p.act.logits.Rows() || key.rows == p.act.x.Rows()) {
		p.recorded[key] = pass
	}
	return pass, err
}
