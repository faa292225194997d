//go:build unix

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

// errorText returns the text of an error in any API's form.
func errorText(t *testing.T, answer []byte) (text string) {
	t.Helper()
	if !json.Valid(answer) {
		t.Errorf("an answer that is no JSON: %s", answer)
	}
	return string(answer)
}

// TestDiskFullWhileDrawing: a job whose video does not fit on the disk is retried
// from its latents. If it never fits, the job fails with an error that says so,
// and costs nothing.
func TestDiskFullWhileDrawing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "jobs: {attempts: 2}\nlimits: {free_space: 0}\n")
	c := p.tenant("acme", 10)
	p.start()
	p.ready()
	never := c.final(c.submit("name=never full").ID, 30*time.Second)
	if never.State != "failed" || never.Attempt != 2 || never.Error == nil || never.Error.Code != "attempts_used" || !strings.Contains(never.Error.Message, "disk is full") {
		t.Errorf("a disk that stays full: %+v, %+v", never, never.Error)
	}
	j := c.submit("name=later full")
	c.until(j.ID, 10*time.Second, "queued again", func(j shownJob) bool { return j.State == "queued" && j.Attempt == 1 })
	p.openGate()
	if got := c.final(j.ID, 30*time.Second); got.State != "succeeded" || got.Attempt != 2 {
		t.Errorf("a disk that is full for a while: %+v, %+v", got, got.Error)
	}
	for _, name := range []string{"never", "later"} {
		if did := p.wrote(name); len(did) < 4 || did[0] != "sample" || slices.Contains(did[1:], "sample") {
			t.Errorf("%s: the engine did %v, want one sampling", name, did)
		}
	}
	p.inspect(func(ctx context.Context, db *store.DB) error {
		w, err := db.Wallet(ctx, c.project)
		if err != nil {
			return err
		}
		if w.Held != 0 || w.Revenue*2 != int64(count(ctx, t, db, "SELECT SUM(price) FROM jobs")) {
			t.Errorf("wallet %+v", w)
		}
		return db.CheckLedger(ctx)
	})
}

// limited is a plan whose process can write no larger files.
func limited(bytes int64) func(*plan, *[]string) {
	return func(p *plan, _ *[]string) { p.FileLimit = uint64(bytes) }
}

// TestDiskFullForMedia: an upload that cannot be stored is refused with an error
// that says so and leaves nothing, and the server keeps running.
func TestDiskFullForMedia(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "limits: {free_space: 0}\n")
	c := p.tenant("acme", 10)
	p.start(limited(8 << 20))
	p.ready()
	body, kind := form(t, make([]byte, 12<<20), "purpose", "video_generation_input")
	status, answer, err := c.try("POST", "/v1/files/upload", body, "Content-Type", kind)
	if text := errorText(t, answer); err != nil || status != http.StatusOK || !strings.Contains(text, "1033") || !strings.Contains(text, "could not be stored") {
		t.Errorf("V1: status %d, %v: %s", status, err, answer)
	}
	status, answer, err = c.try("POST", "/v1/uploads", body, "Content-Type", kind)
	if text := errorText(t, answer); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "could not be stored") {
		t.Errorf("native: status %d, %v: %s", status, err, answer)
	}
	if left := filesUnder(t, filepath.Join(p.dir, "data", "media"), ""); left != 0 {
		t.Errorf("%d files are left in the media folder", left)
	}
	if got := c.final(c.submit("name=a").ID, 20*time.Second); got.State != "succeeded" {
		t.Errorf("afterwards: %+v, %+v", got, got.Error)
	}
}

// TestNoRoom: with less free space than configured, the server refuses new work
// with an error that says so, but still serves existing results.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "limits: {free_space: 1125899906842624}\n")
	c := p.tenant("acme", 10)
	p.start()
	eventually(t, 20*time.Second, "the server answers", func() bool {
		status, _, err := c.try("GET", "/healthz", nil)
		return err == nil && status == http.StatusOK
	})
	for path, want := range map[string]int{"/v1/jobs": 503, "/v1/videos": 503, "/v1/video_generation": 200, "/v2/video_generation": 529} {
		status, answer, err := c.try("POST", path, bodyFor(path))
		if text := errorText(t, answer); err != nil || status != want || !strings.Contains(text, "disk is full") {
			t.Errorf("POST %s: status %d, want %d, %v: %s", path, status, want, err, answer)
		}
	}
	must[struct{}](c, http.StatusOK, "GET", "/v1/jobs", nil)
	if status, answer, err := c.try("GET", "/readyz", nil); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: status %d, %v: %s", status, err, answer)
	}
}

// bodyFor is a valid request for a video.
func bodyFor(path string) any {
	switch path {
	case "/v1/videos":
		return map[string]any{"model": "sora-2", "prompt": "name=a"}
	case "/v1/video_generation":
		return map[string]any{"model": "T2V-01", "prompt": "name=a"}
	case "/v2/video_generation":
		return map[string]any{
			"model": "MiniMax-H3", "content": []any{map[string]any{"type": "text", "text": "name=a"}}, "resolution": "768P", "duration": 4, "ratio": "16:9",
		}
	}
	return map[string]any{"prompt": "name=a", "seconds": 1}
}

// TestDiskFullForDatabase: if the database cannot grow, requests are refused as
// unavailable. Jobs accepted before are all there once there is space again.
func TestDiskFullForDatabase(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "workers: 2\njobs: {lease: 2s, attempts: 10}\nlimits: {free_space: 0}\n")
	c := p.tenant("acme", 1000)
	q := p.start(limited(1 << 20))
	p.ready()
	var accepted []string
	refused := false
	for i := 0; i < 2000 && !refused; i++ {
		status, answer, err := c.try("POST", "/v1/jobs", map[string]any{"prompt": fmt.Sprintf("name=%d %s", i, strings.Repeat("x", 1000)), "seconds": 1})
		switch {
		case err != nil:
			t.Fatalf("job %d: %v", i, err)
		case status == http.StatusAccepted:
			var j shownJob
			if err := json.Unmarshal(answer, &j); err != nil {
				t.Fatal(err)
			}
			accepted = append(accepted, j.ID)
		default:
			refused = true
			if text := errorText(t, answer); status != http.StatusServiceUnavailable || !strings.Contains(text, `"unavailable"`) || !strings.Contains(text, "database") {
				t.Errorf("job %d: status %d: %s", i, status, answer)
			}
		}
	}
	if !refused || len(accepted) == 0 {
		t.Fatalf("%d jobs were accepted, refused %v: the limit has no effect", len(accepted), refused)
	}
	q.kill()
	p.start()
	p.ready()
	for _, id := range accepted {
		if got := c.final(id, 40*time.Second); got.State != "succeeded" {
			t.Errorf("%+v, %+v", got, got.Error)
		}
	}
	p.inspect(func(ctx context.Context, db *store.DB) error {
		if n := count(ctx, t, db, "SELECT COUNT(*) FROM jobs"); n != len(accepted) {
			t.Errorf("%d jobs, of which %d were accepted", n, len(accepted))
		}
		return db.CheckLedger(ctx)
	})
}

// wire is a connection between a server and its Postgres that a test can cut.
type wire struct {
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// newWire returns the address of a database through a wire.
func newWire(t *testing.T, database string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{conns: map[net.Conn]bool{}}
	to := u.Host
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			go w.carry(in, to)
		}
	}()
	t.Cleanup(func() { ln.Close(); w.set(true) })
	u.Host = ln.Addr().String()
	return w, u.String()
}

// carry copies bytes both ways until either end or the wire is closed.
func (w *wire) carry(in net.Conn, to string) {
	out, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", to)
	if err != nil {
		in.Close()
		return
	}
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		in.Close()
		out.Close()
		return
	}
	w.conns[in], w.conns[out] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			io.Copy(pair[0], pair[1]) // until the wire is cut
			in.Close()
			out.Close()
		})
	}
	both.Wait()
	w.mu.Lock()
	delete(w.conns, in)
	delete(w.conns, out)
	w.mu.Unlock()
}

// set cuts or restores the wire.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for c := range w.conns {
			c.Close()
		}
	}
}

// TestDatabaseGone: while Postgres is away, requests are refused in each API's
// form, running jobs go on, and no accepted job is lost.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.Postgres, "")
	w, by := newWire(t, p.database)
	direct := p.database
	p.database = by
	p.configure("workers: 2\njobs: {lease: 10s}\nlimits: {free_space: 0}\nlog: {level: error}\n")
	p.database = direct
	c := p.tenant("acme", 1000)
	p.start()
	p.ready()
	holds := c.submit("name=holds hold=sample")
	eventually(t, 10*time.Second, "a job runs", func() bool { return len(p.wrote("holds")) == 1 })
	var jobs []shownJob
	for i := range 50 {
		jobs = append(jobs, c.submit(fmt.Sprintf("name=%d sample=50ms", i)))
	}

	w.set(true)
	for path, want := range map[string]int{"/v1/jobs": 503, "/v1/videos": 503, "/v1/video_generation": 200, "/v2/video_generation": 529} {
		status, answer, err := c.try("POST", path, bodyFor(path))
		if text := errorText(t, answer); err != nil || status != want || !strings.Contains(text, "database is not available") {
			t.Errorf("POST %s: status %d, want %d, %v: %s", path, status, want, err, answer)
		}
	}
	if status, _, err := c.try("GET", "/readyz", nil); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: status %d, %v", status, err)
	}
	if status, _, err := c.try("GET", "/healthz", nil); err != nil || status != http.StatusOK {
		t.Errorf("/healthz: status %d, %v", status, err)
	}
	p.openGate() // the running job ends while its end cannot be written
	time.Sleep(time.Second)
	w.set(false)

	p.ready()
	for _, j := range append(jobs, holds, c.submit("name=after")) {
		if got := c.final(j.ID, 40*time.Second); got.State != "succeeded" {
			t.Errorf("%+v, %+v", got, got.Error)
		}
	}
	if did := p.wrote("holds"); strings.Count(strings.Join(did, " "), "sampled") != 1 {
		t.Errorf("the job that ran while the database was away: %v", did)
	}
	p.inspect(func(ctx context.Context, db *store.DB) error {
		if n := count(ctx, t, db, "SELECT COUNT(*) FROM jobs"); n != 52 {
			t.Errorf("%d jobs, want 52", n)
		}
		return db.CheckLedger(ctx)
	})
}

// TestDatabaseLocked: while another process holds SQLite's lock, writing requests
// are refused after a while and reading ones are served. Afterwards everything
// works again.
func TestDatabaseLocked(t *testing.T) {
	t.Parallel()
	skipInShort(t) // SQLite waits for ten seconds
	p := newPlatform(t, store.SQLite, "jobs: {lease: 30s}\nlimits: {free_space: 0}\n")
	c := p.tenant("acme", 10)
	p.start()
	p.ready()
	before := c.submit("name=before hold=sample")
	eventually(t, 10*time.Second, "a job runs", func() bool { return len(p.wrote("before")) == 1 })
	p.inspect(func(ctx context.Context, db *store.DB) error {
		return db.Write(ctx, func(*store.Tx) error {
			status, answer, err := c.try("POST", "/v1/jobs", bodyFor("/v1/jobs"))
			if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(errorText(t, answer), "database is not available") {
				t.Errorf("status %d, %v: %s", status, err, answer)
			}
			if j := c.job(before.ID); j.State != "running" {
				t.Errorf("%+v", j)
			}
			return nil
		})
	})
	p.openGate()
	for _, j := range []shownJob{before, c.submit("name=after")} {
		if got := c.final(j.ID, 20*time.Second); got.State != "succeeded" || got.Attempt != 1 {
			t.Errorf("%+v, %+v", got, got.Error)
		}
	}
}

// TestDatabaseAwayAtStart: a server that cannot use its database ends with an
// error that says so.
func TestDatabaseAwayAtStart(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "kinora.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for database, why := range map[string]string{
		"postgres://kinora@" + freeAddr(t) + "/kinora": "refused",
		garbage:     "is it a database of Kinora?",
		t.TempDir(): "directory",
	} {
		p := newPlatform(t, store.SQLite, "")
		p.database = database
		p.configure("")
		q := p.start()
		select {
		case <-q.over:
		case <-time.After(60 * time.Second):
			t.Fatal("it has not ended after a minute")
		}
		if said := tail(q.log); q.how.Success() || !strings.Contains(said, "open the database") || !strings.Contains(said, why) {
			t.Errorf("%s: %v: %s", database, q.how, said)
		}
	}
}

// environment sets a variable of a process.
func environment(name, value string) func(*plan, *[]string) {
	return func(_ *plan, env *[]string) { *env = append(*env, name+"="+value) }
}

// TestWithoutFFmpeg: without ffmpeg, videos are animated WebP, with a note that
// says so.
func TestWithoutFFmpeg(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "limits: {free_space: 0}\n")
	c := p.tenant("acme", 10)
	p.start(real, environment("KINORA_FFMPEG", "/nonexistent"))
	p.ready()
	j := must[shownJob](c, http.StatusAccepted, "POST", "/v1/jobs", map[string]any{"model": "testcard", "prompt": "a card", "seconds": 0.5, "width": 64, "height": 48})
	got := c.final(j.ID, 60*time.Second)
	if got.State != "succeeded" {
		t.Fatalf("%+v, %+v", got, got.Error)
	}
	if status, video, err := c.try("GET", got.Result.Files[0].URL, nil); err != nil || status != http.StatusOK || !strings.HasPrefix(string(video), "RIFF") {
		t.Errorf("status %d, %v, %.20q", status, err, video)
	}
	if _, answer, err := c.try("GET", "/v1/jobs/"+j.ID, nil); err != nil || !strings.Contains(string(answer), "ffmpeg") {
		t.Errorf("nothing says that ffmpeg is missing: %s", answer)
	}
}

// TestHangingFFmpeg: a hanging ffmpeg is ended with its job.
func TestHangingFFmpeg(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "limits: {free_space: 0}\n")
	c := p.tenant("acme", 10)
	tool := filepath.Join(t.TempDir(), "ffmpeg")
	pids := filepath.Join(t.TempDir(), "pids")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"+
		`case "$*" in *-encoders*) echo " V....D libx264 x"; exit;; *"-frames:v 3 "*) cat >/dev/null; exit;; esac`+
		"\necho $$ >>"+pids+"\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.start(real, environment("KINORA_FFMPEG", tool))
	p.ready()
	j := must[shownJob](c, http.StatusAccepted, "POST", "/v1/jobs", map[string]any{"model": "testcard", "prompt": "a card", "seconds": 60, "width": 640, "height": 480})
	eventually(t, 30*time.Second, "ffmpeg was started", func() bool { _, err := os.Stat(pids); return err == nil })
	began := time.Now()
	must[shownJob](c, http.StatusOK, "POST", "/v1/jobs/"+j.ID+"/cancel", nil)
	if got := c.final(j.ID, 5*time.Second); got.State != "cancelled" {
		t.Errorf("%+v", got)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.Lines(string(text)) {
		eventually(t, 5*time.Second, "ffmpeg "+pid+" is gone", func() bool {
			_, err := os.Stat(filepath.Join("/proc", strings.TrimSpace(pid), "fd", "0"))
			return err != nil
		})
	}
	t.Logf("all ended %v after the job was cancelled", time.Since(began).Round(10*time.Millisecond))
}

// TestSlowUpstream: a request to an upstream that does not answer ends after its
// time limit, and delays no other request.
func TestSlowUpstream(t *testing.T) {
	t.Parallel()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it takes connections, as the kernel does, and never answers
	p := newPlatform(t, store.SQLite, fmt.Sprintf(`
limits: {free_space: 0}
upstreams:
  chat: {url: "http://%[1]s/v1", model: m, timeout: 1s}
  speech: {url: "http://%[1]s/v1/t2a_v2", timeout: 1s}
`, ln.Addr()))
	c := p.tenant("acme", 10)
	p.start()
	p.ready()
	var asking sync.WaitGroup
	chat := map[string]any{"model": "m", "messages": []any{map[string]any{"role": "user", "content": "hello"}}}
	for path, body := range map[string]any{
		"/v1/chat/completions": chat, "/v1/text/chatcompletion_v2": chat,
		"/v1/t2a_v2": map[string]any{"model": "speech-2.6-hd", "text": "hello", "voice_setting": map[string]any{"voice_id": "en"}},
	} {
		asking.Go(func() {
			began := time.Now()
			status, answer, err := c.try("POST", path, body)
			if took := time.Since(began); err != nil || took > 10*time.Second || !strings.Contains(string(answer), "too long") {
				t.Errorf("POST %s: status %d after %v, %v: %s", path, status, took, err, answer)
			}
		})
	}
	if got := c.final(c.submit("name=a").ID, 10*time.Second); got.State != "succeeded" {
		t.Errorf("meanwhile: %+v", got)
	}
	asking.Wait()
	p.inspect(func(ctx context.Context, db *store.DB) error {
		if w, err := db.Wallet(ctx, c.project); err != nil || w.Held != 0 {
			t.Errorf("failed speech still holds money: %+v, %v", w, err)
		}
		return db.CheckLedger(ctx)
	})
}

// TestSlowModeration: while a moderation service does not answer, prompts are
// refused, unless it is configured as open.
func TestSlowModeration(t *testing.T) {
	t.Parallel()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := newPlatform(t, store.SQLite, "")
	c := p.tenant("acme", 10)
	for open, want := range map[bool]int{false: http.StatusServiceUnavailable, true: http.StatusAccepted} {
		p.configure(fmt.Sprintf("limits: {free_space: 0}\nmoderation: {webhook: {url: \"http://%s\", timeout: 1s, open: %v}}\n", ln.Addr(), open))
		q := p.start()
		p.ready()
		status, answer, err := c.try("POST", "/v1/jobs", bodyFor("/v1/jobs"))
		if err != nil || status != want {
			t.Errorf("open %v: status %d, want %d, %v: %s", open, status, want, err, answer)
		}
		q.stop()
	}
}
