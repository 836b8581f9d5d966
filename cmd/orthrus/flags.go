package main

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

func addModelPath(fs *pflag.FlagSet, path *string) {
	fs.StringVarP(path, "model", "m", "", "GGUF `file` (default: the demo model inside the program)")
}

// checkModelPath refuses -m "", which a script's empty variable gives: it must
// not run the demo.
func checkModelPath(fs *pflag.FlagSet, path string) error {
	if fs.Changed("model") && path == "" {
		return usagef("-m names no file")
	}
	return nil
}

// modelFlags choose a model and where it runs.
type modelFlags struct {
	fs        *pflag.FlagSet
	path      string
	context   int
	threads   int
	backend   backendFlag
	cacheType string
}

func (f *modelFlags) add(fs *pflag.FlagSet) {
	f.fs = fs
	addModelPath(fs, &f.path)
	fs.IntVarP(&f.context, "ctx-size", "c", 0, "`tokens` of context (default: the model's, at most 8192)")
	fs.IntVarP(&f.threads, "threads", "t", 0, "CPU threads (default: one a core)")
	f.backend.name = "auto"
	fs.VarP(&f.backend, "backend", "b", "where to compute: auto, cpu, cuda, cuda:N or metal (orthrus devices lists them)")
	choose(fs, &f.cacheType, "cache-type", "", "f16", "type of the KV cache: f16, f32 or q8_0", []string{"f16", "f32", "q8_0"})
}

var cacheTypes = map[string]gguf.Type{"f16": gguf.F16, "f32": gguf.F32, "q8_0": gguf.Q8_0}

func (f *modelFlags) check() error {
	if err := checkModelPath(f.fs, f.path); err != nil {
		return err
	}
	if f.context < 0 {
		return usagef("-c %d: a context has 1 token or more", f.context)
	}
	return checkThreads(f.threads)
}

func checkThreads(n int) error {
	if n < 0 || n > 1<<12 {
		return usagef("-t %d: choose 1 to %d threads", n, 1<<12)
	}
	return nil
}

// cpuThreads is the number of threads that -t asks for.
func (f *modelFlags) cpuThreads() int {
	if f.threads > 0 {
		return f.threads
	}
	return cpu.Threads()
}

// samplingFlags say how tokens are chosen. What is not given comes from the
// model file.
type samplingFlags struct {
	fs               *pflag.FlagSet
	temp, topP, minP float64
	topK             int
	seed             uint64
	acceptance       string
}

func (f *samplingFlags) add(fs *pflag.FlagSet) {
	f.fs = fs
	fs.Float64Var(&f.temp, "temp", 0, "temperature; 0 takes the likeliest token (default: the model's)")
	fs.IntVar(&f.topK, "top-k", 0, "sample from the `K` likeliest tokens; 0 is all (default: the model's)")
	fs.Float64Var(&f.topP, "top-p", 0, "sample from the likeliest tokens of this total `probability`; 1 is all (default: the model's)")
	fs.Float64Var(&f.minP, "min-p", 0, "drop tokens below this `share` of the likeliest one's probability (default: the model's)")
	fs.Uint64VarP(&f.seed, "seed", "s", 0, "seed of sampling (default: random)")
	choose(fs, &f.acceptance, "acceptance", "", "match", "rule for drafts when sampling: match (a seed's text is the same in every mode) or rejection", []string{"match", "rejection"})
}

func (f *samplingFlags) check() error {
	switch {
	case !inRange(f.temp, maxTemp):
		return usagef("--temp %g: a temperature is between 0 and %g", f.temp, maxTemp)
	case f.topK < 0 || f.topK > math.MaxInt32:
		return usagef("--top-k %d: it is between 0 and %d", f.topK, math.MaxInt32)
	case !inRange(f.topP, 1):
		return usagef("--top-p %g: it is between 0 and 1", f.topP)
	case !inRange(f.minP, 1):
		return usagef("--min-p %g: it is between 0 and 1", f.minP)
	}
	return nil
}

// maxTemp is a temperature at which all tokens are alike.
const maxTemp = 1e6

// inRange reports whether v is a number between 0 and limit.
func inRange(v, limit float64) bool { return v >= 0 && v <= limit }

// seeded reports whether the seed was chosen by the user.
func (f *samplingFlags) seeded() bool { return f.fs.Changed("seed") }

// options puts the flags that were given over the model's recommendation.
func (f *samplingFlags) options(s engine.Sampling) engine.Sampling {
	if f.fs.Changed("temp") {
		s.Temp = f.temp
	}
	if f.fs.Changed("top-k") {
		s.TopK = f.topK
	}
	if f.fs.Changed("top-p") {
		s.TopP = f.topP
	}
	if f.fs.Changed("min-p") {
		s.MinP = f.minP
	}
	s.Seed = f.seed
	if !f.seeded() {
		s.Seed = randomSeed()
	}
	if f.acceptance == "rejection" {
		s.Acceptance = engine.Rejection
	}
	return s
}

// randomSeed is short enough to be typed again.
func randomSeed() uint64 {
	var b [4]byte
	rand.Read(b[:])
	return uint64(binary.LittleEndian.Uint32(b[:]))
}

// decodeFlags say how far and by which mode to decode.
type decodeFlags struct {
	n     int
	mode  string
	block int
}

func (f *decodeFlags) add(fs *pflag.FlagSet) {
	fs.IntVarP(&f.n, "n-predict", "n", -1, "most `tokens` to generate; -1 is as many as the context holds")
	choose(fs, &f.mode, "mode", "", "auto", "auto, diffusion (draft and verify) or ar (one token a pass)", []string{"auto", "diffusion", "ar"})
	fs.IntVar(&f.block, "block", 0, "`rows` of a draft, the known token included (default: the model's block size)")
}

var modes = map[string]engine.Mode{"auto": engine.Auto, "diffusion": engine.DraftMode, "ar": engine.ARMode}

func (f *decodeFlags) check() error {
	if f.n == 0 || f.n < -1 {
		return usagef("-n %d: choose 1 or more, or -1 for no limit", f.n)
	}
	if f.block < 0 {
		return usagef("--block %d: a draft has 1 row or more", f.block)
	}
	return nil
}

func (f *decodeFlags) options() engine.GenerateOptions {
	return engine.GenerateOptions{Mode: modes[f.mode], Block: f.block, MaxTokens: max(f.n, 0)}
}

// templateFlags shape the chat template's text.
type templateFlags struct {
	system         string
	think, noThink bool
}

func (f *templateFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.system, "system", "", "system `prompt`")
	fs.BoolVar(&f.think, "think", false, "let the model reason before it answers")
	fs.BoolVar(&f.noThink, "no-think", false, "tell the model to answer at once (default for the demo model)")
}

// given reports whether any of the flags was.
func (f *templateFlags) given() bool { return f.system != "" || f.think || f.noThink }

func (f *templateFlags) check() error {
	if f.think && f.noThink {
		return usagef("--think and --no-think: give one of them")
	}
	return nil
}

// thinking is the template's enable_thinking; nil leaves it to the template.
// The demo model knows answers without reasoning only.
func (f *templateFlags) thinking(demo bool) *bool {
	think := f.think
	if !f.think && !f.noThink && !demo {
		return nil
	}
	return &think
}

// checkStops refuses stop strings that could never be found.
func checkStops(stops []string) error {
	for _, s := range stops {
		if s == "" || !utf8.ValidString(s) {
			return usagef("--stop %q: a stop string is text, not empty", strings.ToValidUTF8(s, "?"))
		}
	}
	return nil
}
