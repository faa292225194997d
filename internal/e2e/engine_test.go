//go:build unix

package e2e_test

import (
	"context"
	"fmt"
	"image"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/worker"
)

// engine is a fake model. A prompt is a script of words:
//
//	name=a        the name of the job in the journal
//	sample=20ms   how long sampling takes; draw=20ms likewise
//	hold=sample   sampling (or draw, drawing) does not end before the gate is open
//	bytes=1000    the least size of the video
//	full          the disk is full while the gate is closed
//
// The journal gets a line for each step: sample, sampled, load, draw, drawn, and
// stopped for a cancelled one.
type engine struct {
	name string
	plan plan
}

// Capabilities are the test card's, which accepts every number that a request may
// have.
func (e *engine) Capabilities() kinora.Capabilities {
	c, err := kinora.CapabilitiesOf("testcard")
	if err != nil {
		panic(err)
	}
	c.Name, c.About, c.Sound = e.name, "a fake", nil
	return c
}

// script is a parsed prompt.
type script map[string]string

func scriptOf(prompt string) script {
	s := script{"name": "none"}
	for _, word := range strings.Fields(prompt) {
		key, value, _ := strings.Cut(word, "=")
		s[key] = value
	}
	return s
}

func (s script) has(key string) bool { _, ok := s[key]; return ok }

// note appends a line to the journal in one write, as other processes write to it
// too.
func (e *engine) note(what string, s script) {
	f, err := os.OpenFile(e.plan.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, what, s["name"], os.Getpid()); err != nil {
		panic(err)
	}
}

// work is a phase of a job: it takes its time, and waits for the gate if the
// script says so.
func (e *engine) work(ctx context.Context, phase string, s script, progress func(kinora.Progress)) error {
	e.note(phase, s)
	takes, err := time.ParseDuration(s[phase])
	if s[phase] != "" && err != nil {
		return err
	}
	const ticks = 10
	for i := 1; i <= ticks; i++ {
		if progress != nil {
			progress(kinora.Progress{Phase: kinora.Phase(phase + "ing"), Done: i, Total: ticks, Overall: float64(i) / ticks / 2, Left: takes})
		}
		if err := pause(ctx, takes/ticks); err != nil {
			e.note("stopped", s)
			return err
		}
	}
	for s["hold"] == phase && !e.open() {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			e.note("stopped", s)
			return err
		}
	}
	return nil
}

// open reports whether the gate is.
func (e *engine) open() bool {
	_, err := os.Stat(e.plan.Gate)
	return err == nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Generate samples. The latents are the prompt.
func (e *engine) Generate(ctx context.Context, r kinora.Request) (worker.Clip, error) {
	s := scriptOf(r.Prompt)
	if err := e.work(ctx, "sample", s, r.Progress); err != nil {
		return nil, err
	}
	if err := os.WriteFile(r.Latents, []byte(r.Prompt), 0o600); err != nil {
		return nil, err
	}
	e.note("sampled", s)
	return &clip{e, s, r}, nil
}

// Load makes a clip from latents.
func (e *engine) Load(_ context.Context, path string, r kinora.Request) (worker.Clip, error) {
	latents, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if string(latents) != r.Prompt {
		return nil, fmt.Errorf("the latents are of %q", latents)
	}
	s := scriptOf(r.Prompt)
	e.note("load", s)
	return &clip{e, s, r}, nil
}

// clip is a fake clip.
type clip struct {
	*engine
	script script
	r      kinora.Request
}

// Facts are those of the request.
func (c *clip) Facts() worker.Facts {
	return worker.Facts{Width: 256, Height: 160, FPS: 24, Frames: max(1, int(24*c.r.Seconds))}
}

// Save writes a text as the video.
func (c *clip) Save(ctx context.Context, path string, _ int, at []int, show func(i int, frame *image.RGBA)) error {
	if err := c.work(ctx, "draw", c.script, c.r.Progress); err != nil {
		return err
	}
	if c.script.has("full") && !c.open() {
		return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	}
	for i := range at {
		show(at[i], image.NewRGBA(image.Rect(0, 0, 16, 10)))
	}
	video := fmt.Sprintf("video of %s by %d, take %d\n", c.script["name"], os.Getpid(), rand.Uint64())
	if n, err := strconv.Atoi(c.script["bytes"]); err == nil && n > len(video) {
		video += strings.Repeat("x", n-len(video))
	}
	if err := os.WriteFile(path, []byte(video), 0o600); err != nil {
		return err
	}
	c.note("drawn", c.script)
	return nil
}

// Frames draws one frame.
func (c *clip) Frames(context.Context) iter.Seq2[*image.RGBA, error] {
	return func(yield func(*image.RGBA, error) bool) { yield(image.NewRGBA(image.Rect(0, 0, 16, 10)), nil) }
}

// LatentsPath is the file that Generate wrote.
func (c *clip) LatentsPath() string { return c.r.Latents }

// Discard removes the latents.
func (c *clip) Discard() error {
	if err := os.Remove(c.r.Latents); !os.IsNotExist(err) {
		return err
	}
	return nil
}
