package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/text"
)

// ChatCmd talks with a language model.
type ChatCmd struct {
	Message     []string `arg:"" optional:"" help:"What to say. Without it, or with -, it is read from standard input; at a terminal a conversation begins."`
	Model       string   `placeholder:"NAME|FILE" help:"Which language model: one that was pulled, a GGUF file, or a folder of safetensors. Default: the one that was pulled last."`
	System      string   `placeholder:"TEXT" help:"What the model is told before the conversation, such as: Answer in one sentence."`
	Temperature *float64 `placeholder:"T" help:"How freely words are chosen: 0 takes the likeliest each time. Default: ${temperature}."`
	TopP        *float64 `name:"top-p" placeholder:"P" help:"Choose among the likeliest tokens that together have this probability. Default: ${topP}."`
	TopK        *int     `name:"top-k" placeholder:"K" help:"Choose among so many of the likeliest tokens; 0 is all. Default: ${topK}."`
	MaxTokens   int      `name:"max-tokens" placeholder:"N" default:"${answerTokens}" help:"The most tokens of an answer, thoughts included."`
	Seed        *uint64  `placeholder:"N" help:"The same seed and conversation give the same answer. Default: a random one."`
	JSON        bool     `name:"json" xor:"format" help:"Hold the answer to a JSON object."`
	Schema      string   `xor:"format" placeholder:"FILE" help:"Hold the answer to JSON that the JSON schema in this file describes."`
	Grammar     string   `xor:"format" placeholder:"FILE" help:"Hold the answer to the grammar in this file, in llama.cpp's form (GBNF)."`
	Think       bool     `help:"Let a model that can do so think before it answers. Its thoughts go to standard error."`
	Context     int      `placeholder:"N" help:"The most tokens of conversation and answer together. Default: ${chatContext}, or what the model was made for if that is less."`
	Stats       bool     `help:"Print how many tokens each answer has, and how fast they came."`
}

// Help is the end of the command's help.
func (ChatCmd) Help() string {
	return `Examples:
  kinora pull smollm2 && kinora chat
  kinora chat "Name three birds." --temperature 0
  kinora chat --system "Translate into French." < letter.txt
  kinora chat --model ./Qwen3-4B-Q4_K_M.gguf --think "What is 17 times 23?"
  kinora chat --schema person.json "Invent a person."

In a conversation, Ctrl-C stops an answer, and at the prompt it ends the conversation.
/help lists what else there is.`
}

// maxFormatFile is how large a file of a schema or a grammar may be, in bytes.
const maxFormatFile = 1 << 20

// Run talks.
func (c *ChatCmd) Run(ctx context.Context, s streams) error {
	message := strings.Join(c.Message, " ")
	talk := message == "" && isTerminal(os.Stdin) && isTerminal(s.out)
	if (message == "" || message == "-") && !talk {
		var err error
		if message, err = readMessage(os.Stdin); err != nil {
			return err
		}
	}
	r, err := c.request()
	if err != nil {
		return err
	}
	m, err := kinora.OpenChat(ctx, c.Model, kinora.ChatOptions{Context: c.Context, Parallel: 1})
	if err != nil {
		return err
	}
	defer m.Close()
	if c.Think && !m.Info().Thinks {
		fmt.Fprintf(s.err, "note: %s does not think first, so --think changes nothing\n", m.Info().Name)
	}
	t := &talker{m: m, request: r, out: s.out, err: s.err, stats: c.Stats, plain: isTerminal(s.out)}
	if talk {
		return t.converse(ctx, os.Stdin)
	}
	return t.once(ctx, message)
}

// readMessage reads all of standard input.
func readMessage(r io.Reader) (string, error) {
	words, err := text.Read(r, kinora.MaxMessageBytes)
	if err != nil {
		return "", usagef("the message from standard input: %w", err)
	}
	if words = strings.TrimSpace(words); words == "" {
		return "", usagef(`chat: standard input holds no message; say something, such as: kinora chat "Name three birds."`)
	}
	return words, nil
}

// request is what the flags say, without a message.
func (c *ChatCmd) request() (r kinora.ChatRequest, err error) {
	r = kinora.ChatRequest{Decoding: kinora.DefaultDecoding, Seed: uint64(rand.Uint32()), MaxTokens: c.MaxTokens, Think: c.Think, Cache: "me"}
	if c.Seed != nil {
		r.Seed = *c.Seed
	}
	if c.Temperature != nil {
		r.Decoding.Temperature = *c.Temperature
	}
	if c.TopP != nil {
		r.Decoding.TopP = *c.TopP
	}
	if c.TopK != nil {
		r.Decoding.TopK = *c.TopK
	}
	if c.System != "" {
		r.Messages = []kinora.Message{{Role: kinora.System, Text: c.System}}
	}
	switch {
	case c.JSON:
		r.Format = kinora.JSONFormat()
	case c.Schema != "":
		words, err := readFormat("--schema", c.Schema)
		if err != nil {
			return r, err
		}
		r.Format = kinora.SchemaFormat([]byte(words))
	case c.Grammar != "":
		words, err := readFormat("--grammar", c.Grammar)
		if err != nil {
			return r, err
		}
		r.Format = kinora.GrammarFormat(words)
	}
	return r, nil
}

func readFormat(flag, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", usagef("%s: %w", flag, err)
	}
	defer f.Close()
	words, err := text.Read(f, maxFormatFile)
	if err != nil {
		return "", usagef("%s %s: %w", flag, path, err)
	}
	return words, nil
}

// talker is a conversation.
type talker struct {
	m       *kinora.ChatModel
	request kinora.ChatRequest // its Messages are the conversation
	out     io.Writer
	err     io.Writer
	stats   bool
	plain   bool // out is a terminal, which must not get the model's control characters

	answers, tokens int
	seconds         float64
}

// once answers one message.
func (t *talker) once(ctx context.Context, message string) error {
	a, err := t.answer(ctx, message)
	if err != nil {
		if a.Text != "" {
			fmt.Fprintln(t.out)
		}
		return err
	}
	if !strings.HasSuffix(a.Text, "\n") {
		if _, err := fmt.Fprintln(t.out); err != nil {
			return err
		}
	}
	if a.Stop == kinora.StopLength {
		fmt.Fprintln(t.err, "note: the answer is cut off: it has all the tokens that it may have (--max-tokens)")
	}
	if t.stats {
		fmt.Fprintln(t.err, statsOf(a))
	}
	return nil
}

// answer adds a message to the conversation, and the answer, which it prints as it
// comes. If there is no answer, the message is taken back.
func (t *talker) answer(ctx context.Context, message string) (kinora.ChatAnswer, error) {
	r := t.request
	r.Messages = append(r.Messages[:len(r.Messages):len(r.Messages)], kinora.Message{Role: kinora.User, Text: message})
	thinks := false
	a, err := t.m.Answer(ctx, r, func(p kinora.ChatPiece) error {
		if p.Reasoning != "" {
			thinks = true
			_, err := io.WriteString(t.err, t.shown(p.Reasoning))
			return err
		}
		if thinks {
			thinks = false
			fmt.Fprintln(t.err)
		}
		_, err := io.WriteString(t.out, t.shown(p.Text))
		return err
	})
	if a.AnswerTokens > 0 {
		t.answers, t.tokens, t.seconds = t.answers+1, t.tokens+a.AnswerTokens, t.seconds+a.AnswerTime.Seconds()
	}
	if a.Text != "" {
		t.request.Messages = append(r.Messages, kinora.Message{Role: kinora.Assistant, Text: a.Text})
	}
	return a, err
}

// shown is a text as the output may get it: a terminal would obey control
// characters.
func (t *talker) shown(s string) string {
	if !t.plain {
		return s
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, s)
}

// statsOf says what an answer took.
func statsOf(a kinora.ChatAnswer) string {
	read := a.PromptTokens - a.CachedTokens
	s := fmt.Sprintf("%d tokens", a.AnswerTokens)
	if n := a.AnswerTokens - 1; n > 0 && a.AnswerTime > 0 {
		s += fmt.Sprintf(", %.1f a second", float64(n)/a.AnswerTime.Seconds())
	}
	s += fmt.Sprintf("; %d of the conversation's %d tokens read", read, a.PromptTokens)
	if a.PromptTime > 0 {
		s += fmt.Sprintf(" in %s, %.0f a second", short(a.PromptTime), float64(read)/a.PromptTime.Seconds())
	}
	return s
}

// terminalSize is that of a terminal in characters, or 80×24.
func terminalSize(f *os.File) (width, height int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w < 1 || h < 1 {
		return 80, 24
	}
	return w, h
}
