package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orthrus/convert"
)

// TestMain keeps the tests out of the user's folders.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "orthrus-test-")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LocalAppData", "AppData"} {
		os.Setenv(name, dir)
	}
	os.Setenv("CUDA_VISIBLE_DEVICES", "") // the tests are of the CPU, also where there is a GPU
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// result is what a command line printed.
type result struct {
	status   int
	out, err string
}

// orthrus runs a command line with a pipe as standard input.
func orthrus(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	c := &console{in: strings.NewReader(stdin), out: &out, err: &err}
	status := execute(context.Background(), c, args)
	return result{status, out.String(), err.String()}
}

// refused checks that command lines end with a status and one line of error.
func refused(t *testing.T, status int, lines []string) {
	t.Helper()
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			r := orthrus(t, "", strings.Fields(line)...)
			if r.status != status {
				t.Errorf("exit status %d, want %d", r.status, status)
			}
			checkErrorLine(t, r)
		})
	}
}

func TestUsageErrors(t *testing.T) {
	refused(t, statusUsage, []string{
		"frob",
		"run --frob",
		"run text",
		"run -p",
		"run -p x -n 0",
		"run -p x -n -2",
		"run -p x -n many",
		"run -p x -f y",
		"run -p x --temp -1",
		"run -p x --temp NaN",
		"run -p x --top-p 1.5",
		"run -p x --min-p -0.1",
		"run -p x --top-k -1",
		"run -p x --seed -1",
		"run -p x --acceptance maybe",
		"run -p x --mode fast",
		"run -p x --block -1",
		"run -p x --cache-type q4_k",
		"run -p x -b vulkan",
		"run -p x -b metal:1",
		"run -p x -b cuda:one",
		"run -p x -b cuda:-1",
		"run -p x -c -1",
		"run -p x -t -1",
		"run -p x --think --no-think",
		"run -p x --raw --system y",
		"run -p x --stop=",
		"run",
		"convert",
		"convert a b",
		"convert . --type q3",
		"convert . --diff-type q3",
		"convert . --view left",
		"quantize a b",
		"quantize a b q3",
		"bench -o xml",
		"bench -r 0",
		"bench --shape 9b",
		"bench --shape 8b -m file",
		"bench --type q4_0",
		"bench --shape 8b --type q3",
		"bench --shape 8b -p x",
		"bench --assume 3",
		"bench -c 100",
		"bench --prompt=",
		"bench --shape 8b -f prompts",
		"bench --shape 8b --assume 0.5",
		"inspect",
		"inspect a b",
		"tokenize a b",
		"version now",
		"help frob",
		"help run frob",
		"completion",
		"completion tcsh",
		"run -p x --model=",
		"convert . -t -1",
		"quantize a b q4_0 -t 5000",
		"chat hello",
	})
}

func TestFailures(t *testing.T) {
	refused(t, statusFailure, []string{
		"run -p x -m no-such-file.gguf",
		"run -f no-such-file.txt",
		"inspect no-such-file.gguf",
		"inspect .",
		"inspect main_test.go",
		"tokenize -m no-such-file.gguf text",
		"convert no-such-folder",
		"convert main_test.go",
		"quantize no-such-file.gguf out.gguf q4_0",
		"bench -m no-such-file.gguf",
		"bench -f no-such-file",
		"bench --block 33",
		"run -p x --block 33",
		"run -p x -c 1000000",
		"chat --block 33",
		"chat -m main_test.go",
	})
}

// TestErrorTexts checks what a user reads: which file, what is wrong, and what to
// do, and nothing of calls and temporary files.
func TestErrorTexts(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "-p", "x", "-m", in("no.gguf")}, in("no.gguf") + ": no such file or directory"},
		{[]string{"run", "-p", "x", "-m", dir}, dir + ": not a regular file"},
		{[]string{"run", "-f", dir}, dir + ": is a directory"},
		{[]string{"run", "-f", ""}, `"": no such file or directory`},
		{[]string{"run", "x"}, `"x" is one argument too many: orthrus run [-p PROMPT] [flags]`},
		{[]string{"run", "-p", "x", "-n", "many"}, `--n-predict "many": it takes a whole number`},
		{[]string{"run", "-p", "x", "-n", "99999999999999999999"}, `--n-predict "99999999999999999999": out of range`},
		{[]string{"run", "-p", "x", "--mode", "fast"}, `--mode "fast": choose auto, diffusion or ar`},
		{[]string{"run", "-p", "x", "--block", "33"}, "--block 33: orthrus-demo-18m drafts with at most 32 rows"},
		{[]string{"run", "-p", "x", "-c", "5000"}, "-c 5000: orthrus-demo-18m was made for a context of at most 4096 tokens: lower -c"},
		{[]string{"bench", "-c", "100"}, "-c 100: the tests need a context of 512 tokens: raise -c, or lower -d, --pp, --tg or -n"},
		{[]string{"convert", dir}, in("config.json") + ": no such file or directory: is " + dir + " a checkpoint in the Hugging Face layout?"},
		{[]string{"convert", checkpoint, "-o", in("no/x.gguf")}, "cannot write " + in("no/x.gguf") + ": no such file or directory"},
		{[]string{"convert", checkpoint, "--view", "ar", "--diff-type", "q4_0"}, "a type is given for the diffusion projections, but the output has none: leave it out"},
		{[]string{"quantize", "a"}, "an argument is missing: orthrus quantize IN.gguf OUT.gguf TYPE [flags]"},
		{[]string{"quantize", "a", "b", "q3"}, `TYPE "q3": choose f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_k_s or q4_0`},
	} {
		if r := orthrus(t, "", c.args...); r.err != "orthrus: "+c.want+"\n" || r.out != "" || r.status == 0 {
			t.Errorf("%q: %+v, want %s", c.args, r, c.want)
		}
	}
}

// checkErrorLine checks that an error is one line on standard error alone, and
// names the program.
func checkErrorLine(t *testing.T, r result) {
	t.Helper()
	if r.out != "" {
		t.Errorf("standard output has %q", r.out)
	}
	if !strings.HasPrefix(r.err, "orthrus: ") || strings.Count(r.err, "\n") != 1 || !strings.HasSuffix(r.err, "\n") {
		t.Errorf("standard error has %q, want one line", r.err)
	}
}

func TestHelp(t *testing.T) {
	for _, name := range []string{"convert", "quantize", "run", "chat", "bench", "inspect", "tokenize", "version", "completion"} {
		r := orthrus(t, "", name, "--help")
		if r.status != 0 || !strings.Contains(r.out, "orthrus "+name) || r.err != "" {
			t.Errorf("%s --help: status %d, output %.100q, errors %q", name, r.status, r.out, r.err)
		}
		if again := orthrus(t, "", "help", name); again != r {
			t.Errorf("help %s: %+v, want %+v", name, again, r)
		}
	}
	if r := orthrus(t, ""); r.status != 0 || !strings.Contains(r.out, "Usage:") {
		t.Errorf("no arguments: status %d, output %.100q", r.status, r.out)
	}
	if r := orthrus(t, "", "version"); r.status != 0 || !strings.Contains(r.out, "cpu kernels: ") {
		t.Errorf("version: status %d, output %q", r.status, r.out)
	}
}

// TestCompletion asks what a shell is told, by the command that the scripts of
// completion call.
func TestCompletion(t *testing.T) {
	for _, shell := range shells {
		if r := orthrus(t, "", "completion", shell); r.status != 0 || !strings.Contains(r.out, "__complete") {
			t.Errorf("completion %s: status %d, %.100q", shell, r.status, r.out)
		}
	}
	for line, want := range map[string]string{
		"q":                                   "quantize\tConvert a GGUF file to another type\n:4\n",
		"run --mode ":                         "auto\ndiffusion\nar\n:4\n",
		"run --temp ":                         ":4\n",
		"run -m ":                             ":0\n",
		"convert ":                            ":16\n",
		"convert --view ":                     "both\nar\n:4\n",
		"quantize in.gguf ":                   ":0\n",
		"quantize in out --diff-type q5_k_m ": strings.Join(convert.Types(), "\n") + "\n:4\n",
		"bench --type ":                       strings.Join(convert.Types(), "\n") + "\n:4\n",
		"bench --shape ":                      "0.6b\n1.7b\n4b\n8b\n14b\n32b\n:4\n",
		"completion f":                        "fish\n:4\n",
		"help ":                               "bench\nchat\ncompletion\nconvert\ndevices\nhelp\ninspect\nquantize\nrun\ntokenize\nversion\n:4\n",
	} {
		if r := orthrus(t, "", append([]string{"__complete"}, strings.Split(line, " ")...)...); r.status != 0 || r.out != want {
			t.Errorf("%q: status %d, %q; want %q", line, r.status, r.out, want)
		}
	}
}
