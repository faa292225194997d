package train

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/world"
)

// otherWords is the storybook with captions whose edition is unknown.
type otherWords struct{ Storybook }

func (otherWords) Edition() world.Edition { return world.NoEdition }

// TestWeightsSayWhatTheyWereTaught: a step with the storybook's captions
// teaches its newest edition; nothing else does.
func TestWeightsSayWhatTheyWereTaught(t *testing.T) {
	own := func(ctx context.Context, m *reel.Model, o Options) error {
		return TextVideo(ctx, m, otherWords{Storybook{Seed: 1}}, o, flowOptions(), nil)
	}
	heldOut := func(ctx context.Context, m *reel.Model, o Options) error {
		return TextVideo(ctx, m, Storybook{Seed: 1, Split: world.Test}, o, flowOptions(), nil)
	}
	for _, tt := range []struct {
		name   string
		run    func(ctx context.Context, m *reel.Model, o Options) error
		before world.Edition
		steps  int
		want   world.Edition
	}{
		{"codec", runs["codec"], 1, 1, 1},
		{"text", runs["text"], 0, 1, 2},
		{"text", runs["text"], 1, 1, 2},
		{"text", runs["text"], 1, 0, 1},
		{"text-video", runs["text-video"], 1, 1, 2},
		{"text-video", runs["text-video"], 1, 0, 1},
		{"text-video", runs["text-video"], 9, 1, 9},
		{"videos of one's own", own, 0, 1, 0},
		{"videos of one's own", own, 1, 1, 1},
		{"videos of one's own", own, 2, 1, 2},
		{"what is held out", heldOut, 0, 1, 1},
	} {
		m := tiny(t)
		m.Storybook = tt.before
		if err := tt.run(t.Context(), m, options(t.TempDir(), tt.steps)); err != nil {
			t.Fatal(err)
		}
		if m.Storybook != tt.want {
			t.Errorf("%s: %d steps of a model of edition %d make one of edition %d, want %d", tt.name, tt.steps, tt.before, m.Storybook, tt.want)
		}
	}
}

// TestStudentKnowsWhatItsTeacherKnows: captions of the newest edition teach a
// student no word that its teacher does not know.
func TestStudentKnowsWhatItsTeacherKnows(t *testing.T) {
	for teacher := range world.Newest + 1 {
		m := tiny(t)
		m.Storybook = teacher
		student, err := m.FewSteps(4, 3, 9)
		if err != nil {
			t.Fatal(err)
		}
		student.Storybook = 0 // as if it had started with another one
		do := DefaultDistil()
		do.Batch, do.Micro, do.Fresh, do.Keep = 1, 1, 1, 1
		if err := Distil(t.Context(), student, m, Storybook{Seed: 1}, options(t.TempDir(), 1), do, nil); err != nil {
			t.Fatal(err)
		}
		if student.Storybook != teacher {
			t.Errorf("a teacher of edition %d makes a student of edition %d", teacher, student.Storybook)
		}
	}
}

// TestCheckpointSaysWhatItWasTaught: the edition is kept if a run ended before
// its weights were written.
func TestCheckpointSaysWhatItWasTaught(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := options(dir, 2)
	o.Progress = func(p Progress) {
		if p.Step == 1 {
			cancel()
		}
	}
	m := tiny(t)
	m.Storybook = 1
	if err := runs["text"](ctx, m, o); !errors.Is(err, context.Canceled) || m.Storybook != 2 {
		t.Fatalf("a run that was stopped knows edition %d: %v", m.Storybook, err)
	}
	again := tiny(t)
	again.Storybook = 1
	if err := runs["text"](t.Context(), again, options(dir, 1)); err != nil || again.Storybook != 2 {
		t.Errorf("the same run, of which no step is left, knows edition %d: %v", again.Storybook, err)
	}
	ck, err := openCheckpoint(options(dir, 1), "text", again.FlowParams.Subset("text."), shapeOf(again.Config.Text))
	if err != nil {
		t.Fatal(err)
	}
	ck.taught = -1
	if err := ck.save(); err != nil {
		t.Fatal(err)
	}
	if err := runs["text"](t.Context(), again, options(dir, 2)); err == nil || !strings.Contains(err.Error(), "storybook") {
		t.Errorf("a checkpoint of edition -1: error %v", err)
	}
}
