package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"orthrus/engine"
	"orthrus/gguf"
)

func newInspect(c *console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what is in a GGUF file",
		Long: `Show the metadata and tensors of a GGUF file of any architecture, and whether
orthrus runs it.`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := gguf.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			x := examine(f)
			if asJSON {
				return writeJSON(c.out, x)
			}
			_, err = io.WriteString(c.out, x.text())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// inspection is what inspect --json prints.
type inspection struct {
	File          string         `json:"file"`
	Version       uint32         `json:"version"`
	Alignment     int            `json:"alignment"`
	Size          int64          `json:"size"`
	Runs          bool           `json:"runs"`
	Verdict       string         `json:"verdict"`
	Parameters    int64          `json:"parameters"`
	BitsPerWeight float64        `json:"bits_per_weight"`
	Metadata      []metadataLine `json:"metadata"`
	Types         []typeLine     `json:"types"`
	Tensors       []tensorLine   `json:"tensors"`
}

// metadataLine is one key. Of an array the first elements are shown.
type metadataLine struct {
	Key    string `json:"key"`
	Type   string `json:"type"`
	Length *int   `json:"length,omitempty"` // of an array
	Value  any    `json:"value"`
}

type tensorLine struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Dims  []int  `json:"dims"`
	Bytes int    `json:"bytes"`
}

type typeLine struct {
	Type       string `json:"type"`
	Tensors    int    `json:"tensors"`
	Parameters int64  `json:"parameters"`
	Bytes      int64  `json:"bytes"`
}

func examine(f *gguf.File) *inspection {
	x := &inspection{File: f.Path, Version: f.Version, Alignment: f.Alignment, Size: f.Size()}
	x.Runs, x.Verdict = verdict(f)
	for _, kv := range f.Metadata {
		x.Metadata = append(x.Metadata, describeKV(kv))
	}
	var bytes int64
	for _, t := range f.Tensors {
		x.Tensors = append(x.Tensors, tensorLine{t.Name, t.Type.String(), t.Dims, len(t.Data)})
		x.Parameters += int64(t.Elems())
		bytes += int64(len(t.Data))
		i := slices.IndexFunc(x.Types, func(l typeLine) bool { return l.Type == t.Type.String() })
		if i < 0 {
			i = len(x.Types)
			x.Types = append(x.Types, typeLine{Type: t.Type.String()})
		}
		x.Types[i].Tensors++
		x.Types[i].Parameters += int64(t.Elems())
		x.Types[i].Bytes += int64(len(t.Data))
	}
	slices.SortStableFunc(x.Types, func(a, b typeLine) int { return cmp.Compare(b.Bytes, a.Bytes) })
	if x.Parameters > 0 {
		x.BitsPerWeight = float64(bytes) * 8 / float64(x.Parameters)
	}
	return x
}

// verdict tells whether orthrus runs the file, and how or why not.
func verdict(f *gguf.File) (runs bool, text string) {
	m, err := engine.Load(f)
	if err != nil {
		return false, "orthrus does not run it: " + strings.TrimPrefix(err.Error(), f.Path+": ")
	}
	if m.HasDiffusion() {
		return true, fmt.Sprintf("orthrus runs it: draft and verify with blocks of up to %d rows", m.BlockSize)
	}
	return true, "orthrus runs it one token a pass: it has no diffusion view"
}

// shownElements of an array and shownBytes of a string are shown.
const (
	shownElements = 6
	shownBytes    = 200
)

func describeKV(kv gguf.KV) metadataLine {
	line := metadataLine{Key: kv.Key, Type: fmt.Sprintf("%T", kv.Value), Value: shorten(kv.Value)}
	if v := reflect.ValueOf(kv.Value); v.Kind() == reflect.Slice {
		n := v.Len()
		line.Length = &n
		first := make([]any, min(n, shownElements))
		for i := range first {
			first[i] = shorten(v.Index(i).Interface())
		}
		line.Value = first
	}
	return line
}

// shorten cuts long strings. JSON has no word for the floats that are no number.
func shorten(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > shownBytes {
			return strings.ToValidUTF8(v[:shownBytes], "") + "..."
		}
	case float32, float64:
		if _, err := json.Marshal(v); err != nil {
			return fmt.Sprint(v)
		}
	}
	return v
}

func (x *inspection) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: GGUF version %d, %s, %d metadata keys, %d tensors\n", printable(x.File), x.Version, bytesText(x.Size), len(x.Metadata), len(x.Tensors))
	fmt.Fprintf(&b, "%s\n\n", printable(x.Verdict))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, kv := range x.Metadata {
		fmt.Fprintf(w, "%s\t%s\t%s\n", oneLine(kv.Key), kv.Type, kv.text())
	}
	fmt.Fprintln(w)
	for _, t := range x.Tensors {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", oneLine(t.Name), t.Type, strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Dims), " ", " x "), "[]"), bytesText(int64(t.Bytes)))
	}
	fmt.Fprintln(w)
	for _, t := range x.Types {
		fmt.Fprintf(w, "%s\t%s\t%s parameters\t%s\n", t.Type, plural(t.Tensors, "tensor"), countText(t.Parameters), bytesText(t.Bytes))
	}
	w.Flush()
	fmt.Fprintf(&b, "\n%s parameters, %.2f bits per weight\n", countText(x.Parameters), x.BitsPerWeight)
	return b.String()
}

func (l metadataLine) text() string {
	list, ok := l.Value.([]any)
	if !ok {
		return valueText(l.Value)
	}
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = valueText(v)
	}
	if *l.Length > len(list) {
		parts = append(parts, "...")
	}
	return fmt.Sprintf("%d: [%s]", *l.Length, strings.Join(parts, ", "))
}

func valueText(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}

// oneLine makes a stranger's name safe for a table.
func oneLine(s string) string {
	q := strconv.Quote(s)
	if q[1:len(q)-1] == s {
		return s
	}
	return q
}
