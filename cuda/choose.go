package cuda

// chooseThreads are those of a block that chooses for a row.
const chooseThreads = 1024

// A row of logits is surveyed in slices, a block each.
const (
	surveyThreads = 512
	sliceTokens   = 8192
	oneSurvey     = 792 // bytes of Survey in survey.cuh
)

// surveyBytes is the memory that choose needs for rows of logits.
func surveyBytes(rows, vocab int) int64 {
	return oneSurvey * int64(rows) * int64(ceil(vocab, sliceTokens))
}

type surveyArgs struct {
	control, logits, surveys pointer
	vocab, slices            int32
	weigh, _                 int32
}

type chooseArgs struct {
	control, surveys, logits, choices, chances pointer
	vocab, slices, first                       int32
	draft, keep, _                             int32
}

// choose decides on one token for each row of logits, as engine.Ops has it.
func choose(d device, c control, logits matrix, first int, draft, keep bool) error {
	slices := ceil(logits.cols, sliceTokens)
	err := launch(d, "survey", [3]int{slices * logits.rows, 1, 1}, surveyThreads, 0, &surveyArgs{
		control: c.at, logits: logits.at, surveys: c.surveys, vocab: int32(logits.cols), slices: int32(slices), weigh: flag(draft || keep),
	})
	if err != nil {
		return err
	}
	return launch(d, "choose", [3]int{logits.rows, 1, 1}, chooseThreads, 0, &chooseArgs{
		control: c.at, surveys: c.surveys, logits: logits.at, choices: c.choices(), chances: c.chances(),
		vocab: int32(logits.cols), slices: int32(slices), first: int32(first), draft: flag(draft), keep: flag(keep),
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
