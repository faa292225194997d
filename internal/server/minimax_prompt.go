package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/text"
)

// How a prompt is expanded before it is given to the model.
const (
	expandNone     = ""
	expandQuick    = "quick" // prompt_optimizer with fast_pretreatment
	expandBalanced = "balanced"
	expandQuality  = "quality"
)

// expandTime is how long the chat upstream may take: then the prompt is used as
// it is.
var expandTime = map[string]time.Duration{expandQuick: 5 * time.Second, expandBalanced: 15 * time.Second, expandQuality: 40 * time.Second}

// maxExpanded is how much of the chat upstream's answer is read.
const maxExpanded = 256 << 10

const expandInstruction = `You improve prompts for a video model. Rewrite the user's prompt in the user's own language: keep every subject, action and camera command in [brackets], and say where, when and how things look and move if that is left open. Answer with the new prompt only, in one paragraph.`

// setPrompt makes what the engine is told of what the customer wrote: expanded,
// where that is wanted and there is a chat upstream, and with camera commands
// that the engine knows. Both are kept.
func setPrompt(ctx context.Context, b Backend, who auth.Principal, s *job.Spec, asked, mode string) error {
	asked = text.Unmarked(asked)
	c := parseCamera(asked)
	s.Prompt = c.prompt
	s.PromptNotes = append(s.PromptNotes, c.notes...)
	if strings.TrimSpace(s.Prompt) == "" && s.FirstFrame == "" {
		return job.Errorf(job.Invalid, "prompt", "prompt: nothing is left of it that the local model understands: say what should happen in the clip")
	}
	if mode != expandNone && strings.TrimSpace(s.Prompt) != "" {
		if err := b.Moderate(ctx, who, asked); err != nil {
			return err
		}
		text, err := expandPrompt(ctx, b, who, s.Prompt, expandTime[mode])
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			s.PromptNotes = append(s.PromptNotes, "the prompt was taken as it is: "+err.Error())
		default:
			s.Prompt = keepMoves(parseCamera(text).prompt, c.moves)
		}
	}
	if s.Prompt != asked {
		s.Asked = asked
	}
	return nil
}

// keepMoves puts back camera commands that were lost.
func keepMoves(prompt string, moves [][]string) string {
	for _, group := range moves {
		command := "[" + strings.Join(group, ", ") + "]"
		if !strings.Contains(prompt, command) {
			prompt += " " + command
		}
	}
	return prompt
}

// expandPrompt asks the chat upstream; its errors are for notes.
func expandPrompt(ctx context.Context, b Backend, who auth.Principal, prompt string, limit time.Duration) (string, error) {
	if !b.HasChat() {
		return "", errors.New("this server has no chat model to expand prompts with")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body, err := json.Marshal(map[string]any{"messages": []message{{"system", expandInstruction}, {"user", prompt}}})
	if err != nil {
		return "", err
	}
	up, err := b.Chat(ctx, who, body)
	if err != nil {
		return "", errors.New("the chat model that expands prompts did not answer in time")
	}
	defer up.Body.Close()
	data, err := io.ReadAll(io.LimitReader(up.Body, maxExpanded))
	var answer struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
	}
	if err != nil || up.Status != http.StatusOK || text.JSON(data, &answer) != nil || len(answer.Choices) == 0 {
		return "", errors.New("the chat model that expands prompts gave no usable answer")
	}
	words := strings.TrimSpace(text.Unmarked(answer.Choices[0].Message.Content))
	if n := utf8.RuneCountInString(words); n == 0 || n > job.MaxPromptChars {
		return "", fmt.Errorf("the chat model that expands prompts answered with %d characters", n)
	}
	if r, ok := moderation.Invisible(words); ok {
		return "", fmt.Errorf("the chat model that expands prompts answered with the invisible character %U", r)
	}
	return words, nil
}
