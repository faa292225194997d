//go:build unix

package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
)

// The tests of this file run this binary's model through unmodified clients by
// others.

// real is a plan with this binary's models.
func real(p *plan, _ *[]string) { p.Real = true }

// needFFmpeg skips the test where videos cannot be MP4.
func needFFmpeg(t *testing.T) {
	t.Helper()
	if err := kinora.CanWrite(kinora.MP4); err != nil {
		t.Skip(err)
	}
}

// isVideo checks that bytes are a video of at least so many seconds.
func isVideo(t *testing.T, video []byte, seconds float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "video.mp4")
	if err := os.WriteFile(path, video, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := media.Inspect(t.Context(), path)
	if err != nil {
		t.Fatalf("%v, in %d bytes that begin with %q", err, len(video), video[:min(16, len(video))])
	}
	if info.Duration.Seconds() < seconds-0.1 || info.W == 0 || info.Frames == 0 {
		t.Errorf("a video of %+v, want %v s", info, seconds)
	}
}

// mmx runs MiniMax's own command line, KINORA_MMX, or skips the test. Without a
// region it would first ask MiniMax's servers for the key's region.
func mmx(t *testing.T, c *client) func(args ...string) string {
	t.Helper()
	program := os.Getenv("KINORA_MMX")
	if program == "" {
		t.Skip("KINORA_MMX does not name MiniMax's client: make clients installs it, as CI does")
	}
	home := t.TempDir()
	return func(args ...string) string {
		t.Helper()
		out := filepath.Join(home, "out")
		f, err := os.Create(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		args = append(append([]string{program}, args...), "--base-url", c.base, "--region", "global", "--api-key", c.key, "--non-interactive", "--no-color", "--output", "json")
		env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "NO_UPDATE_NOTIFIER=1", "CI=true"}
		proc, err := os.StartProcess(program, args, &os.ProcAttr{Dir: home, Env: env, Files: []*os.File{nil, f, f}})
		if err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(4*time.Minute, func() { proc.Kill() })
		defer timer.Stop()
		how, err := proc.Wait()
		said, _ := os.ReadFile(out)
		if err != nil || !how.Success() {
			t.Fatalf("mmx %s: %v, %v\n%s", strings.Join(args[1:], " "), how, err, said)
		}
		return string(said)
	}
}

// TestMiniMaxClient: MiniMax's own command line makes and downloads a video,
// manages files and asks for the quota.
func TestMiniMaxClient(t *testing.T) {
	t.Parallel()
	skipInShort(t)
	needFFmpeg(t)
	p := newPlatform(t, store.SQLite, "")
	c := p.tenant("acme", 100)
	run := mmx(t, c)
	p.start(real)
	p.ready()

	dir := t.TempDir()
	video := filepath.Join(dir, "ball.mp4")
	said := run("video", "generate", "--prompt", "a red ball bounces on a beach. [Static shot]", "--model", "MiniMax-Hailuo-2.3", "--download", video, "--poll-interval", "1")
	got, err := os.ReadFile(video)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	isVideo(t, got, 6)

	picture := filepath.Join(dir, "dot.png")
	if err := os.WriteFile(picture, pngOf(t, 320, 320), 0o600); err != nil {
		t.Fatal(err)
	}
	said = run("file", "upload", "--file", picture)
	list := func() string {
		var files struct {
			Files []struct {
				ID   json.Number `json:"file_id"`
				Name string      `json:"filename"`
			}
		}
		text := run("file", "list")
		if err := json.Unmarshal([]byte(text), &files); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, f := range files.Files {
			if f.Name == "dot.png" {
				return f.ID.String()
			}
		}
		return ""
	}
	id := list()
	if id == "" {
		t.Fatalf("the file is not listed; uploading said\n%s", said)
	}
	run("file", "delete", "--file-id", id)
	if list() != "" {
		t.Error("the file is listed after it was deleted")
	}
	if said := run("quota", "show"); !strings.Contains(said, "{") {
		t.Errorf("the quota: %s", said)
	}
	if status, _, err := c.try("GET", "/v1/files/retrieve?file_id="+id, nil); err != nil || status != http.StatusOK {
		t.Errorf("V1 answers an unknown path with status %d, %v", status, err)
	}
}
