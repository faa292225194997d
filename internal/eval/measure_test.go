package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/world"
)

// actor is a perfect model: it draws the videos of the prompts that it knows.
type actor struct {
	scenes  map[string]world.Scene
	w, h    int
	lose    int   // frames too few
	err     error // instead of a video
	prompts []string
	firsts  int // videos that began with a given frame
}

func newActor(o Options) *actor {
	a := &actor{scenes: map[string]world.Scene{}, w: 128, h: 80}
	for _, list := range [][][world.NumLangs]Prompt{Prompts(o.Scenes, o.Prompts, o.Seed, o.Seconds), Prompts(o.Scenes, 1, o.Seed+1, o.Seconds)} {
		for _, p := range list {
			for _, x := range p {
				a.scenes[x.Text] = x.Scene
			}
		}
	}
	return a
}

func (a *actor) Size() (w, h, fps int) { return a.w, a.h, 8 }

func (a *actor) Generate(ctx context.Context, ask Ask, yield func(rgb []byte) error) error {
	if a.err != nil {
		return a.err
	}
	a.prompts = append(a.prompts, ask.Prompt)
	if ask.First != nil {
		a.firsts++
	}
	s := a.scenes[ask.Prompt]
	s.Seed = ask.Seed
	r := world.NewRenderer(s, a.w, a.h)
	buf := make([]byte, a.w*a.h*3)
	for i := range ask.Frames - a.lose {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Frame(buf, float64(i)/8)
		if err := yield(buf); err != nil {
			return err
		}
	}
	return nil
}

func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	o := Options{Prompts: 2, Seconds: 3, Seeds: 2, Seed: 5, Clips: dir, Sheet: filepath.Join(dir, "sheet.png")}
	var told [2]int
	o.Progress = func(done, total int) { told = [2]int{done, total} }
	a := newActor(o)
	r, err := Measure(context.Background(), a, novice(), o)
	if err != nil {
		t.Fatal(err)
	}
	if told != [2]int{8, 8} || len(a.prompts) != 8 || len(r.Clips) != 6 {
		t.Errorf("progress %v, %d videos made, %d reported", told, len(a.prompts), len(r.Clips))
	}
	var names []string
	for _, s := range r.Sets {
		names = append(names, s.Name)
	}
	if want := []string{"en", "zh", "ar", "all", "real videos", "first frame"}; !slices.Equal(names, want) {
		t.Fatalf("sets %q, want %q", names, want)
	}
	if r.Sets[0].Films != 2 || r.Sets[3].Films != 6 || r.Sets[4].Films != 2 || r.Sets[5].Films != 6 {
		t.Errorf("videos of the sets: %+v", r.Sets)
	}
	m := r.Movement
	if m.Real.Films != 2 || m.Generated.Films != 6 || m.Real.Change <= 0 || math.Abs(m.Generated.Change/m.Real.Change-1) > 0.5 {
		t.Errorf("movement %+v", m)
	}
	if d := r.Diversity; d == nil || d.Films != 2 || d.Generated <= 0 || d.Real <= 0 {
		t.Errorf("diversity %+v", d)
	}
	if f, err := os.Open(o.Sheet); err != nil {
		t.Error(err)
	} else {
		defer f.Close()
		if c, err := png.DecodeConfig(f); err != nil || c.Width != 2*(4*128+10)+10 || c.Height < 80 {
			t.Errorf("the contact sheet: %+v, %v", c, err)
		}
	}
	for _, c := range r.Clips {
		if info, err := os.Stat(filepath.Join(dir, c.File)); err != nil || info.Size() < 1000 {
			t.Errorf("the video %s: %v", c.File, err)
		}
	}
}

// TestMeasureOthers: other kinds of scenes have attributes of their own; long videos,
// and those that begin with a given frame, are read at their end too.
func TestMeasureOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		o    Options
		rows []string
		sets []string
	}{
		"several": {
			Options{Scenes: recogniser.Several, Prompts: 1, Seconds: 2, Seed: 5},
			[]string{"subject", "colour", "count", "second subject", "second colour", "second count", "relation"},
			nil,
		},
		"events from a frame": {
			Options{Scenes: recogniser.Events, Prompts: 1, Seconds: 4, Seed: 5, FromFrame: true},
			[]string{"subject", "motion", "second motion"},
			[]string{"last 2 s", "real, last 2 s"},
		},
		"long": {
			Options{Prompts: 1, Seconds: 12, Seed: 5},
			[]string{"subject", "colour", "place", "motion", "camera", "time of day"},
			[]string{"last 6 s", "real, last 6 s"},
		},
	} {
		a := newActor(tt.o)
		r, err := Measure(context.Background(), a, novice(), tt.o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var rows, sets []string
		for _, s := range r.Sets[0].Scores {
			rows = append(rows, s.Attribute)
		}
		for _, s := range r.Sets[6:] {
			sets = append(sets, s.Name)
		}
		if !slices.Equal(rows, tt.rows) || !slices.Equal(sets, tt.sets) {
			t.Errorf("%s: rows %q and sets %q, want %q and %q", name, rows, sets, tt.rows, tt.sets)
		}
		for _, s := range r.Sets[6:] {
			if s.Films == 0 {
				t.Errorf("%s: no video in %q", name, s.Name)
			}
		}
		if want := map[bool]int{true: 3}[tt.o.FromFrame]; a.firsts != want {
			t.Errorf("%s: %d videos began with a frame, want %d", name, a.firsts, want)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, tt := range []struct {
		right, of int
		low, high float64
	}{{0, 0, 0, 1}, {0, 10, 0, 0.278}, {10, 10, 0.722, 1}, {81, 263, 0.255, 0.366}} { // the last as in Newcombe 1998
		if low, high := interval(tt.right, tt.of); math.Abs(low-tt.low) > 1e-3 || math.Abs(high-tt.high) > 1e-3 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.3f to %.3f", tt.right, tt.of, low, high, tt.low, tt.high)
		}
	}
}

func TestWrap(t *testing.T) {
	if got := wrap("a red cat  bounces on a beach at sunset", 10, 3); !slices.Equal(got, []string{"a red cat", "bounces on", "a beach at"}) {
		t.Errorf("%q", got)
	}
}

// embedded is the recogniser inside the program.
func embedded(t testing.TB) *recogniser.Network {
	t.Helper()
	r, err := recogniser.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMeasureBelievesAPerfectModel: videos that show what their prompts say
// score well, and their first frames do not show how things move.
func TestMeasureBelievesAPerfectModel(t *testing.T) {
	o := Options{Prompts: 8, Seconds: 6, Seed: 5}
	if testing.Short() {
		o.Prompts, o.Seconds = 3, 4
	}
	r, err := Measure(context.Background(), newActor(o), embedded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	all, still := r.Sets[3], r.Sets[5]
	for i, s := range all.Scores {
		if s.Share < 0.75 {
			t.Errorf("a perfect model's %s is right in %.2f", s.Attribute, s.Share)
		}
		if a := recogniser.Attribute(i); (a == recogniser.Motion || a == recogniser.Camera) && still.Scores[i].Share > 0.6 {
			t.Errorf("%s is read from %.2f of first frames", s.Attribute, still.Scores[i].Share)
		}
	}
}

func TestMeasureFails(t *testing.T) {
	good := Options{Prompts: 1, Seconds: 2, Seed: 1}
	for name, tt := range map[string]struct {
		change func(o *Options, a *actor)
		want   string
	}{
		"no prompts":    {func(o *Options, _ *actor) { o.Prompts = 0 }, "0 prompts"},
		"short":         {func(o *Options, _ *actor) { o.Seconds = 1.9 }, "1.9 seconds"},
		"not a number":  {func(o *Options, _ *actor) { o.Seconds = math.NaN() }, "NaN seconds"},
		"one seed":      {func(o *Options, _ *actor) { o.Seeds = 1 }, "1 videos of one prompt"},
		"odd size":      {func(_ *Options, a *actor) { a.w = 130 }, "130×80"},
		"model fails":   {func(_ *Options, a *actor) { a.err = errors.New("no luck") }, "no luck"},
		"frames missed": {func(_ *Options, a *actor) { a.lose = 3 }, "13 frames, not 16"},
		"no folder":     {func(o *Options, _ *actor) { o.Clips = filepath.Join(t.TempDir(), "none") }, "none"},
	} {
		o, a := good, newActor(good)
		tt.change(&o, a)
		if _, err := Measure(context.Background(), a, novice(), o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, newActor(good), novice(), good); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

func TestPromptsTellAll(t *testing.T) {
	for _, prompts := range Prompts(recogniser.One, 150, 2, 6) {
		s := prompts[0].Scene
		if !world.HeldOut(s) || len(s.Actors) != 1 || len(s.Events) != 1 {
			t.Errorf("%+v is no simple video that training leaves out", s)
		}
		en := strings.ToLower(prompts[world.En].Text)
		for what, words := range map[string][]string{
			world.Sunset.String(): {"sunset", "dusk", "setting sun", "evening"}, world.Night.String(): {"night", "moon"},
			world.ZoomIn.String(): {"zoom", "push in"}, world.TiltDown.String(): {"down", "pedestal"},
			world.City.String(): {"city", "town"}, world.Space.String(): {"space"}, world.Desert.String(): {"desert"},
		} {
			if s.Time.String() != what && s.Camera.String() != what && s.Place.String() != what {
				continue
			}
			if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(en, w) }) {
				t.Errorf("%q does not tell of %s", en, what)
			}
		}
	}
	for _, prompts := range Prompts(recogniser.Several, 60, 2, 6) {
		s, en := prompts[0].Scene, strings.ToLower(prompts[world.En].Text)
		for _, a := range s.Actors {
			number := []string{"two", "pair", "both", "2", "couple"}
			if a.Count == 3 {
				number = []string{"three", "3", "trio"}
			}
			if a.Count > 1 && !slices.ContainsFunc(number, func(w string) bool { return strings.Contains(en, w) }) {
				t.Errorf("%q does not tell of %d", en, a.Count)
			}
		}
	}
	a, b := Prompts(recogniser.Several, 3, 7, 6), Prompts(recogniser.Several, 3, 7, 6)
	if a[2][world.Ar].Text != b[2][world.Ar].Text {
		t.Error("the same seed gives other prompts")
	}
}

func TestSteps(t *testing.T) {
	var even, wild steps
	for i := range 5 {
		even.frame([]byte{byte(10 * i), byte(20 * i)})
		wild.frame([]byte{byte(10 * (i % 2)), byte(20 * (i % 2))})
	}
	var s Steps
	s.add(even)
	if s.Change != 15 || s.Jitter != 0 {
		t.Errorf("even movement: %+v", s)
	}
	s.add(wild)
	if s.Films != 2 || s.Change != 15 || s.Jitter != 7.5 {
		t.Errorf("with a flickering video: %+v", s)
	}
}

func TestApart(t *testing.T) {
	black := recogniser.Draw(world.Sample(1, world.SampleOptions{}), 0, 1)
	clear(black.Frames)
	white := recogniser.View{Frames: bytes.Repeat([]byte{255}, len(black.Frames)), T: 1}
	if d := meanDistance([]recogniser.View{black, black, white}); math.Abs(d-2.0/3) > 1e-12 {
		t.Errorf("the mean of two pairs of three is %g", d)
	}
	if got := psnr(255 * 255 / 1000.0); math.Abs(got-30) > 1e-9 {
		t.Errorf("%g dB, want 30", got)
	}
}

func report() *Report {
	var t recogniser.Tally
	t.Add(recogniser.One, recogniser.Labels{}, recogniser.Labels{})
	t.Add(recogniser.One, recogniser.Labels{recogniser.Subject: 1}, recogniser.Labels{})
	p := Prompt{Lang: world.Ar, Text: `"><script>alert(1)</script>&`, Scene: world.Sample(1, world.SampleOptions{})}
	return &Report{
		Weights: "<b>", Command: "kinora eval", Width: 256, Height: 160, Prompts: 2,
		Sets:      []Set{NewSet("en", recogniser.One, t), NewSet("none", recogniser.One, recogniser.Tally{})},
		Movement:  Movement{Generated: Steps{1, 2, 0.5}, Real: Steps{1, 1.5, 0.25}},
		Shape:     Shapes{ShapeScore{2, 0.75, 0.5}, ShapeScore{1, 0.9, 1}},
		Diversity: &Diversity{"<i>", 2, 0.25, 0.5},
		Codec:     &CodecScore{Films: 3, Ratio: 256, PSNR: 31.25, Worst: 28},
		Clips:     []ClipScore{newClip(p, recogniser.One, 7, `a"b.webp`, recogniser.Labels{}, recogniser.Reading{Labels: recogniser.Labels{recogniser.Camera: 5}}, 1, 0.5)},
	}
}

func TestReportForPeople(t *testing.T) {
	var b strings.Builder
	if err := report().Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `attribute         chance                      en                    none
subject            8.3 %       1/2   50 % (9-91)                    none
colour            12.5 %     2/2  100 % (34-100)                    none
place             12.5 %     2/2  100 % (34-100)                    none
motion            12.5 %     2/2  100 % (34-100)                    none
camera            14.3 %     2/2  100 % (34-100)                    none
time of day       33.3 %     2/2  100 % (34-100)                    none
as asked                       1/2   50 % (9-91)                    none

change from frame to frame    2.00 generated, 1.50 real (of 255)
flicker: beside neighbours    0.50 generated, 0.25 real (of 255)
shape: overlap                0.75 generated, 0.90 real (with the nearest true outline, of 1)
shape: the right one          50 % generated, 100 % real (frames whose nearest outline is the subject's)
diversity of  2 seeds        0.250 generated, 0.500 real (root mean square, of 1)
codec at 1:256                31.2 dB mean, 28.0 dB worst of 3 unseen videos
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if err := WriteTable(&b, nil); err != nil {
		t.Error(err)
	}
}

func TestPageEscapes(t *testing.T) {
	data, err := report().HTML("films")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, bad := range []string{"<script", "<i>", "<b>", `a"b`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s as it is", bad)
		}
	}
	for _, good := range []string{`dir="rtl"`, "&lt;script&gt;", "zoom in", "instead of static", `class="wrong"`, "31.2 dB", "0.250"} {
		if !strings.Contains(page, good) {
			t.Errorf("the page lacks %s", good)
		}
	}
}

// TestPageOfTheCodecAlone: without videos from prompts, the page does not
// mention any.
func TestPageOfTheCodecAlone(t *testing.T) {
	r := &Report{Width: 256, Height: 160, Sets: report().Sets[:1], Codec: report().Codec}
	data, err := r.HTML("films")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, bad := range []string{"three languages", "real videos", "Change from frame", "<figure"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, good := range []string{"The codec alone", "31.2 dB", "256 / 160", "1/2"} {
		if !strings.Contains(page, good) {
			t.Errorf("the page lacks %q", good)
		}
	}
}

func TestReportFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	if err := WriteJSON(path, report()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Clips[0].Prompt != report().Clips[0].Prompt || back.Sets[0].Scores[0].Right != 1 || back.Codec.PSNR != 31.25 {
		t.Errorf("read back as %+v", back)
	}
	none := filepath.Join(t.TempDir(), "none", "x")
	if err := WriteJSON(none, 1); err == nil {
		t.Error("a report in no folder is written")
	}
	if err := report().WritePage(none, ""); err == nil {
		t.Error("a page in no folder is written")
	}
}
