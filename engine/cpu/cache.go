package cpu

import (
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// cache holds keys and values of all layers, [layer][kv head][position][head dim]
// in the cache's type, the keys in groups (quant.PutKey). Positions are rounded up
// to whole blocks of keys. Pages that are never written never become resident.
type cache struct {
	t         gguf.Type
	kvHeads   int
	headDim   int
	positions int
	rowBytes  int // of one head at one position
	memory    []byte
	k, v      [][]byte // parts of it, by layer
}

func newCache(g engine.Geometry) (cache, error) {
	row, err := g.Cache.RowBytes(g.HeadDim)
	if err != nil {
		return cache{}, err
	}
	positions := (g.Context + quant.KeyBlock - 1) / quant.KeyBlock * quant.KeyBlock
	layer := int64(g.KVHeads) * int64(positions) * int64(row)
	total := 2 * layer * int64(g.Layers)
	memory, err := []byte(nil), error(nil)
	if total <= 1<<42 {
		memory, err = reserve(total)
	}
	if err != nil || memory == nil {
		return cache{}, fmt.Errorf("a cache of %d tokens needs %.1f GB, more than this machine gives: lower -c or use --cache-type q8_0",
			g.Context, float64(total)/1e9)
	}
	c := cache{t: g.Cache, kvHeads: g.KVHeads, headDim: g.HeadDim, positions: positions, rowBytes: row, memory: memory}
	for rest := memory; len(rest) > 0; rest = rest[2*layer:] {
		c.k = append(c.k, rest[:layer:layer])
		c.v = append(c.v, rest[layer:2*layer:2*layer])
	}
	return c, nil
}

func (c *cache) bytes() int64 { return int64(len(c.memory)) }

// head is the part of a layer's keys or values that belongs to one kv head.
func (c *cache) head(layer []byte, kvHead int) []byte {
	size := c.positions * c.rowBytes
	return layer[kvHead*size : (kvHead+1)*size]
}

// store writes one position's rows of all heads.
func (c *cache) store(layer, pos int, k, v []float32) {
	var buf [512]byte
	row := resize(buf[:], c.rowBytes)
	for h := range c.kvHeads {
		quant.Quantize(c.t, row, k[h*c.headDim:(h+1)*c.headDim])
		quant.PutKey(c.t, c.head(c.k[layer], h), pos, row)
		at := (h*c.positions + pos) * c.rowBytes
		quant.Quantize(c.t, c.v[layer][at:at+c.rowBytes], v[h*c.headDim:(h+1)*c.headDim])
	}
}

func (c *context) SaveKV(dst []byte, layer, n int) []byte {
	size := c.cache.rowBytes
	row := make([]byte, size)
	for h := range c.cache.kvHeads {
		keys := c.cache.head(c.cache.k[layer], h)
		for i := range n {
			quant.Key(c.cache.t, keys, i, row)
			dst = append(dst, row...)
		}
	}
	for h := range c.cache.kvHeads {
		dst = append(dst, c.cache.head(c.cache.v[layer], h)[:n*size]...)
	}
	return dst
}

func (c *context) RestoreKV(src []byte, layer, n int) error {
	size := c.cache.rowBytes
	if n > c.cache.positions || len(src) != 2*c.cache.kvHeads*n*size {
		return fmt.Errorf("cpu: %d bytes are not the cache of %d positions", len(src), n)
	}
	for h := range c.cache.kvHeads {
		keys := c.cache.head(c.cache.k[layer], h)
		for i := range n {
			quant.PutKey(c.cache.t, keys, i, src[:size])
			src = src[size:]
		}
	}
	for h := range c.cache.kvHeads {
		copy(c.cache.head(c.cache.v[layer], h), src[:n*size])
		src = src[n*size:]
	}
	return nil
}
