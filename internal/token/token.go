// Package token turns text into token ids and back.
//
// BPE is reel's own: a byte-level BPE (Sennrich et al., "Neural Machine
// Translation of Rare Words with Subword Units", 2016, over bytes as in GPT-2),
// small enough to be stored in a model's weights, with a cutting rule that suits
// English, Chinese and Arabic. Every byte is a token of its own before any merge,
// so no text is outside the vocabulary and Decode(Encode(s)) is s for any bytes
// at all, valid UTF-8 or not. It never normalizes text.
//
// Tokenizer is that of somebody else's model: a tokenizer.json of Hugging Face
// (ReadJSON), a spiece.model of SentencePiece (ReadSentencePiece), or the
// metadata of a GGUF file (FromGGUF). It gives the ids that those give, and
// refuses by name what it does not know.
//
// The package never reads or writes files, never opens the network, and knows
// nothing of models. All it reads is bounded and checked first; the time of
// Encode is linear in the text but for a logarithm, whatever text and vocabulary.
package token

import (
	"strings"
)

// The ids below FirstMerge are the same in every vocabulary.
const (
	Pad        int32 = 0               // fills a batch up to one length; never made by Encode
	BOS        int32 = 1               // opens every sentence
	EOS        int32 = 2               // closes every sentence
	FirstByte  int32 = 3               // byte b is the token FirstByte+b
	FirstMerge int32 = FirstByte + 256 // merge i is the token FirstMerge+i
)

// Limits that training respects and Load enforces.
const (
	MaxVocab      = 1 << 17 // tokens in a vocabulary
	MaxTokenBytes = 256     // bytes that one token may stand for
)

// BPE is a vocabulary: an ordered list of merges over bytes. It never changes,
// so any number of goroutines may use it at once.
type BPE struct {
	merges [][2]int32 // merges[i] = the two tokens that FirstMerge+i joins
	join   pairTable  // the token that two make is also their rank
	text   []string   // bytes of each token, "" for the special ones
}

// newBytes returns the vocabulary that has no merges yet.
func newBytes(capacity int) *BPE {
	b := &BPE{
		join: newPairTable(capacity),
		text: make([]string, FirstMerge, int(FirstMerge)+capacity),
	}
	for i := range 256 {
		b.text[FirstByte+int32(i)] = string([]byte{byte(i)})
	}
	return b
}

// add appends the merge of l and r and returns its token. The caller has
// checked that both tokens exist and that the pair is new.
func (b *BPE) add(l, r int32) int32 {
	id := FirstMerge + int32(len(b.merges))
	b.merges = append(b.merges, [2]int32{l, r})
	b.join.set(key(l, r), uint32(id), id)
	b.text = append(b.text, b.text[l]+b.text[r])
	return id
}

// Size is the number of tokens, special ones and bytes included: every id is
// in [0, Size()).
func (b *BPE) Size() int { return len(b.text) }

// Token returns the bytes that an id stands for: "" for the special ids and for
// ids outside the vocabulary.
func (b *BPE) Token(id int32) string {
	if id < 0 || int(id) >= len(b.text) {
		return ""
	}
	return b.text[id]
}

// Encode returns BOS, the tokens of s, EOS. With max > 0 the result has at most
// max ids: a text that is too long loses its end, and EOS stays the last id
// (with max 1 only BOS is left). max <= 0 sets no limit. Encode never fails,
// and its time is linear in the bytes it reads; with a limit it reads no more
// than it needs.
func (b *BPE) Encode(s string, max int) []int32 {
	room := len(s)
	if max > 0 {
		if max == 1 {
			return []int32{BOS}
		}
		room = min(room, max-2)
	}
	out := make([]int32, 0, min(room, 1024)+2)
	out = append(out, BOS)
	var work [MaxTokenBytes]int32
	var m merger
	for len(s) > 0 && len(out)-1 < room {
		n := nextPiece(s)
		out = append(out, b.piece(&m, work[:0], s[:n])...)
		s = s[n:]
	}
	if len(out)-1 > room {
		out = out[:room+1]
	}
	return append(out, EOS)
}

// piece encodes one piece: it joins the piece's bytes, always the pair that was
// learned first, until no pair is known. ids has room for the piece.
func (b *BPE) piece(m *merger, ids []int32, s string) []int32 {
	for i := range len(s) {
		ids = append(ids, FirstByte+int32(s[i]))
	}
	return m.merge(&b.join, ids)
}

// Decode returns the text of ids. Special ids, and ids outside the vocabulary,
// have no text.
func (b *BPE) Decode(ids []int32) string {
	var sb strings.Builder
	for _, id := range ids {
		sb.WriteString(b.Token(id))
	}
	return sb.String()
}
