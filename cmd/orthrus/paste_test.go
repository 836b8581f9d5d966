package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestPasteReader(t *testing.T) {
	nl := string(pastedNewline)
	for in, want := range map[string]string{
		"typed\r":                                  "typed\r",
		"\x1b[A\x1b[3~":                            "\x1b[A\x1b[3~",
		"a\x1b[200~b\rc\x1b[201~d\r":               "ab" + nl + "cd\r",
		"\x1b[200~b\r\nc\nd\x1b[201~":              "b" + nl + "c" + nl + "d",
		"\x1b[200~\x03\x04\x1b[A\x7f\x1b[201~\x03": "[A\x03",
		"\x1b[200~x\x1b[20":                        "x[20",
		"\x1b\x1b[200~a\nb\x1b[201~":               "\x1ba" + nl + "b",
		"\x1b[200~жук\x1b[201~":                    "жук",
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(in), "bytewise": iotest.OneByteReader(strings.NewReader(in))} {
			got, err := io.ReadAll(&pasteReader{r: bufio.NewReader(r)})
			if err != nil || string(got) != want {
				t.Errorf("%s %q: %q, %v; want %q", name, in, got, err, want)
			}
		}
	}
}

// FuzzPasteReader checks that what is read does not depend on how it comes.
func FuzzPasteReader(f *testing.F) {
	f.Add("typed\r")
	f.Add("a\x1b[200~b\r\nc\x1b[201~d\r")
	f.Add("\x1b[20\x1b[200~\x1b\x1b[201")
	f.Fuzz(func(t *testing.T, in string) {
		whole, err := io.ReadAll(&pasteReader{r: bufio.NewReader(strings.NewReader(in))})
		if err != nil {
			t.Fatal(err)
		}
		bytewise, err := io.ReadAll(iotest.OneByteReader(&pasteReader{r: bufio.NewReader(iotest.OneByteReader(strings.NewReader(in)))}))
		if err != nil || !bytes.Equal(bytewise, whole) {
			t.Fatalf("%q: %q, %v; in one piece %q", in, bytewise, err, whole)
		}
		if !strings.Contains(in, "\x1b[20") && string(whole) != in {
			t.Fatalf("%q became %q without a mark", in, whole)
		}
	})
}
