package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // Git names its objects by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/disk"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/shelf"
)

// atOnce is how many files are fetched at the same time. Each of the large ones has
// several connections.
const atOnce = 3

// spare is how much room a pull leaves on the disk.
const spare = 64 << 20

// Progress is how far a pull has come.
type Progress struct {
	Done, Total int64 // bytes; those count that were there before
	Here        int64 // bytes that were there before
	// Waits says why a connection waits before it tries again, and for how long; ""
	// since bytes have come again.
	Waits string
}

// LicenceError says that licences of a model were not accepted.
type LicenceError struct {
	Model    string
	Licences []catalog.Licence
}

// Error implements error.
func (e *LicenceError) Error() string {
	var names []string
	for _, l := range e.Licences {
		names = append(names, l.Name+", "+l.Link)
	}
	return fmt.Sprintf("the licence of %s was not accepted (%s)", e.Model, strings.Join(names, "; "))
}

// puller fetches the files of a plan.
type puller struct {
	hub     *Hub
	shelf   *shelf.Shelf
	plan    *Plan
	pulling *shelf.Pulling
	// write writes a piece of a file; tests make it fail.
	write func(p *shelf.Part, b []byte, off int64) (int, error)

	mu   sync.Mutex
	tell func(Progress)
	now  Progress
}

// Pull fetches what a plan lacks and puts the model on the shelf. progress, if not
// nil, is called often, by one goroutine at a time. When Pull fails or ctx ends, what
// was fetched stays, and the next Pull goes on from there.
//
// The error is a *LicenceError if a licence of the model was not accepted, a
// *shelf.BusyError if another process pulls the model, and a *scratch.NoRoomError if
// the disk is too small.
func (h *Hub) Pull(ctx context.Context, s *shelf.Shelf, plan *Plan, progress func(Progress)) error {
	return h.pull(ctx, s, plan, progress, (*shelf.Part).WriteAt)
}

func (h *Hub) pull(ctx context.Context, s *shelf.Shelf, plan *Plan, progress func(Progress), write func(*shelf.Part, []byte, int64) (int, error)) error {
	left, err := s.Unaccepted(plan.Record.Name, plan.Record.Licences)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return &LicenceError{plan.Record.Name, left}
	}
	if plan.Missing > 0 {
		if err := os.MkdirAll(s.Folder(), 0o777); err != nil {
			return err
		}
		if err := scratch.Room(s.Folder(), plan.Missing+spare); err != nil {
			return err
		}
	}
	pulling, err := s.Begin(plan.Record)
	if err != nil {
		return err
	}
	defer pulling.Close()
	p := &puller{hub: h, shelf: s, plan: plan, pulling: pulling, write: write, tell: progress, now: Progress{Total: plan.Bytes}}
	if err := p.files(ctx); err != nil {
		return err
	}
	return pulling.Finish(time.Now())
}

// files fetches all files.
func (p *puller) files(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range p.plan.Record.Files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return p.named(i, p.file(ctx, i))
		})
	}
	return g.Wait()
}

// named puts the name of a file before an error about it.
func (p *puller) named(i int, err error) error {
	f := p.plan.Record.Files[i]
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if disk.NoSpace(err) {
		return fmt.Errorf("%s of %s: the disk of %s is full: make room, and pull again: it goes on from here: %w", f.Source, f.Repository, p.shelf.Folder(), err)
	}
	if _, explained := errors.AsType[*Error](err); explained {
		return err
	}
	return fmt.Errorf("%s of %s: %w", f.Source, f.Repository, err)
}

// file brings a file to the shelf and gives it to the model.
func (p *puller) file(ctx context.Context, i int) (err error) {
	f, r := p.plan.Record.Files[i], p.plan.remote[i]
	digest := r.Digest
	if digest == "" {
		digest, err = p.plain(ctx, f, r)
	} else {
		err = p.large(ctx, f)
	}
	if err != nil {
		return err
	}
	return p.pulling.Link(i, digest)
}

// add counts bytes that came (or, if negative, came for nothing). here says that
// they were on the disk.
func (p *puller) add(n int64, here bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += n
	if here {
		p.now.Here += n
	}
	if n > 0 {
		p.now.Waits = ""
	}
	if p.tell != nil {
		p.tell(p.now)
	}
}

// worthSaying is the shortest pause that a user is told of.
const worthSaying = 2 * time.Second

// waits says that a connection waits.
func (p *puller) waits(d time.Duration, why error) {
	if d < worthSaying {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Waits = fmt.Sprintf("waiting %.0f s: %s", d.Seconds(), printable(why.Error(), 200))
	if p.tell != nil {
		p.tell(p.now)
	}
}

// plain fetches a file that the hub keeps in Git, and returns its digest.
func (p *puller) plain(ctx context.Context, f shelf.File, r Remote) (digest string, err error) {
	if at := p.pulling.Earlier(f.Path); at != "" {
		if digest, ok := p.same(at, r); ok {
			p.add(f.Size, true)
			return digest, nil
		}
	}
	err = p.hub.retry(ctx, maxTries, p.waits, func(func()) error {
		a, err := p.hub.get(ctx, p.hub.resolve(f), "")
		if err != nil {
			return err
		}
		defer a.Body.Close()
		if a.StatusCode != http.StatusOK {
			return p.hub.refusal(a, subject{f.Repository, f.Commit, f.Source})
		}
		digest, err = p.shelf.AddBlob(func(w io.Writer) error { return copyObject(w, a.Body, r) })
		return err
	})
	if err == nil {
		p.add(f.Size, false)
	}
	return digest, err
}

// same says whether the file at a path is the one in the list, and keeps it. A
// file that only looks like it is fetched again.
func (p *puller) same(at string, r Remote) (digest string, ok bool) {
	f, err := os.Open(at)
	if err != nil {
		return "", false
	}
	defer f.Close()
	digest, err = p.shelf.AddBlob(func(w io.Writer) error { return copyObject(w, f, r) })
	return digest, err == nil
}

// copyObject copies a file and checks its size and the id of its Git object: the
// SHA-1 of "blob", its size, a zero byte and its bytes.
func copyObject(w io.Writer, from io.Reader, r Remote) error {
	sum := sha1.New() //nolint:gosec // Git names its objects by it
	fmt.Fprintf(sum, "blob %d\x00", r.Size)
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(incoming{from}, r.Size+1))
	got := hex.EncodeToString(sum.Sum(nil))
	switch {
	case err != nil:
		return err
	case n < r.Size:
		return &passing{err: fmt.Errorf("it ended after %d of %d bytes", n, r.Size)}
	case n > r.Size || got != r.Object:
		return fmt.Errorf("its bytes are not those that the list promises: %w", ErrChanged)
	}
	return nil
}

// incoming is what comes from a server: that reading fails may pass.
type incoming struct{ io.Reader }

// Read marks an error as one that may pass.
func (i incoming) Read(b []byte) (int, error) {
	n, err := i.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &passing{err: err}
	}
	return n, err
}
