//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/store"
)

// The tests of this file run the model of this binary, through clients that
// other people wrote, unmodified.

// real is a plan with the models of this binary.
func real(p *plan, _ *[]string) { p.Real = true }

// needFFmpeg skips where films cannot be MP4.
func needFFmpeg(t *testing.T) {
	t.Helper()
	if err := kinora.CanWrite(kinora.MP4); err != nil {
		t.Skip(err)
	}
}

// isFilm checks that bytes are a film, of so many seconds at least.
func isFilm(t *testing.T, film []byte, seconds float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, film, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := kinora.ProbeVideo(t.Context(), path)
	if err != nil {
		t.Fatalf("%v, in %d bytes that begin with %q", err, len(film), film[:min(16, len(film))])
	}
	if info.Seconds < seconds-0.1 || info.Width == 0 || info.Frames == 0 {
		t.Errorf("a film of %+v, want %v s", info, seconds)
	}
}

// TestOpenAIClient: openai-go makes a film, waits for it and downloads it.
func TestOpenAIClient(t *testing.T) {
	t.Parallel()
	skipInShort(t)
	needFFmpeg(t)
	p := newPlatform(t, store.SQLite, "")
	c := p.tenant("acme", 100)
	p.start(real)
	p.ready()
	ai := openai.NewClient(option.WithBaseURL(c.base+"/v1"), option.WithAPIKey(c.key))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	v, err := ai.Videos.NewAndPoll(ctx, openai.VideoNewParams{
		Prompt: "a red ball bounces on a beach", Model: "reel", Seconds: "1", Size: "256x160",
	}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if v.Status != openai.VideoStatusCompleted || v.Progress != 100 || v.Model != "reel" || v.Seconds != "1" || v.Error.Code != "" {
		t.Fatalf("got %s", v.RawJSON())
	}
	for variant, begins := range map[openai.VideoDownloadContentParamsVariant]string{"": "", "thumbnail": "RIFF", "spritesheet": "\xff\xd8"} {
		r, err := ai.Videos.DownloadContent(ctx, v.ID, openai.VideoDownloadContentParams{Variant: variant})
		if err != nil {
			t.Fatalf("%s: %v", variant, err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		switch {
		case err != nil:
			t.Errorf("%s: %v", variant, err)
		case variant == "":
			isFilm(t, got, 1)
		case !bytes.HasPrefix(got, []byte(begins)):
			t.Errorf("%s begins with %q", variant, got[:min(8, len(got))])
		}
	}
	page, err := ai.Videos.List(ctx, openai.VideoListParams{})
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != v.ID {
		t.Errorf("listed %+v, %v", page, err)
	}
	if _, err := ai.Videos.Delete(ctx, v.ID); err != nil {
		t.Error(err)
	}
	if _, err := ai.Videos.Get(ctx, v.ID); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("after its removal: %v", err)
	}
}

// mmx runs MiniMax's own command line, KINORA_MMX, or skips the test. Without a
// region it would first ask MiniMax's servers which one the key is of.
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

// TestMiniMaxClient: MiniMax's own command line makes and downloads a film,
// keeps files and asks for the quota.
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
	film := filepath.Join(dir, "ball.mp4")
	said := run("video", "generate", "--prompt", "a red ball bounces on a beach. [Static shot]", "--model", "MiniMax-Hailuo-2.3", "--download", film, "--poll-interval", "1")
	got, err := os.ReadFile(film)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	isFilm(t, got, 6)

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
		t.Errorf("V1 answers what is not there with status %d, %v", status, err)
	}
}
