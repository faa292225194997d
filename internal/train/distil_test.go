package train

import (
	"context"
	"math"
	"testing"

	"github.com/kinora-video/kinora/internal/sampler"
)

// TestLanding checks that the prediction that a student learns takes the
// sampler from one state of a path to a later one, in one step.
func TestLanding(t *testing.T) {
	from, to := []float32{0.5, -2, 1}, []float32{0.25, 3, -1}
	for _, c := range [][2]float64{{0, 0.25}, {0, 1}, {0.25, 0.5}, {0.5, 0.9375}, {0.75, 1}} {
		z := append([]float32(nil), from...)
		x := landing(from, to, float32(c[0]), float32(c[1]))
		err := sampler.Sample(t.Context(), sampler.Euler, c[:], z, func(context.Context, []float32, float64) ([]float32, error) { return x, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range z {
			if math.Abs(float64(z[i]-to[i])) > 1e-5 {
				t.Errorf("from %g to %g: %v, want %v", c[0], c[1], z, to)
				break
			}
		}
	}
}

// TestPaths checks what a path of the teacher holds: the states from noise on,
// and either a clean past or a first frame that stays in every state. The same
// id gives the same path.
func TestPaths(t *testing.T) {
	teacher := tiny(t)
	student, err := teacher.FewSteps(2, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	do := DefaultDistil()
	do.Image = 1
	task := newDistilTask(student, teacher, Storybook{Seed: 1}, do, 5)
	frame := 2 * 4 * 4 // of 64×32 pixels, 4 channels
	for _, past := range []bool{false, true} {
		p, err := task.walk(t.Context(), 7, past)
		if err != nil {
			t.Fatal(err)
		}
		groups, before, given := 3, 0, frame
		if past {
			groups, before, given = 2, 3, 0
		}
		if len(p.states) != teacherSteps+1 || len(p.states[0]) != groups*frame || len(p.past) != before*frame || p.given != given || len(p.place) != before+groups {
			t.Fatalf("past %v: %d states of %d values after %d, %d given, %d places", past, len(p.states), len(p.states[0]), len(p.past), p.given, len(p.place))
		}
		for i, s := range p.states {
			for j := range given {
				if s[j] != p.states[0][j] {
					t.Fatalf("state %d changes the given first frame", i)
				}
			}
			if i > 0 && s[given] == p.states[i-1][given] {
				t.Errorf("state %d is that before it", i)
			}
		}
		same, err := task.walk(t.Context(), 7, past)
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range same.states[teacherSteps] {
			if v != p.states[teacherSteps][j] {
				t.Fatal("the same id gave another path")
			}
		}
		for i, w := range task.weights(&p, 0.5) {
			if clean := i < (len(p.past)+given)/4; clean != (w == 0) {
				t.Errorf("past %v: latent %d counts %g", past, i, w)
			}
		}
	}
}

// TestStepSizes checks that a student of 4 steps mostly learns 4, and at times
// 8 and 16 steps.
func TestStepSizes(t *testing.T) {
	teacher := tiny(t)
	student, err := teacher.FewSteps(4, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	task := newDistilTask(student, teacher, Storybook{Seed: 1}, DefaultDistil(), 5)
	rng, seen := stepRNG(1, 2, 3), map[int]int{}
	for range 900 {
		seen[task.steps(rng)]++
	}
	if len(seen) != 3 || seen[4] < 500 || seen[8] < 100 || seen[16] < 50 {
		t.Errorf("steps that were drawn: %v", seen)
	}
}

// TestDistilLearns checks that a student comes closer to its teacher's states,
// on the paths that it learned from.
func TestDistilLearns(t *testing.T) {
	teacher := tiny(t)
	student, err := teacher.FewSteps(4, 3, 9)
	if err != nil {
		t.Fatal(err)
	}
	// The student starts with an error that the teacher has to correct.
	bias := student.FlowParams.Get("flow.out.bias")
	v := bias.Values()
	for i := range v {
		v[i] += 0.5
	}
	bias.Set(v)
	do := DefaultDistil()
	do.Batch, do.Micro, do.Fresh, do.Keep, do.Next, do.Image = 8, 8, 1, 8, 0.5, 0.5
	o := options(t.TempDir(), 60)
	task := newDistilTask(student, teacher, Storybook{Seed: 1}, do, o.Seed)
	var seen []flowBatch
	for step := o.Steps - 8; step < o.Steps; step++ {
		b, err := task.batch(t.Context(), step)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, b...)
	}
	loss := func() float64 {
		l, _ := task.step(0, seen)
		return l
	}
	before := loss()
	if err := Distil(t.Context(), student, teacher, Storybook{Seed: 1}, o, do, nil); err != nil {
		t.Fatal(err)
	}
	after := loss()
	t.Logf("from %.4f to %.4f", before, after)
	if !(after < 0.6*before) {
		t.Errorf("the loss was %.4f, and is %.4f after training", before, after)
	}
}
