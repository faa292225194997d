package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/moderation"
)

// Expansion is how a prompt is expanded before a model is given it.
type Expansion string

// Ways to expand a prompt: they differ in how long the chat upstream may take.
const (
	ExpandNone     Expansion = ""
	ExpandQuick    Expansion = "quick"
	ExpandBalanced Expansion = "balanced"
	ExpandQuality  Expansion = "quality"
)

// expandTime is how long the chat upstream may take: then the prompt is used as
// it is.
var expandTime = map[Expansion]time.Duration{ExpandQuick: 5 * time.Second, ExpandBalanced: 15 * time.Second, ExpandQuality: 40 * time.Second}

const expandInstruction = `You improve prompts for a video model. Rewrite the user's prompt in the user's own language: keep every subject, action and camera command in [brackets], and say where, when and how things look and move if that is left open. Answer with the new prompt only, in one paragraph.`

// contextInstruction asks a chat model for the structured context that video
// models are prompted with.
const contextInstruction = `You prepare prompts for a video model. Rewrite the user's request as one structured description, in the user's language, with three parts headed "Description:" (one paragraph: subjects, appearance, actions in order, place, light, camera), "Soundscape:" (one sentence) and "Music:" (one sentence, or "none"). Add nothing that contradicts the request. Answer with these three parts only.`

// Expand turns a prompt into a structured context by the chat upstream.
func (s *Service) Expand(ctx context.Context, prompt string) (string, error) {
	if s.Chatter == nil {
		return "", errNoChat
	}
	words, _, err := s.complete(ctx, "", contextInstruction, prompt)
	if err == nil && words == "" {
		err = noWords(nil)
	}
	return words, err
}

// words moderates what a job is asked for, expands its prompt where that is
// wanted, and moderates what the chat model made of it. Each text is moderated
// once, and none leaves the server before it was.
func (s *Service) words(ctx context.Context, who auth.Principal, sub *Submission) error {
	sp := &sub.Spec
	asked := cmp.Or(sp.Asked, sp.Prompt) // as the customer wrote it
	if err := s.moderate(ctx, who, asked); err != nil {
		return err
	}
	if err := s.expand(ctx, sp, sub.Expand, sub.RequestID); err != nil {
		return err
	}
	if sp.Prompt == asked {
		return nil
	}
	return s.moderate(ctx, who, sp.Prompt)
}

// moderate holds a text against word lists and the operator's service. There is
// nothing to say against none.
func (s *Service) moderate(ctx context.Context, who auth.Principal, words string) error {
	if words == "" {
		return nil
	}
	return s.Filter.Prompt(ctx, who.Project.ID, words)
}

// expand has the chat upstream say more of a prompt. Camera commands survive it,
// and its troubles are notes: the prompt is taken as it is then.
func (s *Service) expand(ctx context.Context, sp *job.Spec, how Expansion, requestID string) error {
	if how == ExpandNone || strings.TrimSpace(sp.Prompt) == "" {
		return nil
	}
	words, err := s.expanded(ctx, sp.Prompt, expandTime[how], requestID)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		sp.PromptNotes = append(sp.PromptNotes, "the prompt was taken as it is: "+err.Error())
		return nil //nolint:nilerr // the note says it
	}
	can, asked := s.Engines[sp.Engine], cmp.Or(sp.Asked, sp.Prompt)
	sp.Prompt, sp.Asked = keepMoves(ParseCamera(words, can).Prompt, ParseCamera(sp.Prompt, can).Moves), ""
	if sp.Prompt != asked {
		sp.Asked = asked
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

// expanded asks the chat upstream for more than a prompt says; its errors are for
// notes.
func (s *Service) expanded(ctx context.Context, prompt string, limit time.Duration, requestID string) (string, error) {
	if !s.HasChat() {
		return "", errors.New("this server has no chat model to expand prompts with")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	words, answered, err := s.complete(ctx, requestID, expandInstruction, prompt)
	switch {
	case !answered:
		return "", errors.New("the chat model that expands prompts did not answer in time")
	case err != nil:
		return "", errors.New("the chat model that expands prompts gave no usable answer")
	}
	if n := utf8.RuneCountInString(words); n == 0 || n > job.MaxPromptChars {
		return "", fmt.Errorf("the chat model that expands prompts answered with %d characters", n)
	}
	if r, ok := moderation.Invisible(words); ok {
		return "", fmt.Errorf("the chat model that expands prompts answered with the invisible character %U", r)
	}
	return words, nil
}
