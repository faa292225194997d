//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/server"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
	"github.com/kinora-video/kinora/internal/worker"
)

// The tests of this package run servers as separate processes: this test binary
// again, with a variable that makes it a server. Tests do to them what a machine
// would, such as kill -9.

// childVariable holds the plan of a process that is a server.
const childVariable = "KINORA_TEST_SERVER"

// profileVariable names a file to which a server process writes a profile of its
// processor time, if it ends in order.
const profileVariable = "KINORA_TEST_PROFILE"

// plan configures a server process.
type plan struct {
	Config  string // path of its configuration
	Journal string // the file to which its engines write their steps
	Gate    string // the file that holding engines wait for
	Real    bool   // use this binary's models instead of fakes
	// FileLimit is the largest file that it can write, in bytes; 0 is no limit.
	// It simulates a full disk.
	FileLimit uint64
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs a server process, as cmd/kinora does.
func child(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	if p.FileLimit > 0 {
		signal.Ignore(syscall.SIGXFSZ) // so that the write fails instead of the process
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: p.FileLimit, Max: p.FileLimit}); err != nil {
			return err
		}
	}
	if path := os.Getenv(profileVariable); path != "" {
		f, err := os.Create(path)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := server.ReadConfig(p.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	if err := cfg.Check(kinora.Inside()); err != nil {
		return err
	}
	engines := map[string]worker.Engine{}
	for _, name := range kinora.Inside() {
		if !p.Real {
			engines[name] = &engine{name: name, plan: p}
			continue
		}
		m, err := kinora.Open(ctx, name, kinora.WithLatentsDir(filepath.Join(cfg.Data, "latents")))
		if err != nil {
			return err
		}
		engines[name] = worker.Model(m)
	}
	var ln net.Listener
	if cfg.Role != server.RoleWorker {
		if ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen); err != nil {
			return err
		}
		defer ln.Close()
	}
	srv, err := server.New(ctx, server.Options{Config: cfg, Engines: engines, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	defer srv.Close()
	return srv.Run(ctx, ln)
}

// platform is a data folder, a database, and the processes that work on them.
type platform struct {
	t        testing.TB
	dir      string
	database string
	addr     string
	plan     plan
	n        int // processes that were started
}

// newPlatform makes a platform with a new database of a dialect. more is YAML
// added to its configuration.
func newPlatform(t testing.TB, dialect, more string) *platform {
	t.Helper()
	p := &platform{t: t, dir: t.TempDir(), database: storetest.URL(t, dialect), addr: freeAddr(t)}
	p.plan = plan{Config: filepath.Join(p.dir, "kinora.yaml"), Journal: filepath.Join(p.dir, "journal"), Gate: filepath.Join(p.dir, "gate")}
	p.configure(more)
	return p
}

// configure rewrites the configuration.
func (p *platform) configure(more string) {
	p.t.Helper()
	text := fmt.Sprintf("listen: %s\ndata: %s\ndatabase: %q\n%s", p.addr, filepath.Join(p.dir, "data"), p.database, more)
	if err := os.WriteFile(p.plan.Config, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	port, err := storetest.Port(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// inspect runs a function on the database.
func (p *platform) inspect(do func(ctx context.Context, db *store.DB) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := store.Open(ctx, p.database, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	if err := do(ctx, db); err != nil {
		p.t.Fatal(err)
	}
}

// tenant creates a project with money, and a client for it.
func (p *platform) tenant(name string, dollars int64) *client {
	p.t.Helper()
	c := &client{t: p.t, base: "http://" + p.addr}
	p.inspect(func(ctx context.Context, db *store.DB) error {
		made, err := db.CreateProject(ctx, store.Project{Name: name, Plan: "payg", Weight: 1})
		if err != nil {
			return err
		}
		c.project = made.ID
		if _, _, err := db.Deposit(ctx, made.ID, dollars*store.Micro, "start", ""); err != nil {
			return err
		}
		c.key, _, err = auth.Issue(ctx, db, store.Key{Project: made.ID, Name: "test", Scopes: auth.CustomerScopes(), RPM: store.MaxKeyRPM})
		return err
	})
	return c
}

// process is a running server.
type process struct {
	t    testing.TB
	os   *os.Process
	log  string
	over chan struct{} // closed once it ended
	how  *os.ProcessState
}

// start starts a process; change may alter its plan and the environment.
func (p *platform) start(change ...func(*plan, *[]string)) *process {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	config, env := p.plan, os.Environ()
	for _, c := range change {
		c(&config, &env)
	}
	text, err := json.Marshal(config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.n++
	q := &process{t: p.t, log: filepath.Join(p.dir, fmt.Sprintf("log-%d", p.n)), over: make(chan struct{})}
	log, err := os.Create(q.log)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		p.t.Fatal(err)
	}
	defer null.Close()
	q.os, err = os.StartProcess(self, []string{self}, &os.ProcAttr{
		Dir: p.dir, Env: append(env, childVariable+"="+string(text)), Files: []*os.File{null, log, log},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		q.how, _ = q.os.Wait()
		close(q.over)
	}()
	p.t.Cleanup(func() {
		q.kill()
		if text, err := os.ReadFile(q.log); err != nil || bytes.Contains(text, []byte("DATA RACE")) || bytes.Contains(text, []byte("panic")) {
			p.t.Errorf("%s: %v: a race, or a panic", q.log, err)
		}
		if p.t.Failed() {
			p.t.Logf("%s ends with:\n%s", q.log, tail(q.log))
		}
	})
	return q
}

// role sets the role of a process with a configuration of its own.
func role(name string) func(*plan, *[]string) {
	return func(p *plan, _ *[]string) {
		text, err := os.ReadFile(p.Config)
		if err != nil {
			panic(err)
		}
		p.Config += "." + name
		if err := os.WriteFile(p.Config, append([]byte("role: "+name+"\n"), text...), 0o600); err != nil {
			panic(err)
		}
	}
}

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}

// signal sends a signal to the process, unless it has ended.
func (q *process) signal(s syscall.Signal) {
	select {
	case <-q.over:
	default:
		q.os.Signal(s) // it may be ending
	}
}

// kill ends the process as kill -9 does.
func (q *process) kill() {
	q.signal(syscall.SIGKILL)
	<-q.over
}

// stop ends the process in order, and fails the test if that fails.
func (q *process) stop() {
	q.t.Helper()
	q.signal(syscall.SIGTERM)
	select {
	case <-q.over:
		if !q.how.Success() {
			q.t.Errorf("the server ended with %v", q.how)
		}
	case <-time.After(40 * time.Second):
		q.t.Error("the server did not end within 40 s of SIGTERM")
		q.kill()
	}
}

// client is a customer.
type client struct {
	t       testing.TB
	base    string
	key     string
	project int64
}

// httpClient has as many connections as there are clients in any test.
var httpClient = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
}

// try sends a request; body is bytes, or a value that is sent as JSON.
func (c *client) try(method, path string, body any, header ...string) (status int, answer []byte, err error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "http") {
		path = c.base + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// must sends a request and decodes its JSON answer; it ends the test if the
// status is another one.
func must[T any](c *client, want int, method, path string, body any, header ...string) (out T) {
	c.t.Helper()
	status, answer, err := c.try(method, path, body, header...)
	if err != nil || status != want {
		c.t.Fatalf("%s %s: status %d, want %d, %v: %s", method, path, status, want, err, answer)
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &out); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return out
}

// shownJob is the part of the native API's job that tests use.
type shownJob struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Attempt     int    `json:"attempt"`
	Percent     int    `json:"percent"`
	Phase       string `json:"phase"`
	CancelAsked bool   `json:"cancel_asked"`
	PriceUSD    string `json:"price_usd"`
	Position    *int   `json:"queue_position"`
	Result      *struct {
		Files []struct {
			Role, URL, SHA256 string
			Bytes             int64
		}
	}
	Error *shownError
}

// shownError is an error, of a job or of a request.
type shownError struct {
	Code, Message, Detail, Param string
}

// submit posts a job. Its prompt is the fake engine's script.
func (c *client) submit(prompt string) shownJob {
	c.t.Helper()
	return must[shownJob](c, http.StatusAccepted, "POST", "/v1/jobs", map[string]any{"prompt": prompt, "seconds": 1})
}

// job fetches a job.
func (c *client) job(id string) shownJob {
	c.t.Helper()
	return must[shownJob](c, http.StatusOK, "GET", "/v1/jobs/"+id, nil)
}

// final waits until a job is final.
func (c *client) final(id string, within time.Duration) shownJob {
	c.t.Helper()
	return c.until(id, within, "final", func(j shownJob) bool {
		return j.State != "queued" && j.State != "running"
	})
}

// until waits until a condition of a job holds.
func (c *client) until(id string, within time.Duration, what string, holds func(shownJob) bool) (j shownJob) {
	c.t.Helper()
	deadline := time.Now().Add(within)
	for time.Now().Before(deadline) {
		status, answer, err := c.try("GET", "/v1/jobs/"+id, nil)
		if err == nil && status == http.StatusOK {
			j = shownJob{}
			if err := json.Unmarshal(answer, &j); err != nil {
				c.t.Fatal(err)
			}
			if holds(j) {
				return j
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatalf("job %s is not %s after %v: %+v, error %+v", id, what, within, j, j.Error)
	return j
}

// ready waits until the server takes requests.
func (p *platform) ready() {
	p.t.Helper()
	c := client{t: p.t, base: "http://" + p.addr}
	eventually(p.t, 20*time.Second, "the server is ready", func() bool {
		status, _, err := c.try("GET", "/readyz", nil)
		return err == nil && status == http.StatusOK
	})
}

// eventually waits until a condition holds, or ends the test.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	_, file, line, _ := runtime.Caller(1)
	t.Fatalf("%s:%d: not within %v: %s", filepath.Base(file), line, within, what)
}

// skipInShort skips slow tests with -short.
func skipInShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: it only runs without -short")
	}
}

// wrote returns the engines' steps for the job with a name, in the journal's
// order.
func (p *platform) wrote(name string) (did []string) {
	for _, e := range p.entries() {
		if name == "" || e.name == name {
			did = append(did, e.what)
		}
	}
	return did
}

// entry is a line of the journal.
type entry struct {
	what, name string
	pid        int
}

func (p *platform) entries() (out []entry) {
	text, err := os.ReadFile(p.plan.Journal)
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e entry
		if _, err := fmt.Sscan(line, &e.what, &e.name, &e.pid); err == nil {
			out = append(out, e)
		}
	}
	return out
}

// openGate lets holding engines continue.
func (p *platform) openGate() {
	p.t.Helper()
	if err := os.WriteFile(p.plan.Gate, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
