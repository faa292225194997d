package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/kinora-video/kinora"
)

// meter shows the progress of a video: as a bar on a terminal, and elsewhere as a
// line now and then.
type meter interface {
	update(kinora.Progress)
	io.Writer        // prints lines beside the progress, until close
	close(done bool) // done: the video was finished; further calls do nothing
}

func newMeter(w io.Writer) meter {
	if isTerminal(w) {
		return newBar(w)
	}
	return &lines{w: w}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// barMeter is one bar over both phases.
type barMeter struct {
	mu       sync.Mutex
	last     kinora.Progress
	progress *mpb.Progress
	bar      *mpb.Bar
	closed   bool
}

const barSteps = 1000

func newBar(w io.Writer) *barMeter {
	b := &barMeter{progress: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))}
	say := func(f func(kinora.Progress) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return f(b.last)
		})
	}
	b.bar = b.progress.New(barSteps, mpb.BarStyle().Lbound(" ").Rbound(" ").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(say(func(p kinora.Progress) string { return fmt.Sprintf("%-8s %7s", p.Phase, count(p)) })),
		mpb.AppendDecorators(say(func(p kinora.Progress) string {
			return fmt.Sprintf("%3.0f %% %s", 100*p.Overall, timeLeft(p))
		})),
		mpb.BarRemoveOnComplete(),
	)
	return b
}

func (b *barMeter) update(p kinora.Progress) {
	b.mu.Lock()
	b.last = p
	b.mu.Unlock()
	// close makes the last step, because a full bar disappears.
	b.bar.SetCurrent(min(barSteps-1, int64(barSteps*p.Overall)))
}

// Write prints lines above the bar.
func (b *barMeter) Write(lines []byte) (int, error) { return b.progress.Write(lines) }

func (b *barMeter) close(bool) {
	if b.closed {
		return
	}
	b.closed = true
	b.bar.Abort(true)
	b.progress.Wait()
}

// lines prints a line at each tenth of the work and at each change of phase, but
// at most one a second.
type lines struct {
	w     io.Writer
	tenth int
	phase kinora.Phase
	last  time.Time
}

func (l *lines) update(p kinora.Progress) {
	if p.Done == 0 {
		return
	}
	tenth := int(10 * p.Overall)
	if l.phase == p.Phase && (tenth <= l.tenth || time.Since(l.last) < time.Second) {
		return
	}
	l.tenth, l.phase, l.last = tenth, p.Phase, time.Now()
	line := fmt.Sprintf("%s %s, %.0f %%", p.Phase, count(p), 100*p.Overall)
	if left := timeLeft(p); left != "" {
		line += ", " + left
	}
	fmt.Fprintln(l.w, line)
}

// Write prints lines among the others.
func (l *lines) Write(p []byte) (int, error) { return l.w.Write(p) }

func (l *lines) close(bool) {}

func count(p kinora.Progress) string { return fmt.Sprintf("%d/%d", p.Done, p.Total) }

func timeLeft(p kinora.Progress) string {
	if p.Left < 100*time.Millisecond {
		return ""
	}
	return short(p.Left) + " left"
}

// short writes a duration as people say it: 3.2 s, 48 s, 3 min 05 s, 2 h 10 min.
func short(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	case s < 59.5:
		return fmt.Sprintf("%.0f s", s)
	case s < 3600:
		n := int(s + 0.5)
		return fmt.Sprintf("%d min %02d s", n/60, n%60)
	default:
		n := int(s/60 + 0.5)
		return fmt.Sprintf("%d h %02d min", n/60, n%60)
	}
}
