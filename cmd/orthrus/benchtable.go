package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// write writes the result as table, md, json or csv.
func (r *benchResult) write(w io.Writer, output string) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "csv":
		return r.csv(w)
	}
	format := table.plain
	if output == "md" {
		format = table.markdown
	}
	parts := []string{r.machine(), format(r.speeds())}
	if len(r.Passes) > 1 {
		parts = append(parts, format(r.costs()))
	}
	if r.Decode != nil && r.Decode.Draft.Steps > 0 {
		parts = append(parts, format(histogram("accepted", r.Decode.Histogram)))
	}
	if r.Replay != nil {
		parts = append(parts, format(histogram("rows drafted", r.Replay.Rows)))
	}
	if lines := r.conclusion(); lines != nil {
		parts = append(parts, strings.Join(lines, "\n")+"\n")
	}
	_, err := io.WriteString(w, strings.Join(parts, "\n"))
	return err
}

// machine tells what was measured on.
func (r *benchResult) machine() string {
	text := fmt.Sprintf("%s, %s cache\n", r.Machine, r.Cache)
	for i, l := range r.Limits {
		text += fmt.Sprintf("%s the tests: reads %.1f GB/s, computes %.0f GOPS in int8\n", []string{"before", "after"}[i], l.Read, l.Int8)
	}
	return text
}

// speeds is llama-bench's table.
func (r *benchResult) speeds() table {
	t := table{
		head:  []string{"model", "type", "size", "params", "backend", "threads", "test", "t/s"},
		right: []bool{false, false, true, true, false, true, true, true},
	}
	if r.Limits != nil {
		t.column("limit t/s", "share")
	}
	add := func(test, speed string, limit ...string) {
		row := append([]string{r.Model, r.Type, bytesText(r.Size), countText(r.Parameters), r.Backend, r.threads(), test, speed}, limit...)
		t.row(row...)
	}
	for _, test := range r.Tests {
		speed := fmt.Sprintf("%.2f ± %.2f", test.TPS, test.TPSStddev)
		if r.Limits == nil {
			add(test.Name, speed)
		} else {
			add(test.Name, speed, fmt.Sprintf("%.2f", 1000*float64(test.Tokens)/test.FloorMS), share(test.Share))
		}
	}
	if d := r.Decode; d != nil {
		add("prompts, one by one", fmt.Sprintf("%.2f", d.AR.TPS))
		if d.Draft.Steps > 0 {
			add(fmt.Sprintf("prompts, blocks of %d", r.Block), fmt.Sprintf("%.2f", d.Draft.TPS))
			add("prompts, auto", fmt.Sprintf("%.2f", d.Auto.TPS))
		}
	}
	if d := r.Replay; d != nil {
		add("replay, one by one", fmt.Sprintf("%.2f", d.AR.TPS))
		add("replay, auto", fmt.Sprintf("%.2f", d.Auto.TPS))
	}
	if r.Assumed > 0 && r.Estimate > 0 {
		add(fmt.Sprintf("assumed %g tokens/step", r.Assumed), fmt.Sprintf("%.2f", r.Estimate))
	}
	return t
}

// threads are those of the CPU, if it computes.
func (r *benchResult) threads() string {
	if r.Threads == 0 {
		return "-"
	}
	return fmt.Sprint(r.Threads)
}

// costs is the table of single passes.
func (r *benchResult) costs() table {
	var t table
	t.column(r.at("rows"))
	for _, view := range []string{"ar ms", "diffusion ms"} {
		t.column(view, "T(n)/T(1)")
		if r.Limits != nil {
			t.column("floor ms", "share")
		}
	}
	t.column("step ms", "break-even tokens/step")
	for _, p := range r.Passes {
		row := []string{fmt.Sprint(p.Rows)}
		add := func(test *benchTest, ratio float64) {
			row = append(row, fmt.Sprintf("%.2f ± %.2f", test.MS, test.MSStddev), fmt.Sprintf("%.2f", ratio))
			if r.Limits != nil {
				row = append(row, fmt.Sprintf("%.2f", test.FloorMS), share(test.Share))
			}
		}
		add(&p.AR, p.ARRatio)
		if p.Diffusion != nil {
			add(p.Diffusion, p.DiffusionRatio)
		}
		if p.Step != nil {
			row = append(row, fmt.Sprintf("%.2f ± %.2f", p.Step.MS, p.Step.MSStddev), fmt.Sprintf("%.2f", p.BreakEven))
		}
		t.row(row...)
	}
	return t
}

// share writes a share as people read it.
func share(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

// histogram tells how many steps had which number of something.
func histogram(of string, counts []int) table {
	t := table{head: []string{of, "steps", "share", ""}, right: []bool{true, true, true, false}}
	most, all := slices.Max(counts), sum(counts)
	for n, steps := range counts {
		if steps > 0 {
			bar := strings.Repeat("#", (steps*40+most-1)/most)
			t.row(fmt.Sprint(n), fmt.Sprint(steps), share(float64(steps)/float64(all)), bar)
		}
	}
	return t
}

// csv has one line for every test and pass.
func (r *benchResult) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	w.Write([]string{
		"machine", "cache_type", "read_gb_per_s", "int8_gops", "model", "type", "size", "params", "backend", "threads",
		"test", "tokens", "ms", "ms_stddev", "tps", "tps_stddev", "tokens_per_step", "floor_ms", "share_of_limit",
	})
	read, multiply := "", ""
	if r.Limits != nil {
		best := bestLimits(r.Limits)
		read, multiply = fmt.Sprint(best.Read), fmt.Sprint(best.Int8)
	}
	line := func(test string, figures ...any) {
		row := []string{
			r.Machine, r.Cache, read, multiply, r.Model, r.Type, fmt.Sprint(r.Size), fmt.Sprint(r.Parameters), r.Backend, r.threads(), test,
		}
		for _, f := range figures {
			row = append(row, fmt.Sprint(f))
		}
		w.Write(row)
	}
	measured := func(name string, t benchTest) {
		if r.Limits == nil {
			line(name, t.Tokens, t.MS, t.MSStddev, t.TPS, t.TPSStddev, "", "", "")
		} else {
			line(name, t.Tokens, t.MS, t.MSStddev, t.TPS, t.TPSStddev, "", t.FloorMS, t.Share)
		}
	}
	decoded := func(name string, t decodeTotals) {
		line(name, t.Tokens, t.Seconds*1000, "", t.TPS, "", t.TokensPerStep, "", "")
	}
	for _, t := range r.Tests {
		measured(t.Name, t)
	}
	for _, p := range r.Passes {
		measured(r.at(fmt.Sprintf("ar pass n=%d", p.Rows)), p.AR)
		if p.Diffusion != nil {
			measured(r.at(fmt.Sprintf("diffusion pass n=%d", p.Rows)), *p.Diffusion)
		}
		if p.Step != nil {
			measured(r.at(fmt.Sprintf("step n=%d", p.Rows)), *p.Step)
		}
	}
	if d := r.Decode; d != nil {
		decoded("prompts, one by one", d.AR)
		if d.Draft.Steps > 0 {
			decoded(fmt.Sprintf("prompts, blocks of %d", r.Block), d.Draft)
			decoded("prompts, auto", d.Auto)
		}
	}
	if d := r.Replay; d != nil {
		decoded("replay, one by one", d.AR)
		decoded("replay, auto", d.Auto)
	}
	if r.Assumed > 0 && r.Estimate > 0 {
		line("assumed tokens per step", "", "", "", r.Estimate, "", r.Assumed, "", "")
	}
	w.Flush()
	return w.Error()
}

// table is text in rows and columns.
type table struct {
	head  []string
	right []bool // columns that are set flush right
	rows  [][]string
}

// column adds columns that are set flush right.
func (t *table) column(heads ...string) {
	for _, h := range heads {
		t.head, t.right = append(t.head, h), append(t.right, true)
	}
}

// row adds a row; cells at its end may be left out.
func (t *table) row(cells ...string) {
	t.rows = append(t.rows, append(cells, make([]string, len(t.head)-len(cells))...))
}

func (t table) widths() []int {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// plain sets the columns apart by spaces.
func (t table) plain() string {
	var b strings.Builder
	widths := t.widths()
	for _, row := range append([][]string{t.head}, t.rows...) {
		b.WriteString(strings.TrimRight(strings.Join(t.pad(row, widths), "  "), " ") + "\n")
	}
	return b.String()
}

// markdown is aligned to be read as it is, too.
func (t table) markdown() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	for _, row := range t.rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", `\|`)
		}
	}
	widths := t.widths()
	line(t.pad(t.head, widths))
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", max(w, 3))
		if t.right[i] {
			rule[i] = rule[i][1:] + ":"
		}
	}
	line(rule)
	for _, row := range t.rows {
		line(t.pad(row, widths))
	}
	return b.String()
}

func (t table) pad(row []string, widths []int) []string {
	cells := make([]string, len(row))
	for i, cell := range row {
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.right[i] {
			cells[i] = space + cell
		} else {
			cells[i] = cell + space
		}
	}
	return cells
}
