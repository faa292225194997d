package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/recogniser"
	"github.com/kinora-video/kinora/internal/scratch"
)

// Report has everything that was measured. `kinora eval` writes it as JSON.
type Report struct {
	Made    time.Time `json:"made"`
	Weights string    `json:"weights"` // the weights measured: a file's name, or "inside the program"
	Command string    `json:"command"` // the command that gives this report
	Width   int       `json:"width"`
	Height  int       `json:"height"`
	FPS     int       `json:"fps"`
	Scenes  string    `json:"scenes"` // their kind
	// FromFrame says that each video began with the first frame of the real one.
	FromFrame bool    `json:"from_frame,omitzero"`
	Prompts   int     `json:"prompts"`
	Seconds   float64 `json:"seconds"` // length of a video
	Seed      uint64  `json:"seed"`
	Took      float64 `json:"took_seconds"`
	// Sets are what the recogniser read: by language, over all, from the real
	// videos, and from videos that repeat their first frame.
	Sets      []Set       `json:"sets"`
	Movement  Movement    `json:"movement"`
	Shape     Shapes      `json:"shape"`
	Diversity *Diversity  `json:"diversity,omitempty"`
	Codec     *CodecScore `json:"codec,omitempty"`
	Clips     []ClipScore `json:"clips"`
}

// Set has the results for a set of videos.
type Set struct {
	Name   string  `json:"name"`
	Films  int     `json:"films"`
	Scores []Score `json:"scores"`
	Whole  int     `json:"whole"` // videos in which all that was asked for is right
}

// Score is how often one attribute was read as the prompt asked.
type Score struct {
	Attribute string  `json:"attribute"`
	Right     int     `json:"right"`
	Of        int     `json:"of"`
	Share     float64 `json:"share"`
	Low       float64 `json:"low"` // the share's 95 % interval (Wilson)
	High      float64 `json:"high"`
	Chance    float64 `json:"chance"` // share that even guessing gets right
}

// NewSet returns a tally of videos of a kind of scene as a named set.
func NewSet(name string, k recogniser.Scenes, t recogniser.Tally) Set {
	s := Set{Name: name, Films: t.Films, Whole: t.Whole}
	for _, a := range k.Attributes() {
		low, high := interval(t.Right[a], t.Films)
		s.Scores = append(s.Scores, Score{a.String(), t.Right[a], t.Films, t.Share(a), low, high, a.Chance()})
	}
	return s
}

// interval returns the 95 % confidence interval of a share (Wilson 1927).
func interval(right, of int) (low, high float64) {
	if of == 0 {
		return 0, 1
	}
	const z = 1.96
	n, p := float64(of), float64(right)/float64(of)
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(mid-half, 0), min(mid+half, 1)
}

// Shapes are how the outlines of actors compare with true ones, in generated videos
// and in real ones, of scenes with one actor.
type Shapes struct {
	Generated ShapeScore `json:"generated"`
	Real      ShapeScore `json:"real"`
}

// ShapeScore has means over videos.
type ShapeScore struct {
	Films int `json:"films"` // in which an outline could be read
	// Overlap is that with the nearest true outline of the subject, in [0, 1].
	Overlap float64 `json:"overlap"`
	// Nearest is the share of the frames whose nearest outline of all subjects is one
	// of it.
	Nearest float64 `json:"nearest"`
}

// add includes a video in the means.
func (s *ShapeScore) add(f recogniser.Shape) {
	if f.Frames == 0 {
		return
	}
	s.Films++
	n := float64(s.Films)
	s.Overlap += (f.Overlap - s.Overlap) / n
	s.Nearest += (float64(f.Nearest)/float64(f.Frames) - s.Nearest) / n
}

// Movement is how much frames differ from their neighbours, in generated videos
// and in real videos of the same scenes.
type Movement struct {
	Generated Steps `json:"generated"`
	Real      Steps `json:"real"`
}

// Steps are means over videos, in grey levels of 255. Change is the difference
// between a frame and the previous one. Jitter is the difference between a
// frame and the mean of its two neighbours, which smooth movement keeps small.
type Steps struct {
	Films  int     `json:"films"`
	Change float64 `json:"change"`
	Jitter float64 `json:"jitter"`
}

// add includes a video in the means.
func (s *Steps) add(f steps) {
	s.Films++
	if f.changes == 0 || f.turns == 0 {
		return
	}
	n := float64(s.Films)
	s.Change += (f.Change/float64(f.changes) - s.Change) / n
	s.Jitter += (f.Jitter/float64(f.turns) - s.Jitter) / n
}

// Diversity is the mean distance between videos of one prompt: the root mean
// square of the difference, on a scale of 1.
type Diversity struct {
	Prompt    string  `json:"prompt"`
	Films     int     `json:"films"`
	Generated float64 `json:"generated"` // videos from different seeds
	Real      float64 `json:"real"`      // storybook videos with the same words
}

// ClipScore is one generated video.
type ClipScore struct {
	Lang   string           `json:"lang"`
	Prompt string           `json:"prompt"`
	Seed   uint64           `json:"seed"`
	File   string           `json:"file,omitempty"` // in the folder of videos
	Took   float64          `json:"took_seconds"`
	Read   []AttributeScore `json:"read"`
	// Distance is from the real video of the scene: the root mean square, on a
	// scale of 1.
	Distance float64 `json:"distance"`
	// Overlap is that of the actor's outline with the nearest true one.
	Overlap float64 `json:"overlap,omitzero"`
}

// AttributeScore is one attribute of one video.
type AttributeScore struct {
	Attribute string  `json:"attribute"`
	Want      string  `json:"want"`
	Got       string  `json:"got"`
	Sure      float64 `json:"sure"` // the recogniser's probability
	Right     bool    `json:"right"`
}

func newClip(p Prompt, k recogniser.Scenes, seed uint64, file string, want recogniser.Labels, got recogniser.Reading, took, far float64) ClipScore {
	c := ClipScore{Lang: p.Lang.String(), Prompt: p.Text, Seed: seed, File: file, Took: took, Distance: far}
	for _, a := range k.Attributes() {
		c.Read = append(c.Read, AttributeScore{
			a.String(), want.Name(a), got.Labels.Name(a), got.Sure[a], got.Labels[a] == want[a],
		})
	}
	return c
}

// WriteTable writes the results as a table: one row per attribute, one column
// per set of videos.
func WriteTable(w io.Writer, sets []Set) error {
	if len(sets) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-15s %8s", "attribute", "chance")
	for _, s := range sets {
		fmt.Fprintf(&b, "  %22s", s.Name)
	}
	b.WriteByte('\n')
	for i, sc := range sets[0].Scores {
		fmt.Fprintf(&b, "%-15s %8s", sc.Attribute, percent(sc.Chance))
		for _, s := range sets {
			fmt.Fprintf(&b, "  %22s", outOf(s.Scores[i].Right, s.Scores[i].Of))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%-15s %8s", "as asked", "")
	for _, s := range sets {
		fmt.Fprintf(&b, "  %22s", outOf(s.Whole, s.Films))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// percent formats a share.
func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func outOf(right, of int) string {
	if of == 0 {
		return "none"
	}
	low, high := interval(right, of)
	return fmt.Sprintf("%d/%d %4.0f %% (%.0f-%.0f)", right, of, 100*float64(right)/float64(of), 100*low, 100*high)
}

// Write writes the report as text.
func (r *Report) Write(w io.Writer) error {
	if err := WriteTable(w, r.Sets); err != nil {
		return err
	}
	var b strings.Builder
	if m := r.Movement; m.Real.Films > 0 {
		b.WriteByte('\n')
		fmt.Fprintf(&b, "change from frame to frame  %6.2f generated, %.2f real (of 255)\n", m.Generated.Change, m.Real.Change)
		fmt.Fprintf(&b, "flicker: beside neighbours  %6.2f generated, %.2f real (of 255)\n", m.Generated.Jitter, m.Real.Jitter)
	}
	if s := r.Shape; s.Real.Films > 0 {
		fmt.Fprintf(&b, "shape: overlap              %6.2f generated, %.2f real (with the nearest true outline, of 1)\n", s.Generated.Overlap, s.Real.Overlap)
		fmt.Fprintf(&b, "shape: the right one        %4.0f %% generated, %.0f %% real (frames whose nearest outline is the subject's)\n", 100*s.Generated.Nearest, 100*s.Real.Nearest)
	}
	if d := r.Diversity; d != nil {
		fmt.Fprintf(&b, "diversity of %2d seeds       %6.3f generated, %.3f real (root mean square, of 1)\n", d.Films, d.Generated, d.Real)
	}
	if r.Codec != nil {
		b.WriteString(r.Codec.line())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *CodecScore) line() string {
	return fmt.Sprintf("codec at 1:%.0f              %6.1f dB mean, %.1f dB worst of %d unseen videos\n", c.Ratio, c.PSNR, c.Worst, c.Films)
}

// WriteJSON writes a report to a file.
func WriteJSON(path string, report any) error {
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := scratch.WriteBytes(path, append(data, '\n')); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
