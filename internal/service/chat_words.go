package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

// maxChatWords is how much text one chat request may hold, in bytes: all of it
// is moderated together.
const maxChatWords = 4 << 20

// notWords are the fields of a chat request, in lower case, whose strings no
// model reads as words: they name or choose something, or are media.
var notWords = map[string]bool{
	"model": true, "role": true, "type": true, "user": true, "id": true, "tool_call_id": true, "file_id": true,
	"url": true, "image_url": true, "video_url": true, "audio_url": true, "data": true, "file_data": true, "detail": true, "format": true,
	"tool_choice": true, "reasoning_effort": true, "service_tier": true,
}

// chatWords are the words of a chat request: every string in it but those of
// notWords, whoever is made to say them, each on a line of its own. The whole
// body is read, not the messages alone, and a field that is there twice both
// times: a chat upstream may see more in it than we do. The body must be JSON.
func chatWords(body []byte) (string, error) {
	type level struct {
		object bool
		key    string // of the value that comes next, or of the list itself
		named  bool   // the key has been read
	}
	var out strings.Builder
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && len(stack) == 0 {
			return strings.TrimSuffix(out.String(), "\n"), nil
		}
		if err != nil {
			return "", &job.Error{Code: job.Invalid, Message: "the request's body must be a JSON object", Err: err}
		}
		top := &level{}
		if n := len(stack); n > 0 {
			top = &stack[n-1]
		}
		if word, ok := token.(string); ok && top.object && !top.named {
			top.key, top.named = word, true
			continue
		}
		top.named = false // this is its value
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				stack = append(stack, level{object: true})
			case '[':
				stack = append(stack, level{key: top.key})
			default:
				stack = stack[:len(stack)-1]
			}
		case string:
			if notWords[strings.ToLower(top.key)] {
				break
			}
			token = text.Unmarked(token) // a script may have read it from a file
			if out.Len()+len(token) > maxChatWords {
				return "", job.Errorf(job.TooLarge, "messages", "messages: the request has more than %d bytes of text", maxChatWords)
			}
			out.WriteString(token)
			out.WriteByte('\n')
		}
	}
}
