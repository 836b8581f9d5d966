package metal

import (
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
)

// cache is the KV cache of the AR view: a buffer of keys and one of values for each layer, laid out as kernels/cache.h says.
type cache struct {
	t            gguf.Type
	kvHeads, dim int
	blocks       int // of cacheBlock positions of a KV head
	keys, values []buffer
	blockBytes   int
}

// cacheBlock is the number of positions of a block.
const cacheBlock = 32

// checkGeometry tells what the kernels cannot do.
func checkGeometry(g engine.Geometry) error {
	switch {
	case g.HeadDim%8 != 0 || g.HeadDim > 256:
		return fmt.Errorf("heads of %d values: multiples of 8 up to 256 are supported", g.HeadDim)
	case g.Heads%g.KVHeads != 0:
		return fmt.Errorf("%d heads for %d kv heads: a multiple is needed", g.Heads, g.KVHeads)
	}
	return nil
}

// layerBytes is the size of a layer's keys, or of its values.
func layerBytes(g engine.Geometry) int64 {
	row, _ := g.Cache.RowBytes(g.HeadDim) // whole blocks: engine.Model.Geometry
	return int64(g.KVHeads) * int64(ceil(g.Context, cacheBlock)) * cacheBlock * int64(row)
}

func newCache(g engine.Geometry, alloc func(int64) (buffer, error)) (cache, error) {
	row, err := g.Cache.RowBytes(g.HeadDim)
	c := cache{t: g.Cache, kvHeads: g.KVHeads, dim: g.HeadDim, blocks: ceil(g.Context, cacheBlock), blockBytes: cacheBlock * row}
	for i := 0; i < 2*g.Layers && err == nil; i++ {
		var b buffer
		if b, err = alloc(layerBytes(g)); i%2 == 0 {
			c.keys = append(c.keys, b)
		} else {
			c.values = append(c.values, b)
		}
	}
	return c, err
}

// copyRows copies positions [0, n) of a layer's keys or values, which are in memory, to rows of the cache's type, head by head;
// or with restore from rows to memory.
func (c *cache) copyRows(memory, rows []byte, n int, keys, restore bool) {
	move := func(row, at []byte) {
		if restore {
			copy(at, row)
		} else {
			copy(row, at)
		}
	}
	elems, bytes := c.t.Block()
	rowBytes := c.blockBytes / cacheBlock
	for head := range c.kvHeads {
		for pos := range n {
			block := memory[(head*c.blocks+pos/cacheBlock)*c.blockBytes:][:c.blockBytes]
			row, j := rows[(head*n+pos)*rowBytes:][:rowBytes], pos%cacheBlock
			size, scale := bytes, 0 // of a value, and of the scale before every 32
			if c.t == gguf.Q8_0 {
				size, scale = 1, bytes-elems
			}
			for d := 0; d < c.dim; d += 4 { // of which neither layout parts four
				at := j*c.dim + d
				if keys {
					at = d*cacheBlock + 4*j
				}
				from := d*size + (d/cacheBlock+1)*scale
				move(row[from:][:4*size], block[at*size:])
			}
			for s := 0; scale > 0 && s < c.dim/elems; s++ {
				at := j*(c.dim/elems) + s
				if keys {
					at = s*cacheBlock + j
				}
				move(row[s*bytes:][:scale], block[cacheBlock*c.dim+at*scale:])
			}
		}
	}
}
