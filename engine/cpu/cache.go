package cpu

import (
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// cache holds keys and values of all layers, [layer][kv head][position][head dim]
// in the cache's type. Positions are rounded up to whole attention tiles. Pages
// that are never written never become resident.
type cache struct {
	t         gguf.Type
	kvHeads   int
	headDim   int
	positions int
	rowBytes  int // of one head at one position
	k, v      []([]byte)
}

func newCache(g engine.Geometry) (cache, error) {
	row, err := g.Cache.RowBytes(g.HeadDim)
	if err != nil {
		return cache{}, err
	}
	positions := (g.Context + tile - 1) / tile * tile
	layer := int64(g.KVHeads) * int64(positions) * int64(row)
	if total := 2 * layer * int64(g.Layers); total > 1<<42 {
		return cache{}, fmt.Errorf("a cache of %d tokens needs %d GB: lower -c or use --cache-type q8_0", g.Context, total>>30)
	}
	c := cache{t: g.Cache, kvHeads: g.KVHeads, headDim: g.HeadDim, positions: positions, rowBytes: row}
	for range g.Layers {
		c.k = append(c.k, make([]byte, layer))
		c.v = append(c.v, make([]byte, layer))
	}
	return c, nil
}

func (c *cache) bytes() int64 {
	return 2 * int64(len(c.k)) * int64(c.kvHeads) * int64(c.positions) * int64(c.rowBytes)
}

// head is the part of a layer's keys or values that belongs to one kv head.
func (c *cache) head(layer []byte, kvHead int) []byte {
	size := c.positions * c.rowBytes
	return layer[kvHead*size : (kvHead+1)*size]
}

// store writes one position's rows of all heads.
func (c *cache) store(layer, pos int, k, v []float32) {
	for h := range c.kvHeads {
		at := (h*c.positions + pos) * c.rowBytes
		quant.Quantize(c.t, c.k[layer][at:at+c.rowBytes], k[h*c.headDim:(h+1)*c.headDim])
		quant.Quantize(c.t, c.v[layer][at:at+c.rowBytes], v[h*c.headDim:(h+1)*c.headDim])
	}
}

func (c *context) SaveKV(dst []byte, layer, n int) []byte {
	for _, side := range [][]byte{c.cache.k[layer], c.cache.v[layer]} {
		for h := range c.cache.kvHeads {
			dst = append(dst, c.cache.head(side, h)[:n*c.cache.rowBytes]...)
		}
	}
	return dst
}

func (c *context) RestoreKV(src []byte, layer, n int) error {
	size := n * c.cache.rowBytes
	if n > c.cache.positions || len(src) != 2*c.cache.kvHeads*size {
		return fmt.Errorf("cpu: %d bytes are not the cache of %d positions", len(src), n)
	}
	for _, side := range [][]byte{c.cache.k[layer], c.cache.v[layer]} {
		for h := range c.cache.kvHeads {
			copy(c.cache.head(side, h), src[:size])
			src = src[size:]
		}
	}
	return nil
}
