package engine

import (
	"fmt"
	"strings"
	"unicode"
)

// Limits of what a note repeats of a prompt.
const (
	maxNotedWord  = 30 // characters of a word
	maxNotedWords = 12
)

// PromptNotes says which words of a prompt the model was never taught, which of
// its own come nearest to them, and which things it knows, in sentences for whoever
// wrote the prompt: the model makes a video all the same, and it shows something
// else. It is nil where there is nothing to say, and for a model that may know any
// word.
func (c Capabilities) PromptNotes(prompt string) []string {
	v := c.Prompt.Words
	if v == nil {
		return nil
	}
	unknown := v.Unknown(prompt)
	if len(unknown) == 0 {
		if strings.TrimSpace(prompt) == "" || strings.IndexFunc(prompt, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0 {
			return nil
		}
		return []string{
			c.Name + " reads words, and there is none in this prompt: there will be a video, but of nothing in particular",
			"what it knows: " + v.known(),
		}
	}
	more := ""
	if n := len(unknown) - maxNotedWords; n > 0 {
		unknown, more = unknown[:maxNotedWords], fmt.Sprintf(" and %d more", n)
	}
	near := v.nearest(unknown)
	for i, word := range unknown {
		if r := []rune(word); len(r) > maxNotedWord {
			unknown[i] = string(r[:maxNotedWord]) + "…"
		}
	}
	notes := []string{fmt.Sprintf("%s was never taught %s%s: there will be a video, but not of that", c.Name, strings.Join(unknown, ", "), more)}
	if near != "" {
		notes = append(notes, "nearest words that it knows: "+near)
	}
	return append(notes, "what it knows: "+v.known())
}

// Expand returns the sentence that a prompt is drawn as by a model that was taught
// few words: what comes nearest to it of what the model knows. changed is false
// where the prompt is as good by itself, or where nothing of it was understood.
// Where a model may know any word, or has no way to expand, ok is false.
func (c Capabilities) Expand(prompt string) (sentence string, changed, ok bool) {
	v := c.Prompt.Words
	if v == nil || v.Draft == nil {
		return prompt, false, false
	}
	d := v.Draft(prompt)
	if d.Complete || d.Sentence == "" {
		return prompt, false, true
	}
	return d.Sentence, d.Sentence != prompt, true
}

// nearest lists what comes nearest to each of the words, where something does.
func (v *Vocabulary) nearest(words []string) string {
	var list []string
	for _, word := range words {
		if near := v.Nearest(word); near != "" {
			list = append(list, near+" for "+word)
		}
	}
	return strings.Join(list, ", ")
}

// known lists the vocabulary, a topic after the other.
func (v *Vocabulary) known() string {
	topics := make([]string, len(v.Topics))
	for i, t := range v.Topics {
		topics[i] = strings.Join(t.Words, ", ")
		if t.Name != "" {
			topics[i] = t.Name + ": " + topics[i]
		}
	}
	return strings.Join(topics, "; ")
}
