package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"orthrus/engine"
)

// setting is something /set changes.
type setting struct {
	name string
	want string // the values it takes
	get  func(r *repl) string
	set  func(r *repl, value string) bool // false: the value is none of those
}

var settings = []setting{
	floatSetting("temp", "0 (greedy) or more", maxTemp, func(r *repl) *float64 { return &r.options.Sampling.Temp }),
	{"top-k", "0 (all) or more",
		func(r *repl) string { return strconv.Itoa(r.options.Sampling.TopK) },
		func(r *repl, v string) bool { return setInt(&r.options.Sampling.TopK, v, 0, math.MaxInt32) }},
	floatSetting("top-p", "between 0 and 1", 1, func(r *repl) *float64 { return &r.options.Sampling.TopP }),
	floatSetting("min-p", "between 0 and 1", 1, func(r *repl) *float64 { return &r.options.Sampling.MinP }),
	{"seed", "a number, or random", (*repl).seedText, (*repl).setSeed},
	{"mode", "auto, diffusion or ar",
		func(r *repl) string {
			for name, mode := range modes {
				if mode == r.options.Mode {
					return name
				}
			}
			return ""
		},
		func(r *repl, v string) bool {
			mode, ok := modes[v]
			if mode == engine.DraftMode && !r.m.weights.HasDiffusion() || !ok {
				return false
			}
			r.options.Mode = mode
			return true
		}},
	{"block", "0 (the model's) to the model's block size",
		func(r *repl) string { return strconv.Itoa(r.options.Block) },
		func(r *repl, v string) bool { return setInt(&r.options.Block, v, 0, r.m.weights.BlockSize) }},
	{"n", "-1 (no limit), or 1 or more",
		func(r *repl) string {
			if r.options.MaxTokens == 0 {
				return "-1"
			}
			return strconv.Itoa(r.options.MaxTokens)
		},
		func(r *repl, v string) bool {
			if v == "-1" {
				v = "0"
			} else if v == "0" {
				return false
			}
			return setInt(&r.options.MaxTokens, v, 0, math.MaxInt32)
		}},
	{"think", "on, off, or default (the template's)",
		func(r *repl) string {
			switch {
			case r.think == nil:
				return "default"
			case *r.think:
				return "on"
			}
			return "off"
		},
		func(r *repl, v string) bool {
			on := v == "on"
			switch v {
			case "on", "off":
				r.think = &on
			case "default":
				r.think = nil
			default:
				return false
			}
			return true
		}},
}

func settingNames() []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return names
}

// set shows all settings, or changes one.
func (r *repl) set(_ context.Context, args string) error {
	words := strings.Fields(args)
	if len(words) == 0 {
		for _, s := range settings {
			fmt.Fprintf(r.c.err, "  %-6s %-10s %s\n", s.name, s.get(r), s.want)
		}
		return nil
	}
	for _, s := range settings {
		if s.name != words[0] {
			continue
		}
		if len(words) != 2 || !s.set(r, words[1]) {
			return fmt.Errorf("/set %s: it takes %s", s.name, s.want)
		}
		return nil
	}
	return fmt.Errorf("/set %s: choose one of %s", words[0], strings.Join(settingNames(), ", "))
}

func (r *repl) seedText() string {
	if !r.seeded {
		return "random"
	}
	return strconv.FormatUint(r.options.Sampling.Seed, 10)
}

func (r *repl) setSeed(v string) bool {
	if v == "random" {
		r.seeded = false
		return true
	}
	seed, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return false
	}
	r.options.Sampling.Seed, r.seeded = seed, true
	return true
}

func setInt(dst *int, v string, low, high int) bool {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return false
	}
	*dst = n
	return true
}

// floatSetting is a number between 0 and limit.
func floatSetting(name, want string, limit float64, field func(*repl) *float64) setting {
	return setting{name, want,
		func(r *repl) string { return strconv.FormatFloat(*field(r), 'g', -1, 32) },
		func(r *repl, v string) bool {
			x, err := strconv.ParseFloat(v, 64)
			if err != nil || !inRange(x, limit) {
				return false
			}
			*field(r) = x
			return true
		}}
}
