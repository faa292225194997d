package train

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/nn"
)

// breaking is the storybook; windows from a certain id on fail.
type breaking struct {
	Storybook
	from uint64
	err  error
}

func (b *breaking) Window(ctx context.Context, id uint64, frames, w, h, fps int) (Window, error) {
	if b.err != nil && id >= b.from && id < 1<<40 {
		return Window{}, b.err
	}
	return b.Storybook.Window(ctx, id, frames, w, h, fps)
}

// TestErrorKeepsWhatWasLearned: a run that an error ended continues to the
// bytes of an uninterrupted run.
func TestErrorKeepsWhatWasLearned(t *testing.T) {
	whole := tiny(t)
	if err := runs["codec"](t.Context(), whole, options(t.TempDir(), 12)); err != nil {
		t.Fatal(err)
	}
	dir, m := t.TempDir(), tiny(t)
	src := &breaking{Storybook{Seed: 1}, 10, errors.New("the disk is gone")}
	run := func() error { return Codec(t.Context(), m, src, options(dir, 12), codecOptions(), nil) }
	err := run()
	if !errors.Is(err, src.err) || !strings.Contains(err.Error(), "10 steps") {
		t.Errorf("error %v does not say what happened, and that 10 steps are kept", err)
	}
	if log := logOf(t, dir); log.Step != 10 {
		t.Errorf("the checkpoint is of step %d, want 10", log.Step)
	}
	src.err, m = nil, tiny(t)
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(weights(m), weights(whole)) {
		t.Error("the run that went on has other weights than one in one go")
	}
}

// logOf returns the log in the checkpoint of a codec's run.
func logOf(t *testing.T, dir string) *lossLog {
	t.Helper()
	ck, err := openCheckpoint(options(dir, 1), "codec", tiny(t).CodecParams, shapeOf(tiny(t).Config.Codec))
	if err != nil {
		t.Fatal(err)
	}
	return ck.log
}

// TestRunOutlivesItsSamples: neither a failing sample nor a disk that is full
// for a while ends a run.
func TestRunOutlivesItsSamples(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	aside := dir + "-aside"
	o := options(dir, 4)
	o.Save, o.SampleEvery = 0, 3
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Error(err)
		}
	}
	o.Progress = func(p Progress) {
		switch p.Step {
		case 1:
			if !p.Saved {
				t.Error("step 1 was not saved")
			}
			move(dir, aside)
		case 2:
			if p.Saved {
				t.Error("step 2 is said to be saved, and was not")
			}
			move(aside, dir)
		}
	}
	var warned []string
	o.Warn = func(err error) { warned = append(warned, err.Error()) }
	err := Codec(t.Context(), tiny(t), Storybook{Seed: 1}, o, codecOptions(), func(int, *nn.Params) error { return errors.New("no encoder") })
	if err != nil {
		t.Fatal(err)
	}
	if len(warned) != 2 || !strings.Contains(warned[0], "checkpoint") || !strings.Contains(warned[1], "no encoder") {
		t.Errorf("warned of %q, want of a checkpoint and of a sample", warned)
	}
	if log := logOf(t, dir); log.Step != 4 {
		t.Errorf("the checkpoint is of step %d, want 4", log.Step)
	}
}

// TestStopThatCannotSave: stopping a run returns an error if its checkpoint
// could not be written.
func TestStopThatCannotSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithCancel(t.Context())
	o := options(dir, 8)
	o.Progress = func(Progress) {
		cancel()
		os.RemoveAll(dir)
	}
	err := runs["codec"](ctx, tiny(t), o)
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("error %v", err)
	}
}
