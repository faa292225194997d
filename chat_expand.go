package kinora

import (
	"context"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/grammar"
)

// ChoiceRequest asks a language model which of the choices of a draft fits a prompt
// best. A grammar holds it to them, so that any model answers with one.
func ChoiceRequest(prompt string, d Draft) ChatRequest {
	r := ChatRequest{Format: GrammarFormat(grammar.ListText(d.Choices())), MaxTokens: 200}
	say := func(role Role, text string) { r.Messages = append(r.Messages, Message{Role: role, Text: text}) }
	say("system", "Say in one short sentence what a picture for the user's text shows: who, in which colour, what they do, where, and when.")
	for _, e := range d.Examples() {
		say("user", e[0])
		say("assistant", e[1])
	}
	say("user", prompt)
	return r
}

// Chosen returns the choice of a draft that is the answer to a ChoiceRequest; ok is
// false if the answer is none.
func Chosen(d Draft, a ChatAnswer) (sentence string, ok bool) {
	sentence = strings.TrimSpace(a.Text)
	return sentence, a.Stop == StopEnd && slices.Contains(d.Choices(), sentence)
}

// Expand is the Expand of a model's capabilities, where the language model chooses
// what the prompt leaves open: the colour, the place, what is done, the hour and the
// weather. What the prompt says is kept. It is the sentence of the rules where the
// language model's context is too short for an answer.
func (c *ChatModel) Expand(ctx context.Context, can Capabilities, prompt string) (string, error) {
	sentence, changed, ok := can.Expand(prompt)
	if !ok {
		r := Request{Prompt: prompt, Expand: true}
		return prompt, r.checkPrompt(can)
	}
	d := can.Prompt.Words.Draft(prompt)
	if d.Complete || strings.TrimSpace(prompt) == "" {
		return prompt, nil
	}
	a, err := c.Answer(ctx, ChoiceRequest(prompt, d), nil)
	if err != nil {
		return prompt, err
	}
	if chosen, ok := Chosen(d, a); ok {
		return chosen, nil
	}
	if !changed {
		return prompt, nil
	}
	return sentence, nil
}
