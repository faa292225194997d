package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/hub"
)

// TestPullLines: without a terminal, a pull says now and then how far it is, how
// fast, and how long the rest takes.
func TestPullLines(t *testing.T) {
	var b bytes.Buffer
	m := newPullMeter(&b)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m.rate.now = func() time.Time { return now }
	const here, each = 2e9, 50e6
	for i := range int64(161) {
		m.update(hub.Progress{Done: here + i*each, Total: 10e9, Here: here})
		now = now.Add(time.Second)
	}
	now = now.Add(lineEvery)
	m.update(hub.Progress{Done: 10e9, Total: 10e9, Here: here, Waits: "waiting 30 s: too often"})
	now = now.Add(lineEvery)
	m.update(hub.Progress{Done: 10e9, Total: 10e9, Here: here, Waits: "waiting 30 s: too often"})
	m.close()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 10 {
		t.Fatalf("there are %d lines:\n%s", len(lines), b.String())
	}
	if got, want := lines[1], "   3.0 GB of 10.0 GB,  30 % 50.0 MB/s, 2 min 20 s left"; got != want {
		t.Errorf("the second line is\n%s\nwant\n%s", got, want)
	}
	if got, want := lines[8], "  10.0 GB of 10.0 GB, 100 % 50.0 MB/s"; got != want {
		t.Errorf("the ninth line is\n%s\nwant\n%s", got, want)
	}
	if got, want := lines[9], "  10.0 GB of 10.0 GB, 100 % waiting 30 s: too often"; got != want {
		t.Errorf("the last line is\n%s\nwant\n%s", got, want)
	}
}

// TestRate: a rate is that of the last seconds, and falls while nothing comes.
func TestRate(t *testing.T) {
	now := time.Unix(0, 0)
	r := rate{now: func() time.Time { return now }}
	if r.at(0); r.perSecond() != 0 {
		t.Error("a rate is known at once")
	}
	for range 1000 {
		now = now.Add(100 * time.Millisecond)
		r.at(r.seen[len(r.seen)-1].n + 10)
	}
	if got := r.perSecond(); got < 90 || got > 110 {
		t.Errorf("100 a second is %v", got)
	}
	if len(r.seen) > 100 {
		t.Errorf("%d samples are kept", len(r.seen))
	}
	now = now.Add(rateSpan)
	if got := r.perSecond(); got < 40 || got > 60 {
		t.Errorf("after as long a pause it is %v", got)
	}
}

// TestAboutTime: an estimate says no more than it knows.
func TestAboutTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond: "less than 0.1 s", 2500 * time.Millisecond: "about 2.5 s", 125 * time.Second: "about 2 min 05 s",
		28*time.Minute + 20*time.Second: "about 28 min", 65 * time.Minute: "about 1 h 05 min", 100*time.Hour + time.Minute: "about 100 h",
	} {
		if got := aboutTime(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestAsk: only a yes is a yes, and waiting for it ends with the context.
func TestAsk(t *testing.T) {
	for line, want := range map[string]bool{"y\n": true, " YES \n": true, "yes": true, "\n": false, "": false, "no\n": false, "yesterday\n": false} {
		if got, err := ask(t.Context(), strings.NewReader(line)); got != want || err != nil {
			t.Errorf("%q: %v, %v", line, got, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(ctx, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestPullableRows: the table and the list of what can be pulled say what the
// catalogue says.
func TestPullableRows(t *testing.T) {
	list := catalog.Builtin()
	e, _ := list.Find("fastwan-5b")
	m := ofEntry(e)
	got := strings.Join(pullableRow(m), " | ")
	want := "`fastwan-5b` | FastWan 2.2 5B, distilled to three steps, with a first frame | 1280×704 at 24 fps; 5 s; first frame | about 24.2 GB | 1.6 | " +
		"[Apache-2.0](https://www.apache.org/licenses/LICENSE-2.0), [MIT](https://github.com/madebyollin/taehv)"
	if got != want {
		t.Errorf("the row is\n%s\nwant\n%s", got, want)
	}
	m.Video.Takes = m.work / 0.42e12
	var b bytes.Buffer
	if err := printModels(&b, nil, nil, []listed{m}); err != nil {
		t.Fatal(err)
	}
	if want := "1280×704 at 24 fps; first frame; about 24.2 GB to fetch; 5 s of video take about 1 h 05 min here; Apache-2.0; MIT"; !strings.Contains(b.String(), want) {
		t.Errorf("%s\ndoes not say %s", b.String(), want)
	}
	e, _ = list.Find("fastwan")
	e.Components[0].Size = 0
	if got := ofEntry(e).size(); got != "more than 11.4 GB" {
		t.Errorf("a size of which a part is not known is %s", got)
	}
}

// TestPullBar: many connections tell the bar how far they are while it is drawn, and
// none waits for ever.
func TestPullBar(t *testing.T) {
	m := &pullMeter{rate: rate{now: time.Now}}
	m.draw(io.Discard, mpb.WithAutoRefresh(), mpb.WithRefreshRate(time.Millisecond))
	var all sync.WaitGroup
	for i := range int64(4) {
		all.Go(func() {
			for n := range int64(2000) {
				m.update(hub.Progress{Done: 4*n + i, Total: 8000})
			}
		})
	}
	all.Wait()
	m.close()
	if m.came() < 7990 {
		t.Errorf("the last that was told is %d", m.came())
	}
}
