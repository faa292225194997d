package native

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// A feed tells all readers of a project of the changes of its jobs. It looks at the
// database once for all of them, and writes each event once: a hundred readers cost
// hardly more than one.
const (
	feedEvery = time.Second            // between looks for changes that other processes make
	feedGap   = 150 * time.Millisecond // from one look to the next: changes meanwhile are told together
	feedAhead = 256                    // events that a slow reader may lag behind before it is let go
	feedPlace = 200                    // queued jobs whose places are told
)

// Names of the events of a feed, beside eventError.
const (
	eventHello = "hello" // the first event
	eventJob   = "job"   // a job came, or changed
	eventGone  = "gone"  // a job was deleted
	eventQueue = "queue" // the places of the project's queued jobs changed
)

// goneEvent is the data of the event "gone".
type goneEvent struct {
	ID string `json:"id"`
}

// helloEvent is the data of the event "hello".
type helloEvent struct {
	At time.Time `json:"at" doc:"The server's time."`
}

// queueEvent is the data of the event "queue".
type queueEvent struct {
	Ahead map[string]int `json:"ahead" doc:"How many jobs start before each of the project's queued ones, by their ids; of at most 200."`
}

// feeds are the feeds that somebody reads. Links in events begin with the address
// that a reader came by, so each such address has a feed of its own.
type feeds struct {
	mu sync.Mutex
	m  map[feedKey]*feed
}

type feedKey struct {
	project int64
	base    string
}

type feed struct {
	n    *API
	key  feedKey
	stop context.CancelFunc

	mu      sync.Mutex
	readers map[chan []byte]bool
	place   []byte // the latest event "queue", for a reader that comes

	// Of the goroutine that runs it:
	known  map[job.ID]int64 // revisions of the jobs in flight
	queued []job.ID
	ahead  map[string]int // as told last
}

// join adds a reader. Its channel is closed when it lags too far behind.
func (fs *feeds) join(n *API, key feedKey) (events chan []byte, leave func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.m[key]
	if f == nil {
		ctx, stop := context.WithCancel(context.Background())
		f = &feed{n: n, key: key, stop: stop, readers: map[chan []byte]bool{}, known: map[job.ID]int64{}}
		if fs.m == nil {
			fs.m = map[feedKey]*feed{}
		}
		fs.m[key] = f
		go f.run(ctx)
	}
	events = make(chan []byte, feedAhead)
	f.mu.Lock()
	f.readers[events] = true
	if f.place != nil {
		events <- f.place
	}
	f.mu.Unlock()
	return events, func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, events)
		if len(f.readers) == 0 && fs.m[key] == f {
			delete(fs.m, key)
			f.stop()
		}
	}
}

// send hands an event to all readers. Who lags too far behind is let go: a reader
// that comes back asks for everything again.
func (f *feed) send(name string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		return // none of our types fails
	}
	block := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text)
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == eventQueue {
		f.place = block
	}
	for r := range f.readers {
		select {
		case r <- block:
		default:
			close(r)
			delete(f.readers, r)
		}
	}
}

func (f *feed) run(ctx context.Context) {
	changes, stop := f.n.Service.FollowProject(f.key.project)
	defer stop()
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	for {
		// A look that fails is made again at the next tick; its changes are not lost,
		// as they are in the database.
		_ = f.look(ctx, changes.Take())
		select {
		case <-ctx.Done():
			return
		case <-time.After(feedGap):
		}
		select {
		case <-ctx.Done():
			return
		case <-changes.C:
		case <-tick.C:
		}
	}
}

// look tells of the jobs that changed: those that this process knows of, those
// whose revision is another one, and those that are not in flight any more.
func (f *feed) look(ctx context.Context, changed []job.ID) error {
	now, err := f.n.Service.InFlight(ctx, f.key.project)
	if err != nil {
		return err
	}
	first := f.ahead == nil
	ask := map[job.ID]bool{}
	for _, id := range changed {
		ask[id] = true
	}
	inFlight := map[job.ID]int64{}
	f.queued = f.queued[:0]
	for _, s := range now {
		inFlight[s.ID] = s.Revision
		if s.State == job.Queued && len(f.queued) < feedPlace {
			f.queued = append(f.queued, s.ID)
		}
		if f.known[s.ID] != s.Revision && !first {
			ask[s.ID] = true
		}
	}
	for id := range f.known {
		if _, still := inFlight[id]; !still {
			ask[id] = true
		}
	}
	if err := f.tell(ctx, ask); err != nil {
		return err
	}
	f.known = inFlight
	return f.places(ctx)
}

// tell sends how some jobs stand.
func (f *feed) tell(ctx context.Context, ids map[job.ID]bool) error {
	if len(ids) == 0 {
		return nil
	}
	filter := store.JobFilter{Limit: min(len(ids), store.MaxPage)}
	for id := range ids {
		filter.IDs = append(filter.IDs, id)
	}
	who := auth.Principal{Project: store.Project{ID: f.key.project}}
	jobs, _, err := f.n.Service.Jobs(ctx, who, filter)
	if err != nil {
		return err
	}
	for i := len(jobs) - 1; i >= 0; i-- { // the oldest first
		delete(ids, jobs[i].ID)
		f.send(eventJob, jobOf(f.n.Service, f.key.base, &jobs[i]))
	}
	if len(filter.IDs) <= store.MaxPage {
		for id := range ids {
			f.send(eventGone, goneEvent{jobName(id)})
		}
	}
	return nil
}

// places tells of the places in the queue, where they changed.
func (f *feed) places(ctx context.Context) error {
	ahead := make(map[string]int, len(f.queued))
	if len(f.queued) > 0 {
		at, err := f.n.Service.Positions(ctx, f.queued)
		if err != nil {
			return err
		}
		for id, place := range at {
			ahead[jobName(id)] = place
		}
	}
	if f.ahead == nil || !maps.Equal(ahead, f.ahead) {
		f.ahead = ahead
		f.send(eventQueue, queueEvent{ahead})
	}
	return nil
}
