package main

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"orthrus/engine/chat"
)

func sampleHeader() *sessionHeader {
	seed, think := uint64(7), false
	return &sessionHeader{
		Model: strings.Repeat("0123456789abcdef", 2), Name: "a model", System: "Be brief.", Think: &think,
		Messages: []chat.Message{{Role: "user", Content: "жук\n"}, {Role: "assistant", Content: "beetle", ReasoningContent: "why"}},
		Sampling: sessionSampling{Temp: 0.6, TopK: 20, TopP: 0.95, Seed: &seed, Rejection: true},
	}
}

func headerBytes(json string) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte(sessionMagic), uint32(len(json))), json...)
}

func TestSessionHeader(t *testing.T) {
	var b bytes.Buffer
	want := sampleHeader()
	if err := writeSessionHeader(&b, want); err != nil {
		t.Fatal(err)
	}
	b.WriteString("cache")
	got, err := readSessionHeader(&b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
	if b.String() != "cache" {
		t.Errorf("%q is left, want the cache", b.String())
	}
}

func TestSessionHeaderDamaged(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":      nil,
		"short":      []byte(sessionMagic),
		"magic":      []byte("ORTHSES9\x02\x00\x00\x00{}"),
		"huge":       []byte(sessionMagic + "\xff\xff\xff\xff{}"),
		"cut":        headerBytes("{}")[:13],
		"no json":    headerBytes("{"),
		"wrong type": headerBytes(`{"messages": 3}`),
		"one turn":   headerBytes(`{"messages": [{"role": "user", "content": "a"}]}`),
		"role":       headerBytes(`{"messages": [{"role": "user"}, {"role": "system"}]}`),
		"temp":       headerBytes(`{"sampling": {"temp": -1}}`),
		"top-p":      headerBytes(`{"sampling": {"top_p": 2}}`),
		"top-k":      headerBytes(`{"sampling": {"top_k": -5}}`),
		"seed":       headerBytes(`{"sampling": {"seed": -5}}`),
	} {
		if h, err := readSessionHeader(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: accepted: %+v", name, h)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", name, err)
		}
	}
}

// FuzzSessionHeader checks that what is accepted is written back as it was.
func FuzzSessionHeader(f *testing.F) {
	var b bytes.Buffer
	writeSessionHeader(&b, sampleHeader())
	f.Add(b.Bytes())
	f.Add(headerBytes("{}"))
	f.Add(headerBytes(`{"messages": [{"role": "user"}, {"role": "assistant"}]}`))
	f.Add([]byte(sessionMagic + "\xff\xff\xff\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readSessionHeader(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := writeSessionHeader(&b, h); err != nil {
			t.Fatal(err)
		}
		again, err := readSessionHeader(&b)
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}

// FuzzSession reads whole session files, of any bytes as they are or compressed first.
// What is accepted is written back as it was.
func FuzzSession(f *testing.F) {
	ct := newChatTest(f, "-c", "64")
	compress := func(data []byte) []byte {
		z, err := zstd.NewWriter(nil)
		if err != nil {
			f.Fatal(err)
		}
		return z.EncodeAll(data, nil)
	}
	add := func() {
		var b bytes.Buffer
		if err := ct.writeSession(&b); err != nil {
			f.Fatal(err)
		}
		z, err := zstd.NewReader(nil)
		if err != nil {
			f.Fatal(err)
		}
		plain, err := z.DecodeAll(b.Bytes(), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), false)
		f.Add(plain, true)
	}
	add()
	ct.messages = sampleHeader().Messages
	add()
	f.Fuzz(func(t *testing.T, data []byte, plain bool) {
		if plain {
			data = compress(data)
		}
		h, err := ct.readSession(bytes.NewReader(data))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %v", err)
			}
			return
		}
		ct.system, ct.messages, ct.think = h.System, h.Messages, h.Think
		ct.setSampling(h.Sampling)
		var b bytes.Buffer
		if err := ct.writeSession(&b); err != nil {
			t.Fatal(err)
		}
		h.Name = ct.m.name() // the saved name is for messages alone
		if again, err := ct.readSession(&b); err != nil || !reflect.DeepEqual(again, h) {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}
