package main

import (
	"fmt"
	"image"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/terminal"
)

// previewMode says how pictures are shown while a video is made; "" shows none.
type previewMode string

var previewModes = []string{"auto", "kitty", "iterm", "sixel", "blocks", "off"}

// IsBool makes --preview a flag that needs no value.
func (*previewMode) IsBool() bool { return true }

// Decode reads --preview and --preview=MODE.
func (p *previewMode) Decode(k *kong.DecodeContext) error {
	*p = "auto"
	if k.Scan.Peek().Type == kong.FlagValueToken {
		given := fmt.Sprint(k.Scan.Pop().Value)
		if !slices.Contains(previewModes, given) {
			return fmt.Errorf("%s: choose one of %s", orNothing(given), strings.Join(previewModes, ", "))
		}
		*p = previewMode(given)
	}
	return nil
}

// stage returns where pictures are shown, or nil with a note on why there is none.
func (p previewMode) stage(w io.Writer) (s *terminal.Stage, note string) {
	if p == "" || p == "off" {
		return nil, ""
	}
	f, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return nil, "--preview: standard error is no terminal, so no pictures are shown"
	}
	how, colours, sure := terminal.Detect(os.Getenv)
	switch {
	case p != "auto":
		how = terminal.Protocol(p)
	case how == terminal.None:
		return nil, "--preview: this terminal (TERM=dumb) shows no pictures"
	case !sure:
		how = terminal.Ask(os.Stdin, f)
	}
	return terminal.NewStage(f, how, colours, func() terminal.Size { return terminal.SizeOf(f) }), ""
}

// stageMeter is the bar below a picture.
type stageMeter struct {
	*terminal.Stage
	phase  kinora.Phase
	last   time.Time
	closed bool
}

// update draws the bar again, ten times a second at most.
func (m *stageMeter) update(p kinora.Progress) {
	if m.phase == p.Phase && time.Since(m.last) < 100*time.Millisecond {
		return
	}
	m.phase, m.last = p.Phase, time.Now()
	const width = 40
	full := min(width, max(0, int(width*p.Overall)))
	m.Line(fmt.Sprintf("%-8s %7s %s%s %3.0f %% %s", p.Phase, count(p),
		strings.Repeat("━", full), strings.Repeat("─", width-full), 100*p.Overall, timeLeft(p)))
}

func (m *stageMeter) close(bool) {
	if !m.closed {
		m.closed = true
		m.Close()
	}
}

// meter returns what shows the progress of a video, and has the request show previews
// where there is a stage for them.
func (t *target) meter(w io.Writer, r *kinora.Request) meter {
	s, note := t.preview.stage(w)
	if note != "" {
		t.notes = append(t.notes, note)
	}
	if s == nil {
		return newMeter(w)
	}
	r.Preview = func(img image.Image) { s.Show(img) }
	return &stageMeter{Stage: s}
}
