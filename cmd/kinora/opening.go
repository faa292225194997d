package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/kinora-video/kinora"
)

// openFlags say how a model is opened. The help shows those that at least one model
// takes.
type openFlags struct {
	Memory  size     `placeholder:"SIZE" help:"How much memory the model may take, such as 6GiB: what does not fit is read from the disk when it is needed. Default: no limit."`
	LoRA    []string `name:"lora" sep:"none" placeholder:"FILE" help:"A LoRA to add to the weights; FILE:0.8 adds it so strongly, where 1 is as it was trained; FILE:high or FILE:0.8:low is for one of two experts alone. May be given several times."`
	Decoder string   `placeholder:"NAME" help:"What draws the frames: full is what the model was made with; tiny is many times as fast, and less fine. Default: full."`
}

// sampleFlags say how a model samples. The help shows those that at least one model
// takes.
type sampleFlags struct {
	StepCache *float32 `placeholder:"X" help:"Take most of a step from the step before where it would differ by less than this part, such as 0.1: faster, and a little different. What it saved is printed. Default: 0, which computes every step."`
}

// options returns what Open is to be told.
func (f *openFlags) options(says *notices) ([]kinora.Option, error) {
	opts := []kinora.Option{kinora.WithNotes(says.note)}
	if f.Memory != 0 {
		opts = append(opts, kinora.WithMemory(int64(f.Memory)))
	}
	if f.Decoder != "" {
		opts = append(opts, kinora.WithDecoder(kinora.Decoder(f.Decoder)))
	}
	for _, text := range f.LoRA {
		l, err := parseLoRA(text)
		if err != nil {
			return nil, usagef("--lora %s: %w", orNothing(text), err)
		}
		opts = append(opts, kinora.WithLoRA(l))
	}
	return opts, nil
}

// parseLoRA reads FILE, FILE:STRENGTH or FILE:STRENGTH:EXPERT. A file's name may
// have colons too: only a number behind the last one is a strength.
func parseLoRA(text string) (kinora.LoRA, error) {
	l := kinora.LoRA{Path: text, Strength: 1}
	rest := text
	for _, expert := range []string{"high", "low"} {
		if before, ok := strings.CutSuffix(text, ":"+expert); ok {
			rest, l.Path, l.Expert = before, before, expert
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		if x, err := strconv.ParseFloat(rest[i+1:], 64); err == nil {
			l.Path, l.Strength = rest[:i], x
		}
	}
	if l.Path == "" {
		return l, errors.New("it names no file")
	}
	return l, nil
}

// notices prints what a model tells while it works, above a progress bar while there
// is one.
type notices struct {
	mu sync.Mutex
	w  io.Writer
}

func newNotices(w io.Writer) *notices { return &notices{w: w} }

// note prints a line.
func (n *notices) note(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.w, "note:", line)
}

// to prints to w from now on.
func (n *notices) to(w io.Writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.w = w
}
