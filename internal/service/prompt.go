package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora"
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
	if v := s.Engines[sp.Engine].Prompt.Words; v != nil && v.Draft != nil {
		return s.draft(ctx, sp, v, how, requestID)
	}
	words, err := s.askFor(ctx, sp.Prompt, expandInstruction, expandTime[how], requestID)
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

// draft puts in the place of a prompt what comes nearest to it of all that a model
// knows which was taught few words. Rules find that. Where there is a chat model it
// is asked too, and its answer is read by the same rules: it is taken if it is as
// good. The chat model's troubles are no reason to say anything.
func (s *Service) draft(ctx context.Context, sp *job.Spec, v *kinora.Vocabulary, how Expansion, requestID string) error {
	d := v.Draft(sp.Prompt)
	sentence := d.Sentence
	if s.HasChat() && !d.Complete {
		words, err := s.askFor(ctx, sp.Prompt, draftInstruction(v, d), expandTime[how], requestID)
		if ctx.Err() != nil {
			return err
		}
		if better, ok := d.Better(words); err == nil && ok {
			sentence = better
		}
	} else if s.Talk.Model != nil && !d.Complete {
		chosen, err := s.choose(ctx, sp.Prompt, d, expandTime[how])
		if err != nil {
			return err
		}
		sentence = cmp.Or(chosen, sentence)
	}
	if d.Complete || sentence == "" {
		return nil // the notes on its words say what is not known of it
	}
	if asked := cmp.Or(sp.Asked, sp.Prompt); sentence != asked {
		sp.Prompt, sp.Asked = sentence, asked
		sp.PromptNotes = append(sp.PromptNotes, "what is drawn: "+sentence)
	}
	return nil
}

// choose has the language model of this machine choose what a prompt leaves open;
// "" where it does not in time. The error is the end of ctx.
func (s *Service) choose(ctx context.Context, prompt string, d kinora.Draft, limit time.Duration) (string, error) {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := s.Talk.Model.Answer(within, kinora.ChoiceRequest(prompt, d), nil)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if sentence, ok := kinora.Chosen(d, a); err == nil && ok {
		return sentence, nil
	}
	return "", nil
}

// draftInstruction asks a chat model for what a model that knows few words can
// draw.
func draftInstruction(v *kinora.Vocabulary, d kinora.Draft) string {
	var sb strings.Builder
	sb.WriteString("You prepare prompts for a small video model that knows few things:")
	for _, t := range v.Topics {
		sb.WriteString(" " + strings.TrimPrefix(t.Name+": ", ": ") + strings.Join(t.Words, ", ") + ";")
	}
	sb.WriteString(" nothing else. Say what comes nearest to the user's prompt as one short sentence, in the user's own language: who, in which colour, what they do, where, when and in which weather. Answer with the sentence only. Examples:")
	for _, e := range d.Examples() {
		fmt.Fprintf(&sb, "\n%s → %s", e[0], e[1])
	}
	if d.Sentence != "" {
		fmt.Fprintf(&sb, "\nA first try for the user's prompt, which you may improve: %s", d.Sentence)
	}
	return sb.String()
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

// askFor asks the chat upstream to do with a prompt what an instruction says; its
// errors are for notes.
func (s *Service) askFor(ctx context.Context, prompt, instruction string, limit time.Duration, requestID string) (string, error) {
	if !s.HasChat() {
		return "", errors.New("this server has no chat model to expand prompts with")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	words, answered, err := s.complete(ctx, requestID, instruction, prompt)
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
