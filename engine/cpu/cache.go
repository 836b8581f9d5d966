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

// store writes a position's key and value of one head.
func (c *cache) store(layer, kvHead, pos int, k, v []float32) {
	var buf [512]byte
	row := resize(buf[:], c.rowBytes)
	quant.Quantize(c.t, row, k)
	quant.PutKey(c.t, c.head(c.k[layer], kvHead), pos, row)
	at := (kvHead*c.positions + pos) * c.rowBytes
	quant.Quantize(c.t, c.v[layer][at:at+c.rowBytes], v)
}

func (c *context) SaveKV(dst []byte, layer, n int) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, 2*c.cache.kvHeads*n*c.cache.rowBytes)...)
	c.eachHead(dst[at:], layer, n, func(keys, values, keyRows, valueRows []byte) {
		for i := range n {
			quant.Key(c.cache.t, keys, i, keyRows[i*c.cache.rowBytes:][:c.cache.rowBytes])
		}
		copy(valueRows, values)
	})
	return dst, nil
}

func (c *context) RestoreKV(src []byte, layer, n int) error {
	if n > c.cache.positions || len(src) != 2*c.cache.kvHeads*n*c.cache.rowBytes {
		return fmt.Errorf("cpu: %d bytes are not the cache of %d positions", len(src), n)
	}
	c.eachHead(src, layer, n, func(keys, values, keyRows, valueRows []byte) {
		for i := range n {
			quant.PutKey(c.cache.t, keys, i, keyRows[i*c.cache.rowBytes:][:c.cache.rowBytes])
		}
		copy(values, valueRows)
	})
	return nil
}

// eachHead calls f for every kv head of a layer, with its keys and values and the n rows of each in saved.
func (c *context) eachHead(saved []byte, layer, n int, f func(keys, values, keyRows, valueRows []byte)) {
	size, heads := n*c.cache.rowBytes, c.cache.kvHeads
	c.pool.run(heads, func(_, h int) {
		f(c.cache.head(c.cache.k[layer], h), c.cache.head(c.cache.v[layer], h), saved[h*size:][:size], saved[(heads+h)*size:][:size])
	})
}
