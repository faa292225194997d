package reel

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestPreview samples with a second between steps: there is a preview every
// other step, and the video is the same as without previews.
func TestPreview(t *testing.T) {
	m := tiny(t)
	r := Request{Prompt: "a cat", Frames: 1 + 8*(2*m.Config.Flow.Groups), Seed: 5, Steps: 6}
	plain, err := m.Sample(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var given [][]byte
		r.Preview = func(rgb []byte) { given = append(given, rgb) }
		steps := 0
		l, err := m.Sample(t.Context(), r, func(int, int) { steps++; time.Sleep(previewEvery / 2) })
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.Data, plain.Data) {
			t.Error("with previews the video is another one")
		}
		if want := steps/2 - 1; len(given) < want || len(given) > steps/2 {
			t.Errorf("%d previews in %d steps of half the time between them", len(given), steps)
		}
		for i, rgb := range given {
			if len(rgb) != m.Config.Width*m.Config.Height*3 {
				t.Errorf("preview %d has %d bytes", i, len(rgb))
			}
			if i > 0 && slices.Equal(rgb, given[i-1]) {
				t.Errorf("preview %d is the one before", i)
			}
		}
	})
}

// TestPreviewIsTheFrame: with clean latents, a preview is the frame that Decode
// draws, in later chunks too. (This codec looks back one group, as previews
// do.)
func TestPreviewIsTheFrame(t *testing.T) {
	m := tiny(t)
	l, err := m.Sample(t.Context(), Request{Prompt: "a cat", Frames: Frames(3), Seed: 5, Steps: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	if err := m.Decode(t.Context(), l, func(rgb []byte) error {
		frames = append(frames, slices.Clone(rgb))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	z := slices.Clone(l.Data)
	m.Codec.Standardise(z)
	group := len(z) / l.Groups
	var got []byte
	p := newPreviewer(m, func(rgb []byte) { got = rgb })
	show := func(z []float32, first bool) []byte {
		p.last, p.cost, got = time.Time{}, 0, nil
		p.offer(z, first)
		return got
	}
	if d := furthest(show(z, true), frames[0]); d > 1 {
		t.Errorf("the preview of the first frame is off by %d", d)
	}
	blind := furthest(show(z[2*group:], false), frames[9])
	p.finished(z[:2*group])
	if d := furthest(show(z[2*group:], false), frames[9]); d > 1 || blind < 10 {
		t.Errorf("the preview of a later chunk is off by %d, by %d without its past", d, blind)
	}
}

// TestPreviewIsRationed: after a preview that took long, the next one waits
// until the share is kept.
func TestPreviewIsRationed(t *testing.T) {
	clock := time.Unix(0, 0)
	p := &previewer{now: func() time.Time { return clock }, last: clock}
	for _, c := range []struct {
		cost, after time.Duration
		want        bool
	}{
		{0, previewEvery - 1, false},
		{0, previewEvery, true},
		{time.Second, 49 * time.Second, false},
		{time.Second, 50 * time.Second, true},
	} {
		p.cost, p.last = c.cost, clock.Add(-c.after)
		if got := p.due(); got != c.want {
			t.Errorf("%v after one that took %v: %v", c.after, c.cost, got)
		}
	}
	if (*previewer)(nil).due() {
		t.Error("a preview is due that nobody wants")
	}
}

// furthest is the largest difference between two pictures.
func furthest(a, b []byte) int {
	if len(a) != len(b) {
		return 256
	}
	d := 0
	for i := range a {
		d = max(d, int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return d
}

// BenchmarkPreview is one preview of the embedded model in a later chunk.
func BenchmarkPreview(b *testing.B) {
	m, err := Open(Embedded())
	if err != nil {
		b.Fatal(err)
	}
	z := values(noisy(m.Config.Flow.Groups, m.Config.Height/latentPix, m.Config.Width/latentPix, m.Config.Codec.Latent))
	p := newPreviewer(m, func([]byte) {})
	p.finished(z)
	for b.Loop() {
		p.last, p.cost = time.Time{}, 0
		p.offer(z, false)
	}
}
