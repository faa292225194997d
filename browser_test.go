package kinora

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// player plays a video to its end and posts what it saw.
const player = `<!doctype html><video src="/a.mp4"></video><script>
const v = document.querySelector("video"), say = what => fetch("/seen", {method: "POST", body: JSON.stringify(what)});
v.onended = () => say({ended: true, at: v.currentTime, length: v.duration, audio: v.webkitAudioDecodedByteCount, frames: v.getVideoPlaybackQuality().totalVideoFrames});
v.onerror = () => say({error: v.error.message});
v.playbackRate = 2;
v.play().catch(e => say({error: String(e)}));
</script>`

// TestPlaysInChromium: a narrated video plays to its end in Chromium, which decodes
// its pictures and its sound. It needs ffmpeg and Chromium.
func TestPlaysInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil || testing.Short() || CanWrite(MP4) != nil {
		t.Skip("no chromium, no ffmpeg, or a short test")
	}
	fakeSpeech(t)
	m, err := Open(t.Context(), "testcard", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	clip := generate(t, m, Request{Prompt: "x", Seconds: 1.5, Narration: &Narration{Text: "a"}})
	path := filepath.Join(t.TempDir(), "a.mp4")
	if err := clip.Save(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	seen := make(chan []byte, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, player) })
	mux.HandleFunc("/a.mp4", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	mux.HandleFunc("/seen", func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(io.LimitReader(r.Body, 1<<16)); err == nil {
			select {
			case seen <- b:
			default:
			}
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// The browser's processes end a little after it, and may write here until then.
	home, err := os.MkdirTemp("", "kinora-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(home) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	browser := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--user-data-dir="+home, srv.URL)
	browser.WaitDelay = time.Second
	browser.Env = append(os.Environ(), "HOME="+home)
	if err := browser.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { cancel(); _ = browser.Wait() }()
	var got struct {
		Ended      bool
		Error      string
		At, Length float64
		Audio      int
		Frames     int
	}
	select {
	case b := <-seen:
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
	case <-ctx.Done():
		t.Fatal("the browser said nothing")
	}
	if !got.Ended || got.Audio <= 0 || got.Frames <= 0 || got.At < 1.4 || got.Length > 1.6 {
		t.Errorf("the browser saw %+v", got)
	}
	t.Logf("%+v", got)
}
