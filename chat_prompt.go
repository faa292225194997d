package kinora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/semaphore"

	"github.com/kinora-video/kinora/internal/jinja"
	"github.com/kinora-video/kinora/internal/model/lm"
)

// Limits of a conversation, beside the context.
const (
	MaxMessages     = 4096
	MaxMessageBytes = 4 << 20 // of all messages together
)

// templateTime bounds a run of a template.
const templateTime = 10 * time.Second

// newChatModel makes a model ready to talk.
func newChatModel(m *lm.Model, name string, o ChatOptions) (*ChatModel, error) {
	source := m.ChatTemplate()
	if source == "" {
		return nil, errors.New("it has no template of conversations, so it was made to continue texts and not to talk: take the version of it that is called Instruct or Chat")
	}
	template, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("its template of conversations: %w", err)
	}
	i := m.Info()
	parallel := cmp.Or(o.Parallel, DefaultChatParallel)
	c := &ChatModel{
		m: m, template: template, context: min(cmp.Or(o.Context, DefaultChatContext), m.ContextLength()),
		parallel: parallel, turns: semaphore.NewWeighted(int64(parallel)),
	}
	c.info = ChatInfo{
		Name: name, Architecture: i.Architecture, Parameters: int64(i.Parameters), Bytes: int64(i.Bytes), Context: c.context,
		Thinks: strings.Contains(source, "enable_thinking"),
	}
	t := m.Tokenizer()
	for id := range int32(t.Size()) {
		if s := t.Token(id); t.Special(id) && s != "" {
			c.control = append(c.control, s)
		}
	}
	return c, nil
}

// Info says what the model is.
func (c *ChatModel) Info() ChatInfo { return c.info }

// Memory is about how many bytes the model takes, with all answers that it may make
// at a time as long as its context.
func (c *ChatModel) Memory() int64 {
	return c.info.Bytes + int64(c.parallel)*int64(c.m.Memory(c.context))
}

// Check refuses a request that the model cannot answer, before anything is computed,
// but for one that is too long for the context.
func (c *ChatModel) Check(r ChatRequest) error {
	size := 0
	for i, m := range r.Messages {
		what := fmt.Sprintf("messages[%d]", i)
		switch size += len(m.Text); {
		case !slices.Contains([]Role{System, User, Assistant}, m.Role):
			return invalid(what, fmt.Sprintf("its role is %.40q", m.Role), "the roles are system, user and assistant")
		case !utf8.ValidString(m.Text):
			return invalid(what, "it is not UTF-8", "")
		case size > MaxMessageBytes:
			return invalid("messages", fmt.Sprintf("they have more than %d bytes together", MaxMessageBytes), "")
		}
	}
	switch n := len(r.Messages); {
	case n == 0:
		return invalid("messages", "there is none", "give at least one")
	case n > MaxMessages:
		return invalid("messages", fmt.Sprintf("there are %d, more than %d", n, MaxMessages), "")
	case r.Think && r.Format != AnswerFormat{}:
		return invalid("think", "an answer in a format cannot begin with thoughts", "leave one of the two out")
	}
	if bad, ok := errors.AsType[*lm.OptionError](r.options(nil).Check()); ok {
		return invalid(optionFields[bad.Field], bad.Problem, "")
	}
	_, err := r.Format.grammar()
	return err
}

// optionFields are what requests call the options of the engine.
var optionFields = map[string]string{
	"MaxTokens": "max tokens", "Temperature": "temperature", "TopK": "top k", "TopP": "top p", "MinP": "min p",
	"RepetitionPenalty": "repetition penalty", "Stop": "stop",
}

// options are those of the engine.
func (r *ChatRequest) options(mask lm.Mask) lm.Options {
	return lm.Options{
		MaxTokens: r.MaxTokens, Temperature: r.Decoding.Temperature, TopK: r.Decoding.TopK, TopP: r.Decoding.TopP, MinP: r.Decoding.MinP,
		RepetitionPenalty: r.Decoding.RepetitionPenalty, Seed: r.Seed, Stop: r.Stop, Mask: mask,
	}
}

// Prompt is the conversation as the model reads it, by its own template, with the
// beginning of the answer.
func (c *ChatModel) Prompt(ctx context.Context, r ChatRequest) (string, error) {
	text, cut, err := c.render(ctx, r)
	return strings.ReplaceAll(text, cut, ""), err
}

// render writes the conversation by the template. Where a message holds the spelling
// of a control token, which would end the message or begin another, cut is put into
// the spelling: what is before and after it is to be made tokens on its own.
func (c *ChatModel) render(ctx context.Context, r ChatRequest) (text, cut string, err error) {
	cut = unused(r.Messages)
	messages := make([]any, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = jinja.NewDict().Set("role", string(m.Role)).Set("content", c.broken(m.Text, cut))
	}
	values := map[string]any{
		"messages": messages, "add_generation_prompt": true, "enable_thinking": r.Think, "tools": nil,
		"bos_token": "", "eos_token": "",
	}
	if id, ok := c.m.BOS(); ok {
		values["bos_token"] = c.m.Tokenizer().Token(id)
	}
	if ends := c.m.EOS(); len(ends) > 0 {
		values["eos_token"] = c.m.Tokenizer().Token(ends[0])
	}
	ctx, cancel := context.WithTimeout(ctx, templateTime)
	defer cancel()
	text, err = c.template.Run(ctx, values, time.Now())
	if raised, ok := errors.AsType[*jinja.Raised](err); ok {
		return "", cut, invalid("messages", "the model's template refuses them: "+shortened(raised.Message), "")
	}
	if err != nil {
		return "", cut, wrap(Invalid, "write conversation", c.info.Name, fmt.Errorf("the model's template fails: %w", err), "")
	}
	return text, cut, nil
}

// shortened bounds the words of a stranger in a message.
func shortened(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

// unused is a character that no message has: one that Unicode keeps for the inside of
// programs.
func unused(messages []Message) string {
	for c := rune(0xfdd0); c <= 0xfdef; c++ {
		if !slices.ContainsFunc(messages, func(m Message) bool { return strings.ContainsRune(m.Text, c) }) {
			return string(c)
		}
	}
	return "\U0010fffe" // whoever writes all of these wants to be cut
}

// broken puts a character into all spellings of control tokens in a text, behind
// their first one.
func (c *ChatModel) broken(text, cut string) string {
	for _, control := range c.control {
		if strings.Contains(text, control) {
			_, n := utf8.DecodeRuneInString(control)
			text = strings.ReplaceAll(text, control, control[:n]+cut+control[n:])
		}
	}
	return text
}

// tokens are the conversation as the model reads it, and its end as text.
func (c *ChatModel) tokens(ctx context.Context, r ChatRequest) (ids []int32, text string, err error) {
	text, cut, err := c.render(ctx, r)
	if err != nil {
		return nil, "", err
	}
	t := c.m.Tokenizer()
	for part := range strings.SplitSeq(text, cut) {
		more, err := t.EncodePart(part)
		if err != nil {
			return nil, "", wrap(Invalid, "write conversation", c.info.Name, err, "")
		}
		ids = append(ids, more...)
	}
	if bos, ok := c.m.BOS(); ok && (len(ids) == 0 || ids[0] != bos) {
		ids = slices.Insert(ids, 0, bos)
	}
	return ids, text, nil
}
