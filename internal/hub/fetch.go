package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kinora-video/kinora/internal/shelf"
)

// stretchPieces is the most pieces that one request asks for.
const stretchPieces = 16

// readBytes is how much of a body is read and written at a time.
const readBytes = 256 << 10

// large fetches a file whose digest is known, in ranges.
func (p *puller) large(ctx context.Context, f shelf.File) error {
	part, err := p.shelf.OpenPart(ctx, f.Digest, f.Size)
	if err != nil {
		return err
	}
	if part == nil { // it is there
		p.add(f.Size, true)
		return nil
	}
	defer part.Close()
	p.add(part.Have(), true)
	x := &transfer{puller: p, part: part, source: &source{hub: p.hub, file: f}, missing: part.Missing()}
	// Each connection gets some stretches, so that none has much left when the others
	// are done.
	x.most = min(stretchPieces, max(1, len(x.missing)/(2*Connections)))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return part.Finish(ctx) })
	g.Go(func() error {
		if err := x.ranges(ctx); !errors.Is(err, errNoRanges) {
			return err
		}
		return x.sequential(ctx)
	})
	err = g.Wait()
	if wrong, ok := errors.AsType[*shelf.DigestError](err); ok {
		return fmt.Errorf("what came is not the file: %w: nothing of it was kept; pull again, and if that does not help, tell the owners of the repository", wrong)
	}
	return err
}

// transfer is a file on its way.
type transfer struct {
	*puller
	part   *shelf.Part
	source *source
	most   int // pieces of a stretch

	mu      sync.Mutex
	missing []int // pieces that nobody fetches yet, in order
}

// ranges fetches the pieces over several connections. The error is errNoRanges if
// the server knows no ranges.
func (x *transfer) ranges(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range min(Connections, (len(x.missing)+x.most-1)/x.most) {
		g.Go(func() error { return x.work(ctx) })
	}
	return g.Wait()
}

// next takes a run of pieces that one request can ask for.
func (x *transfer) next() (run []int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(run) < x.most && len(x.missing) > 0 && (len(run) == 0 || x.missing[0] == run[len(run)-1]+1) {
		run = append(run, x.missing[0])
		x.missing = x.missing[1:]
	}
	return run
}

// work fetches stretches until none is left.
func (x *transfer) work(ctx context.Context) error {
	for {
		run := x.next()
		if len(run) == 0 {
			return nil
		}
		err := x.hub.retry(ctx, maxTries, x.waits, func(progress func()) error { return x.stretch(ctx, &run, progress) })
		if err != nil {
			return err
		}
	}
}

// stretch fetches a run of pieces with one request, and takes those that came from
// the run.
func (x *transfer) stretch(ctx context.Context, run *[]int, progress func()) error {
	from, _ := x.part.Piece((*run)[0])
	last, n := x.part.Piece((*run)[len(*run)-1])
	body, err := x.source.open(ctx, from, last+n-from)
	if err != nil {
		return err
	}
	defer body.Close()
	for len(*run) > 0 {
		if err := x.piece(body, (*run)[0], true); err != nil {
			return err
		}
		*run = (*run)[1:]
		progress()
	}
	return nil // what a body has beyond the range is left in it
}

// piece reads a piece from a body; keep says whether it is still wanted.
func (x *transfer) piece(body io.Reader, i int, keep bool) (err error) {
	off, left := x.part.Piece(i)
	sum := shelf.PieceSum()
	var came int64
	defer func() {
		if err != nil {
			x.add(-came, false)
		}
	}()
	buf := make([]byte, min(readBytes, left))
	for left > 0 {
		n, err := io.ReadFull(body, buf[:min(int64(len(buf)), left)])
		if keep && n > 0 {
			if _, err := x.write(x.part, buf[:n], off); err != nil {
				return err
			}
			sum.Write(buf[:n])
			came += int64(n)
			x.add(int64(n), false)
		}
		off, left = off+int64(n), left-int64(n)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("the connection ended at byte %d of %d", off, x.part.Size())
			}
			return &passing{err: err}
		}
	}
	if !keep {
		return nil
	}
	return x.part.Done(i, sum.Sum32())
}

// sequential fetches the whole file with one request, for a server that knows no
// ranges.
func (x *transfer) sequential(ctx context.Context) error {
	return x.hub.retry(ctx, maxTries, x.waits, func(progress func()) error {
		wanted := map[int]bool{}
		for _, i := range x.part.Missing() {
			wanted[i] = true
		}
		body, err := x.source.open(ctx, 0, x.part.Size())
		if err != nil {
			return err
		}
		defer body.Close()
		for i := 0; len(wanted) > 0; i++ {
			if err := x.piece(body, i, wanted[i]); err != nil {
				return err
			}
			if wanted[i] {
				progress()
			}
			delete(wanted, i)
		}
		return nil
	})
}

// errNoRanges is the error for a server that answers with the whole file where a
// part was asked for.
var errNoRanges = errors.New("the server knows no ranges")

// source is where a file comes from.
type source struct {
	hub  *Hub
	file shelf.File

	mu sync.Mutex
	at *url.URL // where the hub has sent us before; nil for nowhere
}

// open asks for n bytes of the file. The body holds one of the hub's connections
// until it is closed. Errors that may pass are *passing.
func (s *source) open(ctx context.Context, from, n int64) (io.ReadCloser, error) {
	select {
	case s.hub.conns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave := sync.OnceFunc(func() { <-s.hub.conns })
	a, err := s.ask(ctx, fmt.Sprintf("bytes=%d-%d", from, from+n-1))
	if err == nil {
		if err = s.check(a, from, n); err != nil {
			a.Body.Close()
		}
	}
	if err != nil {
		leave()
		return nil, err
	}
	return &seat{a.Body, leave}, nil
}

// seat is a body that holds a connection.
type seat struct {
	io.ReadCloser
	leave func()
}

// Close leaves the seat to another one.
func (s *seat) Close() error {
	defer s.leave()
	return s.ReadCloser.Close()
}

// ask asks where the hub has sent us before, and the hub itself if there is no such
// place or it does not answer any more: its addresses are signed, and end.
func (s *source) ask(ctx context.Context, ranged string) (*answer, error) {
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	if at != nil {
		a, err := s.hub.get(ctx, at, ranged)
		if err == nil && a.StatusCode < 300 {
			return a, nil
		}
		if err == nil {
			a.Body.Close()
		}
	}
	a, err := s.hub.get(ctx, s.hub.resolve(s.file), ranged)
	if err != nil {
		return nil, err
	}
	if err := s.promised(a.linked); err != nil {
		a.Body.Close()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = nil
	if a.StatusCode < 300 && !s.hub.own(a.at) {
		s.at = a.at
	}
	return a, nil
}

// promised compares what the hub says of the file, where it says anything, with the
// list. An ETag that is no digest means nothing here.
func (s *source) promised(h http.Header) error {
	tag := strings.Trim(strings.TrimPrefix(h.Get("X-Linked-Etag"), "W/"), `"`)
	switch {
	case sha256Form.MatchString(tag) && tag != s.file.Digest:
		return fmt.Errorf("the hub now has the digest %s for it: %w", tag, ErrChanged)
	case h.Get("X-Linked-Size") != "" && h.Get("X-Linked-Size") != fmt.Sprint(s.file.Size):
		return fmt.Errorf("the hub now has the size %.20q for it: %w", h.Get("X-Linked-Size"), ErrChanged)
	case commitForm.MatchString(h.Get("X-Repo-Commit")) && h.Get("X-Repo-Commit") != s.file.Commit:
		return fmt.Errorf("the hub answers with commit %s: %w", h.Get("X-Repo-Commit"), ErrChanged)
	}
	return nil
}

// check checks that an answer is the range that was asked for.
func (s *source) check(a *answer, from, n int64) error {
	switch a.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, s.file.Size)
		got := a.Header.Get("Content-Range")
		if got != want && got != want[:strings.IndexByte(want, '/')]+"/*" {
			return &passing{err: fmt.Errorf("%s answers with the range %.60q instead of %q", a.at.Host, got, want)}
		}
		if a.ContentLength >= 0 && a.ContentLength != n {
			return &passing{err: fmt.Errorf("%s announces %d bytes for a range of %d", a.at.Host, a.ContentLength, n)}
		}
		return nil
	case http.StatusOK:
		if a.ContentLength >= 0 && a.ContentLength != s.file.Size {
			return &passing{err: fmt.Errorf("%s announces %d bytes for a file of %d", a.at.Host, a.ContentLength, s.file.Size)}
		}
		if from == 0 && n == s.file.Size {
			return nil
		}
		return errNoRanges
	case http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%s has no bytes %d to %d of it: %w", a.at.Host, from, from+n-1, ErrChanged)
	}
	if !s.hub.own(a.at) && a.StatusCode != http.StatusTooManyRequests && a.StatusCode < 500 {
		// It knows nothing of the user's rights. What the hub has signed may be refused
		// for a moment.
		return &passing{err: fmt.Errorf("%s, to which the hub sends, answers %s", a.at.Host, a.Status)}
	}
	return s.hub.refusal(a, subject{s.file.Repository, s.file.Commit, s.file.Source})
}
