package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"orthrus/quant"
)

// version is set at release: -ldflags "-X main.version=1.2.3".
var version string

func newVersion(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the instruction set in use, and the GPUs",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			text := versionText()
			list, _ := describeGPUs() // most machines have none
			for _, line := range list {
				text += line + "\n"
			}
			_, err := io.WriteString(c.out, text)
			return err
		},
	}
}

func versionText() string {
	isa, err := quant.CPU()
	if err != nil {
		isa += " (" + err.Error() + ")"
	}
	return fmt.Sprintf("orthrus %s\n%s %s/%s\ncpu kernels: %s\n", versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH, isa)
}

// versionName is the release, else the module's version or commit.
func versionName() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	name := "devel"
	if commit := settings["vcs.revision"]; len(commit) >= 12 {
		name += " " + commit[:12]
	}
	if settings["vcs.modified"] == "true" {
		name += " modified"
	}
	return name
}
