package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"orthrus/cuda"
	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/metal"
	"orthrus/quant"
)

// backendFlag is the value of -b.
type backendFlag struct {
	name  string // one of backends
	index int    // of cuda:N
}

var backends = []string{"auto", "cpu", "cuda", "metal"}

func (b *backendFlag) Type() string { return "string" }

func (b *backendFlag) String() string {
	if b.index > 0 {
		return fmt.Sprintf("%s:%d", b.name, b.index)
	}
	return b.name
}

func (b *backendFlag) Set(s string) error {
	name, number, numbered := strings.Cut(strings.ToLower(s), ":")
	index := uint64(0)
	var err error
	if numbered {
		index, err = strconv.ParseUint(number, 10, 8)
	}
	if err != nil || numbered && name != "cuda" || !slices.Contains(backends, name) {
		return errors.New("choose auto, cpu, cuda, cuda:N or metal")
	}
	*b = backendFlag{name, int(index)}
	return nil
}

// choose opens the device that -b names: with auto the first GPU that has room for
// the model, else the CPU.
func (f *modelFlags) choose(c *console, m *engine.Model, o engine.DecoderOptions) (engine.Backend, error) {
	// An ORTHRUS_CPU that this machine cannot satisfy is an error, not a surprise in
	// the figures.
	if _, err := quant.CPU(); err != nil {
		return nil, err
	}
	switch f.backend.name {
	case "cpu":
		return cpu.New(f.cpuThreads()), nil
	case "cuda":
		return onCUDA(f.backend.index).fit(c, m, o)
	case "metal":
		return onMetal.fit(c, m, o)
	}
	var refused error
	for _, g := range gpus() {
		b, err := g.fit(c, m, o)
		if err == nil {
			return b, nil
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		c.note("computing on the CPU: %v", refused)
	}
	return cpu.New(f.cpuThreads()), nil
}

// reserver is a backend whose memory may be too small.
type reserver interface {
	engine.Backend
	Reserve(*engine.Model, engine.DecoderOptions) error
}

// gpu is a GPU by its name for -b, and how to open it.
type gpu struct {
	name string
	open func() (reserver, error)
}

func onCUDA(index int) gpu {
	return gpu{fmt.Sprint("cuda:", index), func() (reserver, error) { return cuda.New(index) }}
}

var onMetal = gpu{"metal", func() (reserver, error) { return metal.New() }}

// gpus lists the GPUs that auto tries; most machines have none.
func gpus() (list []gpu) {
	if runtime.GOOS == "darwin" {
		devices, _ := metal.Devices()
		for _, d := range devices {
			if d.Usable() {
				list = append(list, onMetal)
			}
		}
		return list
	}
	devices, _ := cuda.Devices()
	for _, d := range devices {
		list = append(list, onCUDA(d.Index))
	}
	return list
}

// fit opens a GPU if it has room for a model and its context. The first time its driver compiles the kernels.
func (g gpu) fit(c *console, m *engine.Model, o engine.DecoderOptions) (engine.Backend, error) {
	c.status("opening %s", g.name)
	defer c.status("")
	b, err := g.open()
	if err != nil {
		return nil, err
	}
	if err := b.Reserve(m, o); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// describeGPUs lists all GPUs of this machine, a line each.
func describeGPUs() (list []string, err error) {
	line := func(name, text string, memory int64) {
		list = append(list, fmt.Sprintf("%-7s %s, %s", name, text, bytesText(memory)))
	}
	if runtime.GOOS == "darwin" {
		devices, err := metal.Devices()
		for _, d := range devices {
			line(onMetal.name, d.Describe(), d.Memory)
		}
		return list, err
	}
	devices, err := cuda.Devices()
	for _, d := range devices {
		line(onCUDA(d.Index).name, d.Describe(), d.Memory)
	}
	return list, err
}

func newDevices(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List what -b can choose: the CPU, NVIDIA GPUs, and Apple's",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := cpu.New(0)
			defer b.Close()
			fmt.Fprintf(c.out, "%-7s %s\n", b.Name(), b.Describe())
			list, err := describeGPUs()
			if err != nil {
				c.say("%v", err)
			}
			for _, line := range list {
				fmt.Fprintln(c.out, line)
			}
			return nil
		},
	}
}
