package main

import (
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/kinora-video/kinora/internal/hub"
)

// pullMeter shows how far a pull has come, how fast it is and how long it will take:
// as a bar on a terminal, and elsewhere as a line now and then.
type pullMeter struct {
	w    io.Writer // of lines; nil with a bar
	rate rate

	mu       sync.Mutex
	now      hub.Progress
	tenth    int64
	last     time.Time
	progress *mpb.Progress
	bar      *mpb.Bar
}

func newPullMeter(w io.Writer) *pullMeter {
	m := &pullMeter{rate: rate{now: time.Now}}
	if isTerminal(w) {
		m.draw(w)
	} else {
		m.w = w
	}
	return m
}

// draw shows a bar on a terminal.
func (m *pullMeter) draw(w io.Writer, opts ...mpb.ContainerOption) {
	m.progress = mpb.New(append(opts, mpb.WithOutput(w), mpb.WithWidth(40))...)
	say := func(f func() string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			m.mu.Lock()
			defer m.mu.Unlock()
			return f()
		})
	}
	m.bar = m.progress.New(barSteps, mpb.BarStyle().Lbound(" ").Rbound(" ").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(say(m.amount)), mpb.AppendDecorators(say(m.speed)), mpb.BarRemoveOnComplete())
}

// came is how many bytes came, or were there.
func (m *pullMeter) came() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Done
}

// amount is how much has come, in words.
func (m *pullMeter) amount() string {
	return fmt.Sprintf("%9s of %s", bytesOf(m.now.Done), bytesOf(m.now.Total))
}

// speed is how fast it comes, and how long the rest will take.
func (m *pullMeter) speed() string {
	text := fmt.Sprintf("%3.0f %%", m.percent())
	if m.now.Waits != "" {
		return text + " " + m.now.Waits
	}
	perSecond := m.rate.perSecond()
	if perSecond <= 0 {
		return text
	}
	text += " " + bytesOf(int64(perSecond)) + "/s"
	// The first bytes come slowly, and say nothing of the rest.
	soon := m.percent() < 1 && m.rate.spent() < rateSpan
	if left := float64(m.now.Total-m.now.Done) / perSecond; !soon && left >= 0.5 && left < math.MaxInt32 {
		text += ", " + short(time.Duration(left*float64(time.Second))) + " left"
	}
	return text
}

func (m *pullMeter) percent() float64 {
	return 100 * float64(m.now.Done) / math.Max(1, float64(m.now.Total))
}

// lineEvery is the least time between two lines.
const lineEvery = 2 * time.Second

func (m *pullMeter) update(p hub.Progress) {
	m.mu.Lock()
	at := m.take(p)
	m.mu.Unlock()
	if m.bar != nil {
		// Not under the lock: the bar answers when it has been drawn, which takes the
		// lock.
		m.bar.SetCurrent(at)
	}
}

// take notes how far the pull is, and returns how far the bar is.
func (m *pullMeter) take(p hub.Progress) int64 {
	news := p.Waits != "" && p.Waits != m.now.Waits
	m.now = p
	m.rate.at(p.Done - p.Here)
	tenth := int64(m.percent() / 10)
	if m.w != nil && (news || tenth > m.tenth) && m.rate.now().Sub(m.last) >= lineEvery {
		m.tenth, m.last = max(tenth, m.tenth), m.rate.now()
		fmt.Fprintf(m.w, "%s, %s\n", m.amount(), m.speed())
	}
	// close makes the last step, because a full bar disappears.
	return min(barSteps-1, int64(barSteps/100*m.percent()))
}

func (m *pullMeter) close() {
	if m.bar != nil {
		m.bar.Abort(true)
		m.progress.Wait()
		m.bar = nil
	}
}

// rate is how fast a number grows, over the last ten seconds or so.
type rate struct {
	now  func() time.Time
	seen []sample // oldest first
}

type sample struct {
	when time.Time
	n    int64
}

const (
	rateSpan = 10 * time.Second
	rateStep = 250 * time.Millisecond
)

// at says that the number is n now.
func (r *rate) at(n int64) {
	t := r.now()
	if len(r.seen) > 1 && t.Sub(r.seen[len(r.seen)-2].when) < rateStep {
		r.seen[len(r.seen)-1] = sample{t, n}
		return
	}
	r.seen = append(r.seen, sample{t, n})
	for len(r.seen) > 2 && t.Sub(r.seen[0].when) > rateSpan {
		r.seen = r.seen[1:]
	}
}

// spent is how long the number has been looked at, up to rateSpan or so.
func (r *rate) spent() time.Duration {
	if len(r.seen) == 0 {
		return 0
	}
	return r.now().Sub(r.seen[0].when)
}

// perSecond is 0 while it is not known. It falls while nothing comes.
func (r *rate) perSecond() float64 {
	if len(r.seen) < 2 {
		return 0
	}
	first, last := r.seen[0], r.seen[len(r.seen)-1]
	d := r.now().Sub(first.when).Seconds()
	if d < rateStep.Seconds() {
		return 0
	}
	return float64(last.n-first.n) / d
}
