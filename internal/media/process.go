package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// FFmpeg returns where ffmpeg is: KINORA_FFMPEG, or the PATH. The error is
// ErrNoFFmpeg.
func FFmpeg() (string, error) { return findTool("ffmpeg", "KINORA_FFMPEG", ErrNoFFmpeg) }

// ffprobe is found by KINORA_FFPROBE, beside a KINORA_FFMPEG, or in the PATH.
func ffprobe() (string, error) {
	if own := os.Getenv("KINORA_FFMPEG"); own != "" && os.Getenv("KINORA_FFPROBE") == "" {
		if p, err := exec.LookPath(filepath.Join(filepath.Dir(own), "ffprobe")); err == nil {
			return p, nil
		}
	}
	return findTool("ffprobe", "KINORA_FFPROBE", ErrNoFFmpeg)
}

// findTool looks for a program; if there is none, missing is the cause of the
// error.
func findTool(name, env string, missing error) (string, error) {
	if own := os.Getenv(env); own != "" {
		p, err := exec.LookPath(own)
		if err != nil {
			return "", fmt.Errorf("media: %s=%s cannot be run (%w): %w", env, own, err, missing)
		}
		return p, nil
	}
	p, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("media: %s is missing: %w", name, missing)
	}
	return p, nil
}

// process is a running ffmpeg, ffprobe or espeak-ng.
type process struct {
	name   string
	cmd    *exec.Cmd
	ctx    context.Context
	cancel context.CancelCauseFunc
	stderr tail
	wait   func() error
	// pipe, if set, is our end of its input or output. It is closed when the
	// process is killed: a child of the tool may hold the other end open, and then
	// a reader or writer here would block for ever.
	pipe io.Closer
}

// newProcess prepares a tool, whose input and output may be set before start. The
// process is killed when ctx ends.
func newProcess(ctx context.Context, path string, args ...string) *process {
	p := &process{name: strings.TrimSuffix(filepath.Base(path), ".exe")}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.cmd = exec.CommandContext(p.ctx, path, args...)
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = ownGroup()
	// A child of the tool may hold its pipes open after the tool has ended.
	p.cmd.WaitDelay = time.Second
	p.wait = sync.OnceValue(p.cmd.Wait)
	return p
}

func (p *process) start() error {
	if err := p.cmd.Start(); err != nil {
		p.cancel(err)
		return fmt.Errorf("media: starting %s: %w", p.name, err)
	}
	if p.pipe != nil {
		context.AfterFunc(p.ctx, func() { p.pipe.Close() })
	}
	return nil
}

// within runs f. If f takes longer than d it kills the process, which makes f fail; a
// d of 0 means no limit.
func (p *process) within(d time.Duration, doing string, f func() error) error {
	if d > 0 {
		t := time.AfterFunc(d, func() {
			p.cancel(fmt.Errorf("it hung: %s took longer than %v", doing, d))
		})
		defer t.Stop()
	}
	return f()
}

// kill ends the process for a reason and waits for its end.
func (p *process) kill(why error) {
	p.cancel(why)
	_ = p.wait() // its exit status does not matter: it was killed
}

// explain is called when the pipe of the process has failed with err. It waits for
// the process and returns the reason: the context's end, a hang, or the message of
// the tool.
func (p *process) explain(doing string, err error) error {
	// A tool may close its pipe without ending: do not wait for ever.
	t := time.AfterFunc(5*time.Second, func() { p.cancel(errors.New("it did not end")) })
	defer t.Stop()
	if e := p.wait(); e != nil {
		err = e
	}
	said := p.stderr.String()
	if cause := context.Cause(p.ctx); cause != nil {
		if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
			return fmt.Errorf("media: %s was stopped: %w", doing, cause)
		}
		err = cause
	}
	if said != "" {
		return fmt.Errorf("media: %s: %s failed: %w: %s", doing, p.name, err, said)
	}
	return fmt.Errorf("media: %s: %s failed: %w", doing, p.name, err)
}

// output runs the process to its end and returns what it wrote, at most limit
// bytes.
func (p *process) output(doing string, limit int, d time.Duration) ([]byte, error) {
	out := &bytes.Buffer{}
	p.cmd.Stdout = &limited{w: out, left: limit, over: func() { p.cancel(errors.New("it wrote too much")) }}
	if err := p.start(); err != nil {
		return nil, err
	}
	defer p.cancel(nil)
	if err := p.within(d, doing, p.wait); err != nil {
		return nil, p.explain(doing, err)
	}
	return out.Bytes(), nil
}

// limited passes on at most a number of bytes, and calls over if there are more.
type limited struct {
	w    io.Writer
	left int
	over func()
}

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.left {
		l.over()
		return 0, io.ErrShortWrite
	}
	l.left -= len(b)
	return l.w.Write(b)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 4096
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > most {
		t.b = append(t.b[:0], t.b[len(t.b)-most:]...)
	}
	return len(b), nil
}

// String returns it as one line of text.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(clean(string(t.b), 1<<20)), " ")
}
