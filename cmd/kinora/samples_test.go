package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/train"
)

// TestSamplesWithoutEncoder: a training run whose ffmpeg cannot write MP4 says
// so at its start, and its samples are WebP.
func TestSamplesWithoutEncoder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	tool := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho \"Unknown encoder 'libx264'\" >&2; exit 1"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINORA_FFMPEG", tool)
	c := &runFlags{Dir: t.TempDir()}
	stopped := errors.New("stopped")
	for every, want := range map[int]bool{1: true, 0: false} {
		var out bytes.Buffer
		if err := c.finish(t.Context(), streams{&out, &out}, nil, 0, every, func(train.Options) error { return stopped }); !errors.Is(err, stopped) {
			t.Fatal(err)
		}
		if said := strings.Contains(out.String(), "note: videos are animated WebP: "); said != want {
			t.Errorf("with a sample after %d steps it says %q", every, out.String())
		}
	}
	m := &reel.Model{Config: reel.Config{Width: 16, Height: 16, FPS: 8}}
	path, err := c.sampleFile(t.Context(), "codec", 7, m, make([]byte, 2*3*16*16), "a ball")
	if err != nil || filepath.Base(path) != "codec-000007.webp" {
		t.Fatalf("%q, %v", path, err)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(data, []byte("RIFF")) {
		t.Errorf("%.20q, %v", data, err)
	}
}
