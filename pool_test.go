package kinora

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinora-video/kinora/internal/engine"
)

// fakePool is a pool of models that take as many bytes as their names say: a4 takes
// four. closed lists those that it has closed, in order.
type fakePool struct {
	*Pool
	opened  []string
	engines map[string]*fakeEngine
	openErr error
	slow    time.Duration // that opening takes
}

func newFakePool(t *testing.T, budget int64) *fakePool {
	f := &fakePool{Pool: NewPool(budget), engines: map[string]*fakeEngine{}}
	f.can = func(name string) (Capabilities, error) {
		c := (&fakeEngine{}).Capabilities()
		c.Name, c.Cost.Memory = name, int64(name[1]-'0')
		return c, nil
	}
	dir := t.TempDir()
	f.open = func(ctx context.Context, name string, more ...Option) (*Model, error) {
		select {
		case <-time.After(f.slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if f.openErr != nil {
			return nil, f.openErr
		}
		e := &fakeEngine{}
		var o options
		for _, opt := range more {
			opt(&o)
		}
		for _, l := range o.LoRAs {
			name += "+" + l.Path
		}
		f.opened = append(f.opened, name)
		f.engines[name] = e
		return newModel(e, dir), nil
	}
	return f
}

// use takes a model and gives it back some time later.
func (f *fakePool) use(t *testing.T, name string) (release func()) {
	t.Helper()
	_, release, err := f.Use(t.Context(), name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return release
}

func (f *fakePool) holds() string {
	return strings.Join(slices.Sorted(maps.Keys(f.models)), " ")
}

// TestPoolNames: a name of the pool's own stands for a model with options, which is open
// beside the plain one, and takes memory of its own.
func TestPoolNames(t *testing.T) {
	f := newFakePool(t, 8)
	f.named["b2+style"] = variant{"a4", []Option{WithLoRA(LoRA{Path: "style", Strength: 1})}}
	for _, name := range []string{"a4", "b2+style", "a4", "b2+style"} {
		f.use(t, name)()
	}
	if got := strings.Join(f.opened, " "); got != "a4 a4+style" || f.holds() != "a4 b2+style" || f.used != 8 {
		t.Errorf("opened %s, holds %s, %d bytes", got, f.holds(), f.used)
	}
	if c, err := f.Capabilities("b2+style"); err != nil || c.Name != "a4" {
		t.Errorf("%+v, %v", c, err)
	}
	p := NewPool(0)
	for _, bad := range []struct {
		name, model string
		opt         Option
		kind        Kind
	}{
		{"reel", "testcard", WithDecoder(engine.TinyDecoder), Invalid},
		{"x", "testcard", WithDecoder(engine.TinyDecoder), Invalid},
		{"x", "reel", WithLoRA(LoRA{Path: "style", Strength: 1}), Invalid},
		{"x", "nothing", WithDecoder(engine.TinyDecoder), NotFound},
	} {
		if err := p.Name(bad.name, bad.model, bad.opt); err == nil || KindOf(err) != bad.kind {
			t.Errorf("%s for %s: %v", bad.name, bad.model, err)
		}
	}
	if len(p.named) != 0 {
		t.Errorf("refused names are kept: %v", p.named)
	}
}

// TestPoolEvicts: models stay open until memory is wanted; then those go that were
// used longest ago.
func TestPoolEvicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakePool(t, 10)
		for _, name := range []string{"a4", "b3", "c2", "a4"} {
			release := f.use(t, name)
			time.Sleep(time.Second)
			release()
			release() // once is enough
		}
		if got := f.holds(); got != "a4 b3 c2" || len(f.opened) != 3 {
			t.Errorf("it holds %s after opening %s", got, f.opened)
		}
		first := f.engines["b3"]
		f.use(t, "d4")() // b3 and c2 were used before a4: b3 alone is enough
		if got := f.holds(); got != "a4 c2 d4" || !first.closed || f.used != 10 {
			t.Errorf("it holds %s, %d bytes; b3 is closed: %v", got, f.used, first.closed)
		}
		f.use(t, "e9")()
		if got := f.holds(); got != "e9" || f.used != 9 {
			t.Errorf("it holds %s, %d bytes", got, f.used)
		}
	})
}

// TestPoolKeepsWhatIsUsed: a model in use is never closed; who needs its memory
// waits for it, and is next.
func TestPoolKeepsWhatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakePool(t, 5)
		a, again := f.use(t, "a4"), f.use(t, "a4")
		f.use(t, "z1")()
		var order []string
		for _, name := range []string{"b5", "a4"} { // a4 is open, but b5 came first
			go func() {
				release := f.use(t, name)
				order = append(order, name)
				time.Sleep(time.Second)
				release()
			}()
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := f.Use(short, "c3"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("there was no memory: %v", err)
		}
		a()
		synctest.Wait()
		if f.engines["a4"].closed || len(order) != 0 || f.holds() != "a4 z1" {
			t.Errorf("a4 is in use; closed %v, handed out %s, held %s", f.engines["a4"].closed, order, f.holds())
		}
		old := f.engines["a4"]
		again()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "b5 a4" || !old.closed {
			t.Errorf("handed out %s; the first a4 is closed: %v", got, old.closed)
		}
	})
}

// TestPoolOpensOnce: those who want a model that is being opened share it, and one
// whose opening was cancelled is opened by the next.
func TestPoolOpensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakePool(t, 0)
		f.slow = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, _, err := f.Use(ctx, "a4")
			failed <- err
		}()
		synctest.Wait()
		got := make(chan *Model, 2)
		for range 2 {
			go func() {
				m, release, err := f.Use(t.Context(), "a4")
				if err != nil {
					t.Error(err)
				}
				got <- m
				release()
			}()
		}
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if a, b := <-got, <-got; a == nil || a != b || len(f.opened) != 1 {
			t.Errorf("%p and %p, of %s", a, b, f.opened)
		}
	})
}

func TestPoolFailures(t *testing.T) {
	f := newFakePool(t, 10)
	f.openErr = errors.New("boom")
	if _, _, err := f.Use(t.Context(), "a4"); !errors.Is(err, f.openErr) || f.used != 0 || len(f.models) != 0 {
		t.Errorf("a model that does not open: %v, %d bytes", err, f.used)
	}
	f.openErr = nil
	release := f.use(t, "z9")
	release()
	f.use(t, "a9")() // larger than what is left, and alone
	big := f.use(t, "b9")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("closed with a model in use: %v", err)
	}
	if _, _, err := f.Use(t.Context(), "b9"); KindOf(err) != Invalid {
		t.Errorf("used when closed: %v", err)
	}
	big()
	if err := f.Close(t.Context()); err != nil || !f.engines["b9"].closed {
		t.Errorf("closed: %v", err)
	}
	if _, _, err := NewPool(0).Use(t.Context(), "sora"); KindOf(err) != NotFound {
		t.Errorf("an unknown model: %v", err)
	}
}

// TestClosedModel: what is asked of a closed model fails, and of its videos too.
func TestClosedModel(t *testing.T) {
	m, e := fakeModel(t)
	c := generate(t, m, Request{Prompt: "x", Seconds: 0.1})
	for range 2 {
		if err := m.Close(); err != nil || !e.closed {
			t.Fatalf("close: %v", err)
		}
	}
	if _, err := m.Generate(t.Context(), Request{Prompt: "x"}); KindOf(err) != Invalid || !strings.Contains(err.Error(), "closed") {
		t.Errorf("generate: %v", err)
	}
	for _, err := range c.Frames(t.Context()) {
		if KindOf(err) != Invalid || err == nil {
			t.Errorf("frames: %v", err)
		}
	}
}

// TestCoresAreLent: two models that sample at a time take turns, step by step, and
// one that is drawn does not wait for the end of another's sampling.
func TestCoresAreLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long, e := fakeModel(t)
		other, _ := fakeModel(t)
		long.cores = engine.NewLease()
		other.cores = long.cores
		var order []string
		done := make(chan bool)
		e.atStep = func(step int) {
			order = append(order, "long")
			if step > 0 {
				return
			}
			go func() { // while it has the cores
				defer close(done)
				generate(t, other, Request{Prompt: "x", Seconds: 0.1, Progress: func(p Progress) { order = append(order, "other") }})
			}()
			synctest.Wait()
		}
		generate(t, long, Request{Prompt: "x", Seconds: 0.1})
		<-done
		if got := strings.Join(order, " "); got != "long other long other long other long other" {
			t.Errorf("the steps came as %s", got)
		}
	})
}
