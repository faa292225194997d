//go:build unix

package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Environment variables that turn this test's program into a worker.
const (
	childURL   = "KINORA_TEST_WORKER_DATABASE"
	childMedia = "KINORA_TEST_WORKER_MEDIA"
	childDir   = "KINORA_TEST_WORKER_DIR"
)

const (
	frozenLease = time.Second
	childWorks  = 500 * time.Millisecond // after it was frozen
)

func TestMain(m *testing.M) {
	if os.Getenv(childURL) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// child claims a job, reports it, works until its input ends and a while longer,
// whatever becomes of its context, and ends.
func child() error {
	ctx := context.Background()
	db, err := store.Open(ctx, os.Getenv(childURL), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer db.Close()
	blobs, err := blob.Open(ctx, os.Getenv(childMedia))
	if err != nil {
		return err
	}
	engine := &fakeEngine{generate: func(context.Context, kinora.Request) error {
		fmt.Println("working")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
		for began := time.Now(); time.Since(began) < childWorks; {
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	}}
	r, err := New(Options{
		DB: db, Blobs: blobs, Engines: map[string]Engine{"fake": engine}, Dir: os.Getenv(childDir), Name: "child", Lease: frozenLease,
		Log: slog.New(slog.DiscardHandler),
		Settle: func(*store.Tx, *job.Job) error {
			fmt.Println("settled")
			return nil
		},
	})
	if err != nil {
		return err
	}
	did, err := r.Work(ctx)
	fmt.Println("worked", did)
	return err
}

// TestFrozen: a worker process is frozen past its lease, while another takes its
// job and finishes it. When it wakes, it changes nothing: one result is visible,
// and none of its media is left.
func TestFrozen(t *testing.T) {
	both(t, nil, func(t *testing.T, g *rig) {
		j := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Seed: 5})
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childURL+"="+g.url, childMedia+"="+g.media, childDir+"="+t.TempDir())
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "working" {
			t.Fatalf("the other process says %q", lines.Text())
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Signal(syscall.SIGCONT) })
		if got := g.get(j); got.Worker != "child" || got.State != job.Running {
			t.Fatalf("%+v", got)
		}
		for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			requeued, _, _, err := g.DB.Reap(t.Context(), g.DB.Now(), g.settle)
			if err != nil || time.Now().After(end) {
				t.Fatalf("its lease does not run out: %v", err)
			}
			if requeued == 1 {
				break
			}
		}
		g.work()
		done := g.get(j)
		if done.State != job.Succeeded || done.Attempt != 2 || done.Worker == "child" {
			t.Fatalf("%+v, %v", done, done.Error)
		}
		before := g.keys()
		if err := errors.Join(cmd.Process.Signal(syscall.SIGCONT), in.Close()); err != nil {
			t.Fatal(err)
		}
		var said []string
		for lines.Scan() {
			said = append(said, lines.Text())
		}
		if err := cmd.Wait(); err != nil || strings.Join(said, ", ") != "worked true" {
			t.Errorf("the other process says %q, %v", said, err)
		}
		got := g.get(j)
		if got.Revision != done.Revision || got.Attempt != 2 || got.State != job.Succeeded {
			t.Errorf("it changed the job: %+v", got)
		}
		if after := g.keys(); strings.Join(after, " ") != strings.Join(before, " ") {
			t.Errorf("it left media: %q, before %q", after, before)
		}
		if len(g.settled) != 1 {
			t.Errorf("settled %v", g.settled)
		}
	})
}
