package engine

import "orthrus/gguf"

// A Backend is a device that computes: the CPU, or one GPU. It knows nothing
// of decoding; it offers operations on its own memory, and the passes of this
// package are sequences of them.
//
// The contract that every backend keeps: an operation computes each row in one
// fixed order of arithmetic, whatever rows stand beside it in the pass. So a
// row's bits depend on its own input alone, and any way to split a text into
// passes gives the same logits.
type Backend interface {
	// Name is what -b takes: "cpu", "cuda:0".
	Name() string
	// Describe is one line for people: device, instruction set, threads.
	Describe() string
	// Weight prepares a tensor for computation. The CPU uses t.Data in place.
	Weight(t *gguf.Tensor) (Weight, error)
	// Chunk is the number of rows of a prompt pass that suits the device.
	Chunk() int
	// Open allocates what one conversation needs on the device.
	Open(g Geometry) (Context, error)
	// Close releases the device. Contexts are closed before.
	Close() error
}

// Weight is a tensor on the device: a matrix of rows of the model's tensor, or
// a vector of one row.
type Weight interface {
	Rows() int // outputs of a matrix product
	Cols() int // inputs of a matrix product
}

// Geometry is what a [Context] has to hold.
type Geometry struct {
	Layers  int
	Hidden  int
	Heads   int
	KVHeads int
	HeadDim int
	FF      int
	Vocab   int
	Context int       // positions in the cache
	Rows    int       // rows of the widest pass
	Block   int       // rows that get logits at once, at most
	Cache   gguf.Type // F32, F16 or Q8_0
	Eps     float32   // of every RMS norm
	Rope    Rope
}

// A Context is one conversation on a device: its KV cache, its activation
// buffers, the passes recorded over them, and a control block.
//
// The control block is the part of device memory that changes between two runs
// of the same pass:
//
//	position   of the first row
//	tokens     of the rows
//	choices    one a row, the tokens that the pass itself decided on
//	chances    one a draft, how likely the draft's row holds its likeliest token
//	sampling   temperature, cuts and seed
//
// Passes read and write it there. So a recorded pass has no arguments and can
// be replayed as it is (a CUDA graph, a list of Metal dispatches), drafts never
// leave the device between the pass that makes them and the pass that checks
// them, and a whole step needs one synchronisation: the Wait that fetches the
// accepted tokens.
type Context interface {
	// Buffer allocates an activation matrix of float32.
	Buffer(rows, cols int) (Buffer, error)
	// Record runs build once and keeps the operations it asks for.
	Record(build func(Ops)) (Pass, error)
	// Seek writes the position of the next pass and the tokens of its first rows.
	Seek(pos int, tokens []int32)
	// Sample writes the sampling options.
	Sample(s Sampling)
	// Run queues a recorded pass.
	Run(p Pass)
	// Wait waits for all that is queued and returns what the last Draft and Accept
	// decided. It is the only call that waits for the device.
	Wait() (Outcome, error)
	// Read copies a buffer to dst, which has room for it, after Wait.
	Read(b Buffer, dst []float32) error
	// SaveKV appends one layer's cache rows of positions [0, n) to dst: the keys
	// head by head, then the values, in the cache's own type. RestoreKV puts them
	// back.
	SaveKV(dst []byte, layer, n int) ([]byte, error)
	RestoreKV(src []byte, layer, n int) error
	// Memory tells what the context holds, in bytes.
	Memory() Memory
	Close() error
}

// Memory is the memory of a [Context] in bytes.
type Memory struct {
	Cache       int64 // keys and values of the AR view, all layers
	Activations int64 // buffers
}

// Buffer is a matrix of float32 activations in device memory.
type Buffer interface {
	Rows() int
	Cols() int
	// Slice is the part [from, to) of the rows; it shares their memory.
	Slice(from, to int) Buffer
}

// Pass is a recorded sequence of operations.
type Pass interface{}

// Outcome is what the passes decided that ran last.
type Outcome struct {
	// Of [Ops.Accept]: the accepted drafts, followed by the one token that the AR
	// view chose after them.
	Tokens []int32
	// Of [Ops.Draft]: for each draft the probability of the likeliest token at its
	// place, by the diffusion view and the sampling options. Valid until the next
	// Draft.
	Chances []float32
}

// Product is one matrix product of [Ops.MatMul].
type Product struct {
	Weight Weight
	Dst    Buffer
}

// Ops are the operations a pass is made of. The rows of a pass are the rows of
// the buffers it is recorded with; row i has the position and the token that
// the control block gives it: position + i, tokens[i].
//
// What Norm, Gate and Attend compute is read by the MatMul that follows at once
// and by nothing else, and what Heads computes by the Attend that follows: a
// backend may hand it on in another form.
type Ops interface {
	// Mask sets the tokens of rows 1..rows-1 to the mask token.
	Mask(rows int, token int32)
	// Embed sets each row of dst to its token's row of table.
	Embed(dst Buffer, table Weight)
	// Norm sets dst to the RMS norm of src times w, row by row.
	Norm(dst, src Buffer, w Weight)
	// MatMul sets every product's Dst to src times its Weight transposed, or adds
	// to Dst when add is set. Products of one call share the input's preparation.
	MatMul(src Buffer, add bool, products ...Product)
	// Heads norms every head of q and k by qNorm and kNorm (vectors of the head
	// dim) and rotates them to their row's position. With store, k and v are
	// then written to the layer's cache at that position; without, k is rotated
	// in place and the cache is left alone.
	Heads(layer int, q, k, v Buffer, qNorm, kNorm Weight, store bool)
	// Attend computes grouped-query attention. Without k and v the rows attend
	// causally to the layer's cache, themselves included. With k and v (the
	// block's own, as Heads left them) every row attends to the cache before the
	// first row's position and to all rows of the block.
	Attend(layer int, dst, q, k, v Buffer)
	// Gate sets dst to silu(gate) * up, elementwise. dst may be gate.
	Gate(dst, gate, up Buffer)
	// Choose decides on one token for each row of logits, the first of which
	// belongs to row first of the pass: the argmax, or a sample keyed by the seed
	// and the position that the token would take. With draft the chances are noted
	// too: the probability of the row's likeliest token after the filters, which is
	// no matter of the noise. With keep the logits are replaced by the filtered
	// probabilities the choice was drawn from (needed by rejection acceptance;
	// greedy: 1 for the choice).
	Choose(logits Buffer, first int, draft, keep bool)
	// Draft makes the choices the tokens of the rows after them: tokens[i+1] =
	// choices[i] for the n first rows.
	Draft(n int)
	// Accept ends a pass of the AR view over rows rows. Rows up to first hold
	// known tokens. From there on, a row's token is accepted while it is the
	// choice of the row before it. Then the control block is made ready for the
	// next pass: the position moves behind the last accepted token, and tokens[0]
	// is the choice of the row that stopped (or of the last row).
	//
	// With p and q (the kept probabilities of the AR rows from first on, and of
	// the drafts), a draft d is accepted with probability min(1, p(d)/q(d)), and
	// the refused one's place is drawn from max(p-q, 0).
	Accept(rows, first int, p, q Buffer)
}
