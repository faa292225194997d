package lm

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/tensor"
)

// passRows is the most rows of a pass: what is held of them is a few thousand numbers
// each, and other sessions wait for a pass to end.
const passRows = 512

// gatherRounds is how many times a pass lets other goroutines run while some session
// is about to ask for its next token.
const gatherRounds = 100

// A queue runs the passes of all sessions, one after another. Sessions that wait at
// the same time go through the weights together.
type queue struct {
	decoder *decoder
	backend tensor.Backend
	lease   *engine.Lease
	turn    chan struct{} // held by the goroutine that runs a pass

	*waiting
}

// waiting are the sessions' requests.
type waiting struct {
	mu     sync.Mutex
	asked  []*request
	active int // sessions that make an answer and are not waiting for their caller
}

// A request is a run of a session; done is closed when it has been through.
type request struct {
	run
	err  error
	done chan struct{}
}

func newQueue(d *decoder, b tensor.Backend, l *engine.Lease) queue {
	return queue{decoder: d, backend: b, lease: l, turn: make(chan struct{}, 1), waiting: &waiting{}}
}

// do runs r, of at most passRows rows, in this goroutine's pass or in another's.
func (q *queue) do(ctx context.Context, r run) error {
	me := &request{run: r, done: make(chan struct{})}
	q.mu.Lock()
	q.asked = append(q.asked, me)
	q.mu.Unlock()
	for {
		select {
		case <-me.done:
			return me.err
		case <-ctx.Done():
			if q.withdraw(me) {
				return ctx.Err()
			}
			<-me.done
			return me.err
		case q.turn <- struct{}{}:
		}
		select {
		case <-me.done: // by the one before
		default:
			q.pass(ctx)
		}
		<-q.turn
	}
}

// withdraw takes a request back that no pass has taken.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, o := range q.asked {
		if o == r {
			q.asked = append(q.asked[:i], q.asked[i+1:]...)
			return true
		}
	}
	return false
}

// pass runs those who wait. A pass for several sessions goes on when the one whose
// goroutine runs it is called off.
func (q *queue) pass(ctx context.Context) {
	if q.lease != nil {
		if q.lease.Take(ctx) != nil {
			return // do sees it
		}
		defer q.lease.Release()
	}
	taken := q.take()
	if len(taken) > 1 {
		ctx = context.WithoutCancel(ctx)
	}
	runs := make([]run, len(taken))
	for i, r := range taken {
		runs[i] = r.run
	}
	err := errors.New("the pass was broken off")
	defer func() { // also when it panics
		for _, r := range taken {
			r.err = err
			close(r.done)
		}
	}()
	err = q.decoder.pass(ctx, q.backend, runs)
}

// take returns the requests of a pass, in the order in which they came, as many as
// have room.
func (q *queue) take() []*request {
	for range gatherRounds {
		q.mu.Lock()
		ready := len(q.asked) >= q.active
		q.mu.Unlock()
		if ready {
			break
		}
		runtime.Gosched()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	rows, n := 0, 0
	for n < len(q.asked) && (n == 0 || rows+len(q.asked[n].ids) <= passRows) {
		rows += len(q.asked[n].ids)
		n++
	}
	taken := q.asked[:n:n]
	q.asked = append([]*request(nil), q.asked[n:]...)
	return taken
}

// work counts a session as about to ask, or not.
func (q *queue) work(by int) {
	q.mu.Lock()
	q.active += by
	q.mu.Unlock()
}

// alone runs f while no pass runs.
func (q *queue) alone(f func(b tensor.Backend)) {
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	f(q.backend)
}
