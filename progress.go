package kinora

import "time"

// Phase is a part of making a video.
type Phase string

const (
	Sampling Phase = "sampling" // noise becomes latents; counted in steps
	Drawing  Phase = "drawing"  // latents become frames and the file; counted in frames
)

// Progress says how much of a video is done.
type Progress struct {
	Phase   Phase
	Done    int           // steps or frames of this phase
	Total   int           // of them in all
	Overall float64       // estimated part of the whole run that is done, 0 to 1
	Elapsed time.Duration // spent so far on sampling and drawing
	Left    time.Duration // expected time until the end; 0 while it is unknown
}

// tracker makes Progress of counts, over the two phases.
type tracker struct {
	report  func(Progress)
	share   float64 // sampling's part of the whole
	start   time.Time
	sampled time.Duration // how long sampling took, once it is over
}

func (t *tracker) begin() { t.start = time.Now() }

func (t *tracker) sampling(done, total int) {
	if t.report == nil || total <= 0 {
		return
	}
	p := Progress{Phase: Sampling, Done: done, Total: total, Elapsed: time.Since(t.start)}
	part := float64(done) / float64(total)
	p.Overall = part * t.share
	p.Left = left(p.Elapsed, p.Overall)
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
