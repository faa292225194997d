package recogniser

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

// trained is the recogniser inside the program.
func trained(t testing.TB) *Network {
	t.Helper()
	r, err := Embedded()
	if err != nil {
		t.Fatalf("the recogniser inside the program: %v (kinora train recogniser makes one)", err)
	}
	return r
}

// novice is an untrained recogniser, for tests that do not depend on what it
// reads.
var novice = sync.OnceValue(func() *Network {
	r := New(1)
	r.Params.Freeze()
	return r
})

// TestReadsRealVideos fails for a recogniser that does not fit the present
// storybook. The bars leave room for another training: docs/reel.md has the
// figures.
func TestReadsRealVideos(t *testing.T) {
	n := 40
	if testing.Short() {
		n = 10
	}
	for _, tt := range []struct {
		kind    Scenes
		seconds float64
		least   float64
	}{{One, 6, 0.8}, {One, 2, 0.7}, {Several, 6, 0.7}, {Events, 6, 0.6}} {
		got, err := CheckReal(context.Background(), trained(t), tt.kind, n, 3, tt.seconds)
		if err != nil {
			t.Fatal(err)
		}
		if got.Films != n {
			t.Fatalf("%d videos were read, want %d", got.Films, n)
		}
		for _, a := range tt.kind.Attributes() {
			if share := got.Share(a); share < tt.least {
				t.Errorf("%v, %g s: %v is right in %.0f %% of %d videos, want %.0f %%", tt.kind, tt.seconds, a, 100*share, n, 100*tt.least)
			}
		}
	}
}

// TestMovementIsReadFromMovement: a first frame alone does not show where
// things move.
func TestMovementIsReadFromMovement(t *testing.T) {
	r := trained(t)
	var moving, frozen Tally
	for i := range 16 {
		if testing.Short() && (i+i/4)%2 == 1 { // half of the pairs: each motion and each move twice
			continue
		}
		s := world.Sample(uint64(i)+1<<50, world.SampleOptions{Simple: true})
		s.Events = []world.Motion{[]world.Motion{world.MoveUp, world.Bounce, world.Circle, world.Approach}[i%4]}
		s.Camera = []world.Camera{world.PanLeft, world.TiltDown, world.ZoomIn, world.ZoomOut}[i/4]
		v := Draw(s, 0, maxFrames)
		for _, x := range []struct {
			t *Tally
			v View
		}{{&moving, v}, {&frozen, v.Frozen()}} {
			got, err := r.Read(x.v)
			if err != nil {
				t.Fatal(err)
			}
			x.t.Add(One, got.Labels, Truth(s))
		}
	}
	for _, a := range []Attribute{Motion, Camera} {
		if moving.Share(a) < 0.75 || frozen.Share(a) > 0.35 {
			t.Errorf("%v: %.2f right of videos, %.2f of their first frames", a, moving.Share(a), frozen.Share(a))
		}
	}
	if frozen.Share(Place) < 0.75 {
		t.Errorf("the place is read from %.2f of the first frames", frozen.Share(Place))
	}
}

func TestReadRefusesShortVideos(t *testing.T) {
	s := world.Sample(1, world.SampleOptions{Simple: true})
	for n, want := range map[int]error{0: ErrShort, 1: ErrShort, 7: ErrShort, 8: nil, 9: nil, 31: nil} {
		got, err := novice().Read(Draw(s, 0, n))
		if !errors.Is(err, want) {
			t.Errorf("%d frames: %v, want %v", n, err, want)
		}
		for a, p := range got.Sure {
			if least := 1 / float64(len(Attribute(a).Values())); want == nil && !(p >= least && p <= 1) {
				t.Errorf("%d frames: %v is sure to %g, want %.3f to 1", n, Attribute(a), p, least)
			}
		}
	}
}

// TestMirror: the labels of a mirror image are those of the mirrored scene.
func TestMirror(t *testing.T) {
	turned := 0
	for i := range uint64(300) {
		s := []Scenes{One, Several, Events}[i%3].Sample(i, world.SampleOptions{})
		l, m := Truth(s), Truth(s).mirrored()
		if m.mirrored() != l {
			t.Errorf("%+v mirrored twice is another video", s)
		}
		if m != l {
			turned++
		}
		if len(s.Actors) == 2 && (s.Relation == world.LeftOf || s.Relation == world.RightOf) {
			s.Relation = world.LeftOf + world.RightOf - s.Relation
			s.Events, s.Camera = nil, world.Static
			s.Events = append(s.Events, world.Still)
			m[Motion], m[Camera] = uint8(world.Still), uint8(world.Static)
			if Truth(s) != m {
				t.Errorf("%+v has %v, its mirror image %v", s, Truth(s), m)
			}
		}
	}
	if turned < 100 || turned > 250 {
		t.Errorf("%d of 300 videos look different in a mirror", turned)
	}
}

// TestTruthIsWhatIsSeen: of two actors the left or the upper one comes first,
// however the scene names them.
func TestTruthIsWhatIsSeen(t *testing.T) {
	cat, dog := world.Actor{Subject: world.Cat, Color: world.Red, Count: 1}, world.Actor{Subject: world.Dog, Color: world.Blue, Count: 2}
	s := world.Scene{Actors: []world.Actor{cat, dog}, Events: []world.Motion{world.Still}}
	turned := s
	turned.Actors = []world.Actor{dog, cat}
	for _, pair := range [][2]world.Relation{{world.LeftOf, world.RightOf}, {world.Above, world.Below}} {
		s.Relation, turned.Relation = pair[0], pair[1]
		if a, b := Truth(s), Truth(turned); a != b || a.Name(Subject) != "cat" || a.Name(Second) != "dog" || a.Name(SecondCount) != "2" || a.Name(Relation) != pair[0].String() {
			t.Errorf("%v: %v, %v: %v", pair[0], a, pair[1], b)
		}
	}
}

// TestOutlines: an outline keeps its form wherever it is and however large, and tells
// a ball from a train.
func TestOutlines(t *testing.T) {
	var small, large, cut mask
	for i := range framePixels {
		x, y := float64(i%viewWidth), float64(i/viewWidth)
		if (x-30)*(x-30)+(y-20)*(y-20) < 9*9 {
			small.set(i)
		}
		if (x-80)*(x-80)+(y-40)*(y-40) < 30*30 {
			large.set(i)
		}
		if (x-125)*(x-125)+(y-40)*(y-40) < 20*20 {
			cut.set(i)
		}
	}
	a, ok := outlineOf(&small)
	b, ok2 := outlineOf(&large)
	if over := a.overlap(&b); !ok || !ok2 || over < 0.9 {
		t.Errorf("two discs overlap by %.2f", over)
	}
	if _, ok := outlineOf(&cut); ok {
		t.Error("a disc at the edge of the frame has an outline")
	}
	if s := shapeOf([]mask{small, large, cut}, world.Ball); s.Frames != 2 || s.Nearest != 2 || s.Overlap < 0.9 {
		t.Errorf("discs as balls: %+v", s)
	}
	if s := shapeOf([]mask{large}, world.SteamTrain); s.Nearest != 0 || s.Overlap > 0.85 {
		t.Errorf("a disc as a train: %+v", s)
	}
	for subject, all := range outlines() {
		if len(all) < 40 {
			t.Errorf("%d outlines of a %v", len(all), world.Subject(subject))
		}
	}
}

// TestOutlinesAreRead: the recogniser finds the outlines of real videos.
func TestOutlinesAreRead(t *testing.T) {
	var sum float64
	nearest, frames := 0, 0
	for i := range uint64(8) {
		s := world.Sample(i+1<<50, world.SampleOptions{Simple: true})
		got, err := trained(t).Read(Draw(s, 0, maxFrames))
		if err != nil {
			t.Fatal(err)
		}
		shape := got.Shape(s.Actors[0].Subject)
		sum += shape.Overlap * float64(shape.Frames)
		frames, nearest = frames+shape.Frames, nearest+shape.Nearest
	}
	t.Logf("overlap %.2f, nearest %d of %d", sum/float64(frames), nearest, frames)
	if frames < 12 || sum < 0.7*float64(frames) || nearest < frames*6/10 {
		t.Errorf("of %d frames %d are nearest to their subject; mean overlap %.2f", frames, nearest, sum/float64(frames))
	}
}

func TestViewerEnd(t *testing.T) {
	v, err := NewViewer(viewWidth, viewHeight, viewFPS)
	if err != nil {
		t.Fatal(err)
	}
	rgb := make([]byte, viewPixels)
	for i := range 40 {
		rgb[0] = byte(i)
		v.Add(rgb)
	}
	if first := v.View(); first.T != maxFrames || first.frame(maxFrames - 1)[0] != maxFrames-1 {
		t.Errorf("the view has %d frames", first.T)
	}
	if end := v.End(2); end.T != 8 || end.frame(0)[0] != 32 || end.frame(7)[0] != 39 {
		t.Errorf("the end has %d frames from %d on", end.T, end.frame(0)[0])
	}
	if end := v.End(0); end.T != 0 {
		t.Errorf("no end has %d frames", end.T)
	}
}

// TestRoughMirrors: a video that is only mirrored is the video read from right
// to left.
func TestRoughMirrors(t *testing.T) {
	src := Draw(world.Sample(5, world.SampleOptions{}), 1, 1).Frames
	s := newSight(1, 2, 1)
	r := rough{mirror: true, gain: [3]float32{1, 1, 1}}
	r.apply(s, 0, 1, src, []int{1}, rand.New(rand.NewPCG(1, 1)))
	for _, at := range [][2]int{{0, 0}, {17, 40}, {79, 127}} {
		y, x := at[0], at[1]
		for c := range 3 {
			want := float32(src[(y*viewWidth+viewWidth-1-x)*3+c])/127.5 - 1
			if got := s.full[(y*viewWidth+x)*3+c]; got != want {
				t.Errorf("pixel %v: %g, want %g", at, got, want)
			}
		}
	}
	half := s.half[viewPixels/4:]
	var sum, all float64
	for _, v := range half {
		sum += float64(v)
	}
	for _, v := range s.full {
		all += float64(v) / 4
	}
	if math.Abs(sum-all) > 1e-2 {
		t.Errorf("at half the size the frame sums to %g, want %g", sum, all)
	}
}

func TestViewer(t *testing.T) {
	v, err := NewViewer(256, 160, 24)
	if err != nil {
		t.Fatal(err)
	}
	rgb := make([]byte, 256*160*3)
	for i := range 30 {
		for j := range rgb {
			rgb[j] = byte(i + j%3)
		}
		v.Add(rgb)
	}
	if v.view.T != 5 {
		t.Fatalf("%d frames of 30, want 5", v.view.T)
	}
	if got := v.view.frame(4)[:3]; !slices.Equal(got, []byte{24, 25, 26}) {
		t.Errorf("the fifth frame begins with %v", got)
	}
	for _, x := range [][3]int{{0, 0, 24}, {250, 160, 24}, {256, 80, 24}, {256, 160, 25}, {256, 160, 0}, {-128, -80, 24}} {
		if _, err := NewViewer(x[0], x[1], x[2]); err == nil {
			t.Errorf("videos of %v are taken", x)
		}
	}
}

// TestCrossEntropy compares the gradient with difference quotients.
func TestCrossEntropy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := 0
	for a := range NumAttributes {
		values += len(a.Values())
	}
	row := values + framePixels
	logits := make([]float32, 2*row)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64())
	}
	want := []answer{
		{Labels{1, 2, 3, 4, 5, 2, 2, 12, 0, 3, 1, 0}, make([]mask, 1)},
		{Labels{11, 7, 0, 7, 6, 0, 0, 0, 11, 0, 2, 8}, make([]mask, 1)},
	}
	for i := range 2000 {
		want[i%2].masks[0].set(rng.IntN(framePixels))
	}
	grad := make([]float32, len(logits))
	crossEntropy(logits, grad, want, 1)
	check := []int{row - 1, values, values + 1234, row + values + 777}
	for i := 0; i < values; i += 7 {
		check = append(check, i, row+i)
	}
	for _, i := range check {
		const h = 1e-2
		keep := logits[i]
		none := make([]float32, len(logits))
		logits[i] = keep + h
		up, _ := crossEntropy(logits, none, want, 1)
		logits[i] = keep - h
		down, _ := crossEntropy(logits, none, want, 1)
		logits[i] = keep
		if want := (up - down) / (2 * h); math.Abs(want-float64(grad[i])) > 1e-4*math.Abs(want)+1e-8 {
			t.Errorf("logit %d: gradient %g, differences say %g", i, grad[i], want)
		}
	}
}

// TestLearns: a few steps on the same videos bring the loss down.
func TestLearns(t *testing.T) {
	o := LearnOptions{Steps: 1000, Batch: 2, Fresh: 1, Keep: 2, LR: 1e-2, Seed: 2}
	drawn := &teacher{o: o}
	l, run := drawn.lesson(0), newLearning(o)
	var first, last LearnProgress
	for i := range 6 {
		p, err := run.step(l)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = p
		}
		last = p
	}
	if !(last.Loss < 0.8*first.Loss) {
		t.Errorf("the loss was %.3f and is %.3f after %d steps", first.Loss, last.Loss, last.Step)
	}
}

func TestLearnGoesOn(t *testing.T) {
	o := LearnOptions{Steps: 2, Batch: 2, Fresh: 2, Keep: 4, LR: 1e-3, Seed: 4, Checkpoint: filepath.Join(t.TempDir(), "run.safetensors")}
	if _, err := Learn(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	first := 0
	o.Steps, o.Progress = 3, func(p LearnProgress) {
		if first == 0 {
			first = p.Step
		}
	}
	r, err := Learn(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if first != 3 {
		t.Errorf("the run goes on with step %d, want 3", first)
	}
	path := filepath.Join(t.TempDir(), "r.safetensors")
	if err := r.WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(data); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o.Steps = 9
	if _, err := Learn(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	o.Batch = 0
	if _, err := Learn(context.Background(), o); err == nil {
		t.Error("a batch of 0 is taken")
	}
}

func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	write := func(format string, ts ...safetensors.Tensor) []byte {
		if err := safetensors.WriteFile(path, ts, map[string]string{"format": format}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if err := novice().WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(whole); err != nil {
		t.Errorf("a whole file: %v", err)
	}
	if len(whole) > 5<<19 {
		t.Errorf("the weights take %d bytes, more than 2.5 MiB", len(whole))
	}
	one := safetensors.FromFloat32("look.in32.weight", safetensors.F32, make([]float32, 4), 4)
	for name, data := range map[string][]byte{
		"nothing": nil, "noise": []byte("no weights at all"), "cut": whole[:len(whole)/2],
		"another format": write("kinora-reel-1", one), "another shape": write(format, one),
	} {
		if _, err := Open(data); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
	if n := novice().Params.Len(); n > 1_200_000 {
		t.Errorf("the recogniser has %d parameters, more than 1.2 million", n)
	}
}

// BenchmarkRead is a video of six seconds.
func BenchmarkRead(b *testing.B) {
	r := novice()
	v := Draw(world.Sample(1, world.SampleOptions{Simple: true}), 0, maxFrames)
	for b.Loop() {
		if _, err := r.Read(v); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDistance(t *testing.T) {
	black, white := View{make([]byte, 2*viewPixels), 2}, View{make([]byte, viewPixels), 1}
	for i := range white.Frames {
		white.Frames[i] = 255
	}
	if d := Distance(black, white); d != 1 {
		t.Errorf("black and white are %g apart", d)
	}
}

// TestForwardShape checks that there is one logit per value and pixel, whatever the
// batch.
func TestForwardShape(t *testing.T) {
	values := 0
	for a := range NumAttributes {
		values += len(a.Values())
	}
	for _, n := range []int{8, 14} {
		got := novice().forward(backend.Exact(), newSight(3, n, 4))
		if !slices.Equal(got.Shape, []int{3, values + 4*framePixels}) {
			t.Errorf("%d frames: %v", n, got.Shape)
		}
	}
}

// TestClassesOfAFile: a recogniser names as many values as its file has, the
// first ones, and none that the storybook does not have.
func TestClassesOfAFile(t *testing.T) {
	open := func(colors int) (*Network, error) {
		t.Helper()
		classes := novice().classes
		classes[Color] = colors
		path := filepath.Join(t.TempDir(), "r.safetensors")
		if err := build(nn.NewParams(1), classes).WriteFile(path, nil); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return Open(data)
	}
	v := Draw(world.Sample(1, world.SampleOptions{Simple: true}), 0, minFrames)
	for _, colors := range []int{1, world.MeasuredColors, world.NumColors} {
		r, err := open(colors)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Read(v)
		if err != nil || int(got.Labels[Color]) >= colors || got.Labels[Time] >= world.NumDaytimes {
			t.Errorf("of %d colours it reads %v, %v", colors, got.Labels, err)
		}
	}
	if _, err := open(world.NumColors + 1); err == nil || !strings.Contains(err.Error(), "head.colour.weight") {
		t.Errorf("a colour that the storybook does not have: %v", err)
	}
}

// TestReadsTheLaterColours: the embedded recogniser knows the colours that the
// videos that models are measured by do not show.
func TestReadsTheLaterColours(t *testing.T) {
	right, all := 0, 0
	for i := uint64(0); all < 36; i++ {
		s := world.Sample(i+1<<50, world.SampleOptions{Simple: true, Everyday: true})
		if int(s.Actors[0].Color) < world.MeasuredColors {
			continue
		}
		got, err := trained(t).Read(Draw(s, 0, maxFrames))
		if err != nil {
			t.Fatal(err)
		}
		if all++; got.Labels[Color] == uint8(s.Actors[0].Color) {
			right++
		}
	}
	t.Logf("right in %d of %d", right, all)
	if right < all*8/10 {
		t.Errorf("the colour is right in %d of %d videos", right, all)
	}
}
