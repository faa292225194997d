package token

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ReadJSON reads a tokenizer.json of Hugging Face's tokenizers: BPE or Unigram
// with its normalizers, pre-tokenizers, post-processors, decoders and added
// tokens. Anything in it that this build does not know is refused by name, since
// the tokens could differ without it. Truncation and padding are left to the
// caller.
//
// The file is not trusted: its size and all counts are bounded, and nothing is
// allocated by a number in it.
func ReadJSON(data []byte) (*Tokenizer, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("token: tokenizer.json has %d bytes, more than the %d allowed", len(data), MaxFileBytes)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("token: tokenizer.json is not UTF-8")
	}
	parts, err := members(string(data))
	if err != nil {
		return nil, err
	}
	for name := range parts {
		if !slices.Contains(hfParts, name) {
			return nil, fmt.Errorf("token: tokenizer.json has a part %.40q, which this build does not know", name)
		}
	}
	r := &hfReader{t: &Tokenizer{addedByID: map[string]int32{}}}
	for _, step := range []struct {
		name string
		read func(string) error
	}{
		{"normalizer", r.normalizer},
		{"pre_tokenizer", r.preTokenizer},
		{"model", r.model},
		{"added_tokens", r.added},
		{"post_processor", r.postProcessor},
		{"decoder", r.decoder},
	} {
		text := parts[step.name]
		if text == "null" {
			text = ""
		}
		if err := step.read(text); err != nil {
			return nil, err
		}
	}
	return r.t, nil
}

var hfParts = []string{"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"}

// hfReader collects what the parts of a tokenizer.json say.
type hfReader struct {
	t         *Tokenizer
	byteLevel bool // the last pre-tokenizer hands bytes to the model
}

// spell enters how a token is spelled.
func (r *hfReader) spell(id int32, s string) error {
	if len(s) > MaxPieceBytes {
		return fmt.Errorf("token: token %d has %d bytes, more than the %d allowed", id, len(s), MaxPieceBytes)
	}
	s = r.bytes(s)
	t := r.t
	for int(id) >= len(t.spelled) { // ids come nearly in order, so this is short
		t.spelled = append(t.spelled, "")
	}
	if t.spelled[id] != "" && t.spelled[id] != s {
		return fmt.Errorf("token: token %d is both %.40q and %.40q", id, t.spelled[id], s)
	}
	t.spelled[id] = s
	return nil
}

// bytes returns what a spelling stands for.
func (r *hfReader) bytes(s string) string {
	if r.byteLevel {
		if b, ok := rawBytes(nil, s); ok {
			return string(b)
		}
	}
	return s
}

// added reads the added tokens, whose texts are found before the model sees any.
func (r *hfReader) added(text string) error {
	var all []addedToken
	if text != "" {
		if err := partOf(text, "added_tokens", &all); err != nil {
			return err
		}
	}
	if len(all) > MaxAddedTokens {
		return fmt.Errorf("token: tokenizer.json has %d added tokens, more than the %d allowed", len(all), MaxAddedTokens)
	}
	byID := map[int32]string{}
	for _, a := range all {
		if a.ID < 0 || a.ID >= MaxTokens || len(a.Content) > MaxAddedBytes {
			return fmt.Errorf("token: added token %.40q has %d bytes and the number %d; allowed are %d bytes and numbers in [0, %d)",
				a.Content, len(a.Content), a.ID, MaxAddedBytes, MaxTokens)
		}
		if id := r.t.model.find(r.bytes(a.Content)); id >= 0 && id != a.ID {
			return fmt.Errorf("token: added token %.40q has the number %d, and %d in the vocabulary", a.Content, a.ID, id)
		}
		if other, twice := byID[a.ID]; twice {
			return fmt.Errorf("token: added tokens %.40q and %.40q both have the number %d", other, a.Content, a.ID)
		}
		byID[a.ID] = a.Content
		spelled := a.Content
		if a.Normalized { // it is also read back in that form
			spelled = r.t.normalize(spelled)
		}
		if int(a.ID) < len(r.t.spelled) {
			r.t.spelled[a.ID] = ""
		}
		if err := r.spell(a.ID, spelled); err != nil {
			return err
		}
	}
	r.t.addTokens(all)
	return nil
}

// addTokens makes the sets of added tokens, which are spelled already.
func (t *Tokenizer) addTokens(all []addedToken) {
	if t.special == nil {
		t.special = make([]bool, len(t.spelled))
	}
	var raw, normed []addedToken
	for _, a := range all {
		t.special[a.ID] = t.special[a.ID] || a.Special
		t.addedByID[a.Content] = a.ID
		if a.Normalized {
			normed = append(normed, a)
		} else {
			raw = append(raw, a)
		}
	}
	t.raw = newAddedSet(raw, func(s string) string { return s })
	t.normed = newAddedSet(normed, t.normalize)
}

func (t *Tokenizer) normalize(s string) string {
	for _, form := range t.forms {
		s = form(s)
	}
	return s
}

// byteLetters has the byte that each character of byte-level spelling stands
// for (GPT-2): printable ones of Latin-1 for themselves, the others from U+0100
// on in order; -1 for other characters.
var byteLetters = func() (t [0x144]int16) {
	for i := range t {
		t[i] = -1
	}
	next := 0x100
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			t[b] = int16(b)
		} else {
			t[next] = int16(b)
			next++
		}
	}
	return t
}()

// rawBytes appends the bytes that byte-level spelling s stands for; false if it
// has other characters.
func rawBytes(dst []byte, s string) ([]byte, bool) {
	for _, r := range s {
		if int(r) >= len(byteLetters) || byteLetters[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(byteLetters[r]))
	}
	return dst, true
}
