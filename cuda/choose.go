package cuda

// chooseThreads are those of a block that chooses for a row.
const chooseThreads = 1024

type chooseArgs struct {
	control, logits, choices, chances pointer
	vocab, first                      int32
	draft, keep                       int32
}

// choose decides on one token for each row of logits, as engine.Ops has it.
func choose(d device, c control, logits matrix, first int, draft, keep bool) error {
	return launch(d, "choose", [3]int{logits.rows, 1, 1}, chooseThreads, 0, &chooseArgs{
		c.at, logits.at, c.choices(), c.chances(), int32(logits.cols), int32(first), flag(draft), flag(keep),
	})
}

type acceptArgs struct {
	control, tokens, choices pointer
	p, q                     pointer
	outcome, outcomeTokens   pointer
	rows, first              int32
	vocab, _                 int32
}

// accept ends a pass of the AR view over rows rows, as engine.Ops has it. Without p and q drafts must match.
func accept(d device, c control, rows, first int, p, q matrix) error {
	return launch(d, "accept", [3]int{1, 1, 1}, chooseThreads, 0, &acceptArgs{
		control: c.at, tokens: c.tokens(), choices: c.choices(), p: p.at, q: q.at, outcome: c.pinned, outcomeTokens: c.outcomeTokens(),
		rows: int32(rows), first: int32(first), vocab: int32(p.cols),
	})
}
