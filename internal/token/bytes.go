package token

import "strings"

// Bytes returns what a token adds to a text: its bytes, which may be a part of a
// character. The space that some tokenizers put before a text, and Decode takes
// away, is in them. It is "" for an id without a token.
func (t *Tokenizer) Bytes(id int32) string {
	s := t.Token(id)
	for _, stage := range t.decoder.stages {
		switch stage := stage().(type) {
		case *byteStage:
			return s
		case *fallbackStage:
			if b, ok := tokenByte(s); ok {
				return string([]byte{b})
			}
		case *pieceStage:
			if b, ok := tokenByte(s); ok {
				return string([]byte{b})
			}
			s = strings.ReplaceAll(s, spaceMark, " ")
		case *metaspaceStage:
			s = strings.ReplaceAll(s, stage.mark, " ")
		case *replaceStage:
			s = strings.ReplaceAll(s, stage.what, stage.with)
		case replaceStage:
			s = strings.ReplaceAll(s, stage.what, stage.with)
		}
	}
	return s
}
