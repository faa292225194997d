package server

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestReadyTellsOfEncoders: /readyz tells operators that videos are not written
// as customers expect.
func TestReadyTellsOfEncoders(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for ffmpeg is a shell script")
	}
	s, _ := realServer(t, nil)
	for script, want := range map[string]string{
		`case "$*" in *-encoders*) echo " V....D libx264 x";; *) cat >/dev/null;; esac`: "ready\n",
		`case "$*" in *-encoders*) echo " V..... mpeg4 x";; *) cat >/dev/null;; esac`:   "ready\nnote: MP4 is written with mpeg4",
		`exit 1`: "ready\nnote: videos are animated WebP: ",
	} {
		tool := filepath.Join(t.TempDir(), "ffmpeg")
		if err := os.WriteFile(tool, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KINORA_FFMPEG", tool)
		resp, body := call(t, s, "GET", "/readyz", "", "")
		if resp.StatusCode != 200 || !strings.HasPrefix(body, want) || want == "ready\n" && body != want {
			t.Errorf("%s: %d %s, want %q", script, resp.StatusCode, body, want)
		}
	}
}
