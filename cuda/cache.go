package cuda

import (
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
)

// cacheType is CacheType of cache.cuh.
type cacheType int32

const (
	cacheF32 cacheType = iota
	cacheF16
	cacheQ8
)

// name is what kernels call the type.
func (t cacheType) name() string { return [...]string{"f32", "f16", "q8"}[t] }

// cache holds keys and values: [layer][keys, values][kv head][position], in the order of cache.cuh. It takes as much as
// rows of the type do.
type cache struct {
	at        pointer
	t         cacheType
	layers    int
	kvHeads   int
	positions int // a multiple of tileKeys
	rowBytes  int64
}

const tileKeys = 64

func newCache(g engine.Geometry, layers, positions int) cache {
	row, _ := g.Cache.RowBytes(g.HeadDim)
	t := map[gguf.Type]cacheType{gguf.F32: cacheF32, gguf.F16: cacheF16, gguf.Q8_0: cacheQ8}[g.Cache]
	return cache{0, t, layers, g.KVHeads, ceil(positions, tileKeys) * tileKeys, int64(row)}
}

func (c cache) bytes() int64 { return 2 * int64(c.layers) * int64(c.kvHeads) * c.headBytes() }

// headBytes is what one head has in a layer's keys.
func (c cache) headBytes() int64 { return int64(c.positions) * c.rowBytes }

func (c cache) keys(layer int) pointer {
	return c.at + pointer(2*int64(layer)*int64(c.kvHeads)*c.headBytes())
}

func (c cache) values(layer int) pointer {
	return c.keys(layer) + pointer(int64(c.kvHeads)*c.headBytes())
}

type sessionArgs struct {
	rows, keys              pointer
	first, count            int64
	headBytes               int64
	positions, kvHeads, dim int32
	t                       cacheType
	restore, _              int32
}

// saveKV appends a layer's cache rows of positions [0, n) to dst, as engine.Context has it.
func saveKV(d device, s *state, dst []byte, layer, n int) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, s.sessionBytes(n))...)
	err := s.session(d, layer, n, 0, func(from, to int64) error { return d.download(dst[at:][from:to], s.scratch.at) }, nil)
	return dst, err
}

// restoreKV puts rows back that saveKV gave.
func restoreKV(d device, s *state, src []byte, layer, n int) error {
	if n > s.cache.positions || int64(len(src)) != s.sessionBytes(n) {
		return fmt.Errorf("%d bytes are not the cache of %d positions", len(src), n)
	}
	return s.session(d, layer, n, 1, nil, func(from, to int64) error { return d.upload(s.scratch.at, src[from:to]) })
}

func (s *state) sessionBytes(n int) int64 { return 2 * int64(s.KVHeads) * int64(n) * s.cache.rowBytes }

// session copies rows between the cache and the scratch memory, as many as it holds at a time, and these to or from
// the host.
func (s *state) session(d device, layer, n int, restore int32, after, before func(from, to int64) error) error {
	const warps = 8
	size := s.cache.rowBytes
	most := s.scratch.bytes / size
	for first, rows := int64(0), 2*int64(s.KVHeads)*int64(n); first < rows; first += most {
		count := min(most, rows-first)
		if before != nil {
			if err := before(first*size, (first+count)*size); err != nil {
				return err
			}
		}
		err := launch(d, "session", [3]int{int((count + warps - 1) / warps), 1, 1}, 32*warps, 0, &sessionArgs{
			rows: s.scratch.at, keys: s.cache.keys(layer), first: first, count: count, headBytes: s.cache.headBytes(),
			positions: int32(n), kvHeads: int32(s.KVHeads), dim: int32(s.HeadDim), t: s.cache.t, restore: restore,
		})
		if err != nil {
			return err
		}
		if after != nil {
			if err := after(first*size, (first+count)*size); err != nil {
				return err
			}
		}
	}
	return nil
}
