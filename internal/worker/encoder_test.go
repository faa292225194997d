package worker

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestOtherEncoders: a video that is not written with the usual encoder has a
// note that says so.
func TestOtherEncoders(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	for name, c := range map[string]struct {
		script, mime, note string
		sound              bool
	}{
		"MPEG-4 Part 2":  {`case "$*" in *-encoders*) echo " V..... mpeg4 x";; *) cat >/dev/null;; esac`, "video/mp4", "which browsers do not play", false},
		"none":           {`case "$*" in *-encoders*) echo " V..... mpeg4 x";; *) exit 1;; esac`, "image/webp", noteWebP, false},
		"none for sound": {`case "$*" in *-encoders*) echo " V..... mpeg4 x";; *) exit 1;; esac`, "image/webp", noteWebP + "\n" + noteSilent, true},
		"libx264":        {`case "$*" in *-encoders*) echo " V....D libx264 x"; echo " A....D aac x";; *) cat >/dev/null;; esac`, "video/mp4", "", true},
		"no AAC":         {`case "$*" in *-encoders*) echo " V....D libx264 x";; *) cat >/dev/null;; esac`, "video/mp4", noteNoAAC, true},
	} {
		t.Run(name, func(t *testing.T) {
			tool := filepath.Join(t.TempDir(), "ffmpeg")
			if err := os.WriteFile(tool, []byte("#!/bin/sh\n"+c.script), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("KINORA_FFMPEG", tool)
			g := newRig(t, store.SQLite, nil)
			g.engine.sound = c.sound
			j := g.submit(job.Spec{Kind: job.Video, Seconds: 1})
			g.work()
			got := g.get(j)
			if got.State != job.Succeeded {
				t.Fatalf("%+v, %v", got, got.Error)
			}
			video, _ := got.Result.File(job.RoleVideo)
			if notes := strings.Join(got.Notes(), "\n"); video.ContentType != c.mime || !strings.Contains(notes, c.note) || (notes == "") != (c.note == "") {
				t.Errorf("it is %s with the notes %q; want %s and %q", video.ContentType, notes, c.mime, c.note)
			}
		})
	}
}
