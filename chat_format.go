package kinora

import (
	"github.com/kinora-video/kinora/internal/model/lm"
)

// AnswerFormat is what an answer must be, whatever the model would rather say. The zero
// value is any text.
type AnswerFormat struct{ kind, source string }

// mask makes the mask of a format; nil for any text.
func (c *ChatModel) mask(f AnswerFormat) (lm.Mask, error) {
	return nil, nil
}
