package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"orthrus/gguf"
)

// A saved cache is little endian:
//
//	"ORTHKV01", fingerprint (32 bytes of text), cache type (uint32), n (uint32),
//	n tokens (int32 each), then for every layer the keys and the values of
//	positions 0..n-1, head by head, in the cache's type
const sessionMagic = "ORTHKV01"

// ErrOtherModel is returned by [Decoder.Restore] for a cache that was saved from
// another model or with another cache type.
var ErrOtherModel = errors.New("saved from another model or with another cache type")

// Save writes the cached tokens with their keys and values.
func (d *Decoder) Save(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	out.WriteString(sessionMagic)
	out.WriteString(d.net.Fingerprint())
	n := len(d.tokens)
	binary.Write(out, binary.LittleEndian, []uint32{uint32(d.opt.Cache), uint32(n)})
	binary.Write(out, binary.LittleEndian, d.tokens)
	var rows []byte
	for layer := range d.net.layers {
		var err error
		if rows, err = d.ctx.SaveKV(rows[:0], layer, n); err != nil {
			return err
		}
		if _, err := out.Write(rows); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Restore replaces the cache by a saved one. On an error the cache is empty.
func (d *Decoder) Restore(r io.Reader) (err error) {
	d.Reset()
	in := bufio.NewReaderSize(r, 1<<20)
	head := make([]byte, len(sessionMagic)+32+8)
	if _, err := io.ReadFull(in, head); err != nil {
		return fmt.Errorf("saved cache: %w", noEOF(err))
	}
	if !bytes.HasPrefix(head, []byte(sessionMagic)) {
		return errors.New("saved cache: not one, or of another version")
	}
	head = head[len(sessionMagic):]
	kind := gguf.Type(binary.LittleEndian.Uint32(head[32:]))
	if string(head[:32]) != d.net.Fingerprint() || kind != d.opt.Cache {
		return ErrOtherModel
	}
	n := int(binary.LittleEndian.Uint32(head[36:]))
	if n > d.opt.Context {
		return fmt.Errorf("saved cache: it holds %d tokens and the context %d: raise -c", n, d.opt.Context)
	}
	tokens := make([]int32, n)
	if err := binary.Read(in, binary.LittleEndian, tokens); err != nil {
		return fmt.Errorf("saved cache: %w", noEOF(err))
	}
	for _, t := range tokens {
		if t < 0 || int(t) >= d.net.Vocab {
			return fmt.Errorf("saved cache: token %d is outside the vocabulary of %d", t, d.net.Vocab)
		}
	}
	size, err := d.opt.Cache.RowBytes(d.net.HeadDim)
	if err != nil {
		return err
	}
	rows := make([]byte, 2*d.net.KVHeads*n*size)
	for layer := range d.net.layers {
		if _, err := io.ReadFull(in, rows); err != nil {
			return fmt.Errorf("saved cache: layer %d: %w", layer, noEOF(err))
		}
		if err := d.ctx.RestoreKV(rows, layer, n); err != nil {
			return err
		}
	}
	d.tokens = tokens
	return nil
}

// noEOF turns the end of a file in the middle of a value into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
