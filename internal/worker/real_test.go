package worker

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
)

// TestRealModel: videos by a model of the root package. The second continues the
// first and is joined to it.
func TestRealModel(t *testing.T) {
	if err := kinora.CanWrite(kinora.MP4); err != nil {
		t.Skip(err)
	}
	pool := kinora.NewPool(0, kinora.WithLatentsDir(t.TempDir()))
	e, err := Pooled(pool, "testcard")
	if err != nil {
		t.Fatal(err)
	}
	g := newRig(t, store.SQLite, func(o *Options) { o.Engines = map[string]Engine{"fake": e} })
	first := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Watermark: true})
	g.work()
	second := g.submit(job.Spec{Kind: job.Video, Seconds: 1, After: first.ID, Join: true})
	third := g.submit(job.Spec{Kind: job.Video, Seconds: 0.5, After: first.ID})
	still := g.submit(job.Spec{Kind: job.Image, Count: 2, Width: 128, Height: 96})
	g.work()
	for name, tt := range map[string]struct {
		j      job.Job
		frames int
	}{"first": {first, 24}, "joined": {second, 48}, "going on": {third, 12}} {
		got := g.get(tt.j)
		if got.State != job.Succeeded || got.Result.Frames != tt.frames || got.Result.FPS != 24 {
			t.Errorf("%s: %+v, %+v, %v", name, got, got.Result, got.Error)
			continue
		}
		f, _ := got.Result.File(job.RoleVideo)
		path := t.TempDir() + "/video.mp4"
		if err := os.WriteFile(path, g.read(f.Key), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := media.Inspect(t.Context(), path)
		if err != nil || info.Frames != tt.frames || !info.Audio || info.W != got.Result.Width || f.ContentType != "video/mp4" {
			t.Errorf("%s: the file has %+v, %v", name, info, err)
		}
		if sheet, ok := got.Result.File(job.RoleSpritesheet); !ok || sheet.Width != spriteColumns*256 {
			t.Errorf("%s: its spritesheet is %+v", name, sheet)
		}
	}
	if got := g.get(still); got.State != job.Succeeded || len(got.Result.Files) != 2 || got.Result.Files[1].Width != 128 {
		t.Errorf("%+v, %+v, %v", got, got.Result, got.Error)
	}
	for _, key := range g.keys() {
		if kind, _, _ := strings.Cut(key, "/"); kind != blob.KindVideo && kind != blob.KindImage {
			t.Errorf("a blob is left: %s", key)
		}
	}
	g.clean(g.Runner)
	// Every clip has released its model, or this would block.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := pool.Close(ctx); err != nil {
		t.Error(err)
	}
}
