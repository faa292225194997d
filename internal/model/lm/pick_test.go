package lm

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// TestExp holds exp against math.Exp.
func TestExp(t *testing.T) {
	for x := float32(0); x > -77; x -= 0.0371 {
		want := math.Exp(float64(x))
		if got := float64(exp(x)); math.Abs(got-want) > 1e-6*want {
			t.Fatalf("e^%g is %g, want %g", x, got, want)
		}
	}
	if exp(-100) != 0 || exp(float32(math.Inf(-1))) != 0 || exp(0) != 1 {
		t.Error("the ends")
	}
}

// picked draws many tokens from the same logits and returns how often each came.
func picked(t *testing.T, logits []float32, o Options, n int) []float64 {
	t.Helper()
	count := make([]float64, len(logits))
	p := newPicker(len(logits), o, nil)
	for range n {
		copy(p.logits, logits)
		id, err := p.next(o.Mask)
		if err != nil {
			t.Fatal(err)
		}
		count[id] += 1 / float64(n)
	}
	return count
}

// TestPick compares how often tokens are drawn with how likely they are.
func TestPick(t *testing.T) {
	probabilities := []float64{0.05, 0.4, 0.15, 0.3, 0.1, 0}
	logits := make([]float32, len(probabilities))
	for i, p := range probabilities {
		logits[i] = float32(math.Log(max(p, 1e-30))) + 7
	}
	for name, tt := range map[string]struct {
		o    Options
		want []float64
	}{
		"greedy":        {Options{}, []float64{0, 1, 0, 0, 0, 0}},
		"all":           {Options{Temperature: 1, Seed: 1}, probabilities},
		"cold":          {Options{Temperature: 0.5, Seed: 2}, []float64{0.0088, 0.5614, 0.0789, 0.3158, 0.0351, 0}},
		"top 2":         {Options{Temperature: 1, TopK: 2}, []float64{0, 4. / 7, 0, 3. / 7, 0, 0}},
		"top 1":         {Options{Temperature: 5, TopK: 1}, []float64{0, 1, 0, 0, 0, 0}},
		"top p":         {Options{Temperature: 1, TopP: 0.75}, []float64{0, 0.4 / 0.85, 0.15 / 0.85, 0.3 / 0.85, 0, 0}},
		"tiny p":        {Options{Temperature: 1, TopP: 1e-9}, []float64{0, 1, 0, 0, 0, 0}},
		"min p":         {Options{Temperature: 1, MinP: 0.3}, []float64{0, 0.4 / 0.85, 0.15 / 0.85, 0.3 / 0.85, 0, 0}},
		"top k, then p": {Options{Temperature: 1, TopK: 3, TopP: 0.8}, []float64{0, 4. / 7, 0, 3. / 7, 0, 0}},
	} {
		for id, got := range picked(t, logits, tt.o, 20000) {
			if math.Abs(got-tt.want[id]) > 0.02 {
				t.Errorf("%s: token %d comes in %.3f of all cases, want %.3f", name, id, got, tt.want[id])
			}
		}
	}
}

// TestSeed: a seed decides all tokens, and another one decides them otherwise.
func TestSeed(t *testing.T) {
	logits := make([]float32, 1000)
	draw := func(seed uint64) (ids []int32) {
		p := newPicker(len(logits), Options{Temperature: 1, Seed: seed}, nil)
		for range 10 {
			copy(p.logits, logits)
			id, err := p.next(nil)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	if a, b := draw(1), draw(1); !slices.Equal(a, b) {
		t.Errorf("one seed gives %v and %v", a, b)
	}
	if a, b := draw(1), draw(2); slices.Equal(a, b) {
		t.Errorf("two seeds both give %v", a)
	}
}

// TestPenalty: tokens of the prompt and of the answer are divided or multiplied once.
func TestPenalty(t *testing.T) {
	p := newPicker(4, Options{RepetitionPenalty: 2}, []int32{0, 0, 3})
	var got []int32
	for range 3 {
		copy(p.logits, []float32{3, 2, 1, -1})
		id, err := p.next(nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, id)
	}
	if want := []int32{1, 0, 0}; !slices.Equal(got, want) || p.logits[0] != 1.5 || p.logits[3] != -2 {
		t.Errorf("%v with %v in the end, want %v", got, p.logits, want)
	}
}

// only allows some tokens, and counts what it is asked.
type only struct {
	ids            []int32
	limits, allows int
	accepted       []int32
}

func (o *only) Limit(logits []float32) {
	o.limits++
	for i := range logits {
		if !slices.Contains(o.ids, int32(i)) {
			logits[i] = float32(math.Inf(-1))
		}
	}
}

func (o *only) Accept(id int32) error {
	o.accepted = append(o.accepted, id)
	return nil
}

// checked is only with Allows.
type checked struct{ only }

func (c *checked) Allows(id int32) bool {
	c.allows++
	return slices.Contains(c.ids, id)
}

// TestMask: only what a mask leaves is taken, whatever else is asked for.
func TestMask(t *testing.T) {
	logits := []float32{1, 5, 3, 2}
	for _, o := range []Options{{}, {Temperature: 1}, {Temperature: 2, TopK: 1}, {Temperature: 1, TopP: 0.1}} {
		m := &only{ids: []int32{3}}
		o.Mask = m
		if got := picked(t, logits, o, 20); got[3] < 0.999 || m.limits != 20 {
			t.Errorf("%+v: %v, limited %d times", o, got, m.limits)
		}
	}
	easy, hard := &checked{only{ids: []int32{1, 2}}}, &checked{only{ids: []int32{2}}}
	if got := picked(t, logits, Options{Mask: easy}, 5); got[1] != 1 || easy.limits != 0 || easy.allows != 5 {
		t.Errorf("%v, limited %d times of %d", got, easy.limits, easy.allows)
	}
	if got := picked(t, logits, Options{Mask: hard}, 5); got[2] != 1 || hard.limits != 5 {
		t.Errorf("%v, limited %d times", got, hard.limits)
	}
	p := newPicker(4, Options{Temperature: 1}, nil)
	copy(p.logits, logits)
	if _, err := p.next(&only{}); !errors.Is(err, ErrNoToken) {
		t.Errorf("a mask that refuses all gives %v", err)
	}
	p.logits[2] = float32(math.NaN())
	if _, err := p.next(nil); !errors.Is(err, errNotFinite) {
		t.Errorf("NaN gives %v", err)
	}
}
