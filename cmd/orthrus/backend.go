package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"orthrus/cuda"
	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/quant"
)

// backendFlag is the value of -b.
type backendFlag struct {
	name  string // one of backends
	index int    // of cuda:N
}

var backends = []string{"auto", "cpu", "cuda"}

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
		return errors.New("choose auto, cpu, cuda or cuda:N")
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
	if f.backend.name == "cuda" {
		return openGPU(c, f.backend.index, m, o)
	}
	if f.backend.name == "auto" {
		var refused error
		devices, _ := cuda.Devices() // most machines have none
		for _, d := range devices {
			b, err := openGPU(c, d.Index, m, o)
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
	}
	return cpu.New(f.cpuThreads()), nil
}

// openGPU opens a GPU if it has room for a model and its context. The first time the driver compiles the kernels.
func openGPU(c *console, index int, m *engine.Model, o engine.DecoderOptions) (engine.Backend, error) {
	c.status("opening cuda:%d", index)
	defer c.status("")
	b, err := cuda.New(index)
	if err != nil {
		return nil, err
	}
	if err := b.Reserve(m, o); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func newDevices(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List what -b can choose: the CPU, and NVIDIA GPUs",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := cpu.New(0)
			defer b.Close()
			fmt.Fprintf(c.out, "%-7s %s\n", b.Name(), b.Describe())
			devices, err := cuda.Devices()
			if err != nil {
				c.say("%v", err)
			}
			for _, d := range devices {
				fmt.Fprintf(c.out, "cuda:%-2d %s, %s\n", d.Index, d.Describe(), bytesText(d.Memory))
			}
			return nil
		},
	}
}
