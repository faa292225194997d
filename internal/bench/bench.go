package bench

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/simd"
)

// Report is what `kinora bench` measured.
type Report struct {
	Made    time.Time `json:"made"`
	Level   string    `json:"simd"` // instruction set in use
	Threads int       `json:"threads"`
	Go      string    `json:"go"`
	// Busy says that times are the processors' time divided by the threads, not
	// wall-clock time.
	Busy bool `json:"busy,omitempty"`
	// Peak is the fastest measured f32 product, in GFLOP/s. Shares are relative
	// to it.
	Peak     float64       `json:"peak_gflops"`
	Kernels  []Speed       `json:"kernels,omitempty"`
	Linear   []Speed       `json:"linear,omitempty"` // by how weights are stored
	Training *TrainSpeed   `json:"training,omitempty"`
	Pipeline *PipelineTime `json:"pipeline,omitempty"`
}

// Speed is one kernel at one size.
type Speed struct {
	Kernel  string  `json:"kernel"`
	Size    string  `json:"size"`
	FLOPs   float64 `json:"flops"` // of one call, counted from the shape
	Seconds float64 `json:"seconds"`
	GFLOPS  float64 `json:"gflops"`
	Share   float64 `json:"share"` // of the peak
}

// TrainSpeed is one step of training the transformer.
type TrainSpeed struct {
	Batch   int     `json:"batch"`  // windows of a step
	Frames  int     `json:"frames"` // of a window
	FLOPs   float64 `json:"flops"`
	Seconds float64 `json:"seconds"`
	GFLOPS  float64 `json:"gflops"`
	Share   float64 `json:"share"`
	Windows float64 `json:"windows_per_second"`
}

// PipelineTime is the time that each part of making one video takes, in
// seconds.
type PipelineTime struct {
	Seconds float64 `json:"film_seconds"`
	Frames  int     `json:"frames"`
	Steps   int     `json:"steps"`
	Format  string  `json:"format"`
	Phases  []Phase `json:"phases"`
	Total   float64 `json:"total"`
}

// Phase is one part of it.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// A Stopwatch times work. The zero value measures wall-clock time.
type Stopwatch struct {
	// Busy measures the processors' time divided by the threads, for machines
	// that do other work at the same time. It assumes that all threads are
	// always in use.
	Busy bool
}

// now returns a moment in seconds.
func (w Stopwatch) now() float64 {
	if w.Busy {
		if t, ok := processorSeconds(); ok {
			return t / float64(simd.Threads())
		}
	}
	return time.Since(epoch).Seconds()
}

var epoch = time.Now()

// of returns how long f takes.
func (w Stopwatch) of(f func()) float64 {
	start := w.now()
	f()
	return w.now() - start
}

// best returns the shortest time of a call of f, over at least three rounds and
// about half a second. Short calls are timed several at once.
func (w Stopwatch) best(f func()) float64 {
	f() // work that is done only once is not counted
	calls := 1
	for once := w.of(f); float64(calls)*once < 0.02 && calls < 1<<16; { // once may be 0 on a coarse clock
		calls *= 2
	}
	least, spent := 0.0, 0.0
	for round := 0; round < 3 || spent < 0.5 && round < 1000; round++ {
		t := w.of(func() {
			for range calls {
				f()
			}
		})
		spent += t
		if t /= float64(calls); least == 0 || t < least {
			least = t
		}
	}
	return least
}

// New returns a report without figures.
func New(w Stopwatch) *Report {
	return &Report{
		Made: time.Now().UTC().Truncate(time.Second), Level: simd.Current().String(), Threads: simd.Threads(),
		Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Busy: w.Busy,
	}
}

// Write writes the report as text.
func (b *Report) Write(w io.Writer) error {
	var s strings.Builder
	fmt.Fprintf(&s, "%s, %s, %d threads\n", b.Level, b.Go, b.Threads)
	if b.Busy {
		s.WriteString("by processor time: what other programs took is left out\n")
	}
	fmt.Fprintf(&s, "peak: %.1f GFLOP/s, the fastest f32 product of those below\n\n", b.Peak)
	table(&s, "kernel", "size", b.Kernels)
	table(&s, "weights", "linear layer", b.Linear)
	if t := b.Training; t != nil {
		fmt.Fprintf(&s, "a training step of the transformer: %d windows of %d frames, %.1f GFLOP counted, %.2f s: %.1f GFLOP/s, %s of peak, %.2f windows/s\n",
			t.Batch, t.Frames, t.FLOPs/1e9, t.Seconds, t.GFLOPS, percent(t.Share), t.Windows)
	}
	if p := b.Pipeline; p != nil {
		fmt.Fprintf(&s, "a video of %g s, %d frames, %d steps, as %s:", p.Seconds, p.Frames, p.Steps, p.Format)
		for _, ph := range p.Phases {
			fmt.Fprintf(&s, " %s %.2f s,", ph.Name, ph.Seconds)
		}
		fmt.Fprintf(&s, " in all %.2f s\n", p.Total)
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// table writes speeds under a heading, if there are any.
func table(s *strings.Builder, kernel, size string, speeds []Speed) {
	if len(speeds) == 0 {
		return
	}
	wide := 26
	for _, k := range speeds {
		wide = max(wide, utf8.RuneCountInString(k.Size))
	}
	fmt.Fprintf(s, "%-18s %-*s %10s %9s\n", kernel, wide, size, "GFLOP/s", "of peak")
	for _, k := range speeds {
		fmt.Fprintf(s, "%-18s %-*s %10.1f %9s\n", k.Kernel, wide, k.Size, k.GFLOPS, percent(k.Share))
	}
	s.WriteByte('\n')
}

// percent formats a share.
func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }
