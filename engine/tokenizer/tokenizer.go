// Package tokenizer turns text into token ids and back, as the reference library (HuggingFace tokenizers) does for
// Qwen3: NFC, the Qwen2 pre-tokenizer, byte-level BPE. It is built from the metadata of a GGUF file.
package tokenizer

// Kind tells how a token is found in text. The values are GGUF's (tokenizer.ggml.token_type).
type Kind uint8

const (
	Normal      Kind = 1 // a byte or the result of a merge
	Control     Kind = 3 // marks structure (<|im_end|>); found in text only where Encode is asked to
	UserDefined Kind = 4 // a word of the model's own (<think>), always found in text
	Unused      Kind = 5 // an embedding row without a token
)

// Tokenizer is a vocabulary with its merges. It is safe for concurrent use.
type Tokenizer struct {
	texts  []string         // per id, the bytes that the token stands for
	kinds  []Kind           // per id
	ids    map[string]int32 // by the file's spelling of the token
	bytes  [256]int32       // the token of every single byte
	ranks  map[pair]int32   // a pair's place among the merges; the lowest is merged first
	merged []int32          // by rank, the token that the merge makes
	added  [256][]string    // by first byte, the control and user-defined tokens, sorted

	classes []class       // per code point
	young   map[rune]bool // see unicodeTables
}

// pair is two adjacent tokens.
type pair struct{ left, right int32 }

// Size returns the number of tokens; ids run from 0 to Size()-1.
func (t *Tokenizer) Size() int { return len(t.texts) }

// Token returns the bytes that token id stands for, which may be a part of a UTF-8 sequence, and its kind. For an
// unused token the text is its name. An unknown id gives "" and the kind 0.
func (t *Tokenizer) Token(id int32) (text string, kind Kind) {
	if id < 0 || int(id) >= len(t.texts) {
		return "", 0
	}
	return t.texts[id], t.kinds[id]
}
