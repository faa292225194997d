package hub

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/hub/hubtest"
	"github.com/kinora-video/kinora/internal/shelf"
)

// childEnv makes the test's own program pull a model into the folder that it names,
// from the hub of the environment.
const childEnv = "KINORA_HUB_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(dir string) error {
	o, err := FromEnv()
	if err != nil {
		return err
	}
	o.Pause = time.Millisecond
	h, err := New(o)
	if err != nil {
		return err
	}
	return pull(context.Background(), h, shelf.At(dir))
}

// startChild starts a process that pulls.
func startChild(t *testing.T, s *shelf.Shelf, env ...string) (cmd *exec.Cmd, said *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Env = append(append(os.Environ(), childEnv+"="+s.Folder(), "HF_TOKEN=hf_mine"), env...)
	said = &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, said
}

// TestKill: a process that is killed in the middle of a pull leaves no half model,
// and the next one fetches only the pieces that were not done.
func TestKill(t *testing.T) {
	srv, _, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want, Token: "hf_mine"})
	const done = 3 // pieces before the kill
	srv.OnCDN(func(w http.ResponseWriter, r *http.Request) bool {
		b := srv.Large(r.URL.Path)
		if len(b) != many {
			return false
		}
		from, to := bounds(t, r)
		if from < done*shelf.PieceBytes {
			return false
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b)))
		w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(b[from : (from+to)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	cmd, said := startChild(t, s, "HF_ENDPOINT="+srv.Hub.URL)
	digest := hubtest.Digest(big())
	for deadline := time.Now().Add(time.Minute); s.PartBytes(digest, many) < done*shelf.PieceBytes; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing came: %s", said)
		}
	}
	none(t, s)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	none(t, s)
	if r, err := s.Unfinished("small"); err != nil || r.Size() < many {
		t.Errorf("what was begun is not known: %+v, %v", r, err)
	}
	srv.OnCDN(nil)
	first := srv.Requests()
	cmd, said = startChild(t, s, "HF_ENDPOINT="+srv.Hub.URL)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	whole(t, srv, s, want)
	fetched := 0
	for _, r := range srv.Requests() {
		if !r.CDN || !strings.Contains(r.Path, digest) {
			continue
		}
		var from, to int
		if _, err := fmt.Sscanf(r.Range, "bytes=%d-%d", &from, &to); err != nil {
			t.Error(err)
		}
		fetched += to - from + 1
	}
	if left := many - done*shelf.PieceBytes; fetched != left {
		t.Errorf("%d bytes were fetched after the kill, want the %d that were missing (before: %+v)", fetched, left, first)
	}
}

// TestProxy: requests go through the proxy that the environment names.
func TestProxy(t *testing.T) {
	srv, _, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	// There is no such host: only the proxy, which is the hub itself, can answer.
	cmd, said := startChild(t, s, "HF_ENDPOINT=http://hub.invalid", "HTTP_PROXY="+srv.Hub.URL, "http_proxy=", "NO_PROXY=", "no_proxy=")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	whole(t, srv, s, want)
	for _, r := range srv.Requests() {
		if r.Token != "" {
			t.Errorf("the token went over http to %s", r.Path)
		}
	}
	srv.Put(repository, hubtest.Repo{Files: want, Token: "hf_mine"})
	cmd, said = startChild(t, s, "HF_ENDPOINT=http://hub.invalid", "HTTP_PROXY="+srv.Hub.URL, "http_proxy=", "NO_PROXY=", "no_proxy=")
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "your token is not sent to http://hub.invalid") {
		t.Errorf("a private repository over http: %v: %s", err, said)
	}
}
