package kinora

import "time"

// Phase is a part of making a video.
type Phase string

const (
	// Reading is what a model does with the prompt and with given pictures before
	// the first step, where that takes long; counted in layers of its encoders.
	Reading  Phase = "reading"
	Sampling Phase = "sampling" // noise becomes latents; counted in steps
	Drawing  Phase = "drawing"  // latents become frames and the file; counted in frames
)

// Progress says how much of a video is done.
type Progress struct {
	Phase   Phase
	Done    int           // layers, steps or frames of this phase
	Total   int           // of them in all
	Overall float64       // estimated part of the whole run that is done, 0 to 1
	Elapsed time.Duration // spent so far on all phases
	Left    time.Duration // expected time until the end; 0 while it is unknown
}

// tracker makes Progress of counts, over the phases.
type tracker struct {
	report  func(Progress)
	share   float64 // sampling's part of the whole
	start   time.Time
	read    time.Duration // how long reading took
	steps   int           // that are done
	total   int           // steps in all
	sampled time.Duration // how long reading and sampling took, once they are over
}

func (t *tracker) begin(steps int) { t.start, t.total = time.Now(), steps }

// reading counts layers before the first step. How long the steps will take is not
// known then.
func (t *tracker) reading(done, total int) {
	if t.read = time.Since(t.start); t.report != nil && total > 0 {
		t.report(Progress{Phase: Reading, Done: done, Total: total, Elapsed: t.read})
	}
}

// sampling counts steps.
func (t *tracker) sampling(done, total int) {
	t.steps, t.total = done, total
	t.within(0, 1)
}

// within counts layers of a step.
func (t *tracker) within(done, total int) {
	if t.report == nil || t.total <= 0 || total <= 0 {
		return
	}
	p := Progress{Phase: Sampling, Done: t.steps, Total: t.total, Elapsed: time.Since(t.start)}
	part := min(1, (float64(t.steps)+float64(done)/float64(total))/float64(t.total))
	p.Overall = part * t.share
	p.Left = left(p.Elapsed-t.read, p.Overall)
	t.report(p)
}

func (t *tracker) drawing(done, total int) {
	if t.report == nil || total <= 0 {
		return
	}
	spent := time.Since(t.start)
	p := Progress{Phase: Drawing, Done: done, Total: total, Elapsed: t.sampled + spent}
	part := float64(done) / float64(total)
	share := t.share
	if t.sampled == 0 {
		share = 0 // the latents came from a file
	}
	p.Overall = share + part*(1-share)
	p.Left = left(spent, part)
	t.report(p)
}

// left extrapolates the remaining time from the time spent on part of the work. It
// ignores the very start, which contains work that is done only once.
func left(spent time.Duration, part float64) time.Duration {
	if part <= 0 || part < 0.01 && spent < 3*time.Second {
		return 0
	}
	return time.Duration(float64(spent) * (1 - part) / part)
}
