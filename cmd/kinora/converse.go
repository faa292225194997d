package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/kinora-video/kinora"
)

const chatHelp = `/reset      forget the conversation, but not what --system says
/save FILE  write the conversation to a file, as JSON
/quit       end (Ctrl-D)
Ctrl-C stops an answer. A paste of several lines is one message.
`

// converse talks at a terminal, until its user ends it.
func (t *talker) converse(ctx context.Context, in *os.File) error {
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), old) }() // the program ends
	k := newKeys(ctx, in)
	lines := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, t.out}, "> ")
	_ = lines.SetSize(terminalSize(in)) // a size that cannot be is left out
	lines.SetBracketedPasteMode(true)
	defer lines.SetBracketedPasteMode(false)
	t.out, t.err = lines, lines // which give lines their ends in a raw terminal
	i := t.m.Info()
	fmt.Fprintf(lines, "%s, %d tokens of conversation. /help says what there is; Ctrl-D ends.\n", i.Name, i.Context)
	err = t.loop(ctx, lines, k)
	if t.tokens > 0 && t.seconds > 0 {
		fmt.Fprintf(lines, "%d answers, %d tokens, %.1f a second\n", t.answers, t.tokens, float64(t.tokens)/t.seconds)
	}
	return err
}

// loop takes messages and commands until there are no more.
func (t *talker) loop(ctx context.Context, lines *term.Terminal, k *keys) error {
	for {
		line, err := readLines(lines)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the terminal: %w", err)
		case strings.TrimSpace(line) == "":
			continue
		}
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "/"); ok && !strings.Contains(line, "\n") {
			if t.command(command) {
				return nil
			}
			continue
		}
		if err := t.turn(ctx, line, k); err != nil {
			return err
		}
	}
}

// readLines reads a line, or all lines of a paste.
func readLines(lines *term.Terminal) (string, error) {
	var all strings.Builder
	for {
		line, err := lines.ReadLine()
		all.WriteString(line)
		if !errors.Is(err, term.ErrPasteIndicator) {
			return all.String(), err
		}
		all.WriteByte('\n')
	}
}

// turn answers a message. Ctrl-C ends the answer alone.
func (t *talker) turn(ctx context.Context, message string, k *keys) error {
	answering, stop := k.untilInterrupt(ctx)
	defer stop()
	a, err := t.answer(answering, message)
	if !strings.HasSuffix(a.Text, "\n") {
		fmt.Fprintln(t.out)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case answering.Err() != nil:
		fmt.Fprintln(t.out, "(stopped)")
	case err != nil && kinora.KindOf(err) != kinora.Invalid:
		return err
	case err != nil: // such as a conversation that is too long
		fmt.Fprintf(t.out, "%v; /reset begins anew\n", err)
	case a.Stop == kinora.StopLength:
		fmt.Fprintln(t.out, "(cut off: the answer has all the tokens that it may have)")
	}
	if t.stats && err == nil {
		fmt.Fprintln(t.out, statsOf(a))
	}
	return nil
}

// command does what a line says that begins with "/". ends is true for the last one.
func (t *talker) command(line string) (ends bool) {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "quit", "exit", "bye":
		return true
	case "help", "?":
		fmt.Fprint(t.out, chatHelp)
	case "reset", "clear":
		kept := t.request.Messages[:0]
		for _, m := range t.request.Messages {
			if m.Role == kinora.System {
				kept = append(kept, m)
			}
		}
		t.request.Messages = kept
		fmt.Fprintln(t.out, "the conversation is forgotten")
	case "save":
		if err := t.save(rest); err != nil {
			fmt.Fprintln(t.out, err)
			break
		}
		fmt.Fprintf(t.out, "saved %d messages in %s\n", len(t.request.Messages), rest)
	default:
		fmt.Fprintf(t.out, "there is no command /%s:\n%s", t.shown(word), chatHelp)
	}
	return false
}

// save writes the conversation to a new file, in the form of the chat endpoints.
func (t *talker) save(path string) error {
	if path == "" {
		return errors.New("name a file: /save FILE")
	}
	type message struct {
		Role    kinora.Role `json:"role"`
		Content string      `json:"content"`
	}
	var file struct {
		Model    string    `json:"model"`
		Messages []message `json:"messages"`
	}
	file.Model, file.Messages = t.m.Info().Name, []message{}
	for _, m := range t.request.Messages {
		file.Messages = append(file.Messages, message{m.Role, m.Text})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: name another file", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Close())
}

const ctrlC = 3

// keys are what is typed at a terminal in raw mode. What is typed while an answer
// comes is kept for the next line, but Ctrl-C ends the answer.
type keys struct {
	ctx   context.Context
	typed chan []byte

	mu        sync.Mutex
	rest      []byte
	interrupt context.CancelFunc // while an answer comes
}

// newKeys reads keys until the terminal ends.
func newKeys(ctx context.Context, in io.Reader) *keys {
	k := &keys{ctx: ctx, typed: make(chan []byte, 64)}
	go func() {
		defer close(k.typed)
		for {
			buf := make([]byte, 256)
			n, err := in.Read(buf)
			if buf = buf[:n]; k.interrupts(buf) {
				continue
			}
			select {
			case k.typed <- buf:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return k
}

// interrupts ends the answer that comes now, if Ctrl-C is among the keys.
func (k *keys) interrupts(typed []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.interrupt == nil || !strings.Contains(string(typed), string(rune(ctrlC))) {
		return false
	}
	k.interrupt()
	return true
}

// untilInterrupt is a context that Ctrl-C ends, up to stop.
func (k *keys) untilInterrupt(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.interrupt = cancel
	return ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.interrupt = nil
		cancel()
	}
}

// Read returns what was typed.
func (k *keys) Read(p []byte) (int, error) {
	for len(k.rest) == 0 {
		select {
		case typed, ok := <-k.typed:
			if !ok {
				return 0, io.EOF
			}
			k.rest = typed
		case <-k.ctx.Done():
			return 0, io.EOF
		}
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}
