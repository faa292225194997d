package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// empty removes all jobs, as creating a database takes longer than most runs of a
// property.
func empty(rt *rapid.T, db *store.DB) {
	err := db.Write(context.Background(), func(tx *store.Tx) error {
		for _, table := range []string{"jobs", "project_load", "files"} {
			if _, err := tx.ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Empty(context.Background())); err != nil {
		rt.Fatal(err)
	}
}

func submitRapid(rt *rapid.T, db *store.DB, s store.Submission) job.Job {
	j, _, err := db.Submit(context.Background(), s, nil)
	if err != nil {
		rt.Fatal(err)
	}
	return j
}

// machine is a store with several workers, and the invariants that must hold.
type machine struct {
	db    *store.DB
	clock *clock
	// held are attempts that some worker believes it holds; many of them are
	// over.
	held     []job.Job
	jobs     map[job.ID]job.State // the last state that the hook saw
	visible  map[job.ID]string    // result of those that succeeded
	refunded map[job.ID]int
	settled  map[job.ID]int
	broken   string
}

func (m *machine) saw(_ *store.Tx, j job.Job) error {
	from, known := m.jobs[j.ID]
	if known != (j.Revision > 1) || known && !from.CanBecome(j.State) {
		m.broken = fmt.Sprintf("job %v went from %q to %q", j.ID, from, j.State)
	}
	m.jobs[j.ID] = j.State
	return nil
}

func (m *machine) refund(_ *store.Tx, j *job.Job) error {
	m.refunded[j.ID]++
	return nil
}

// pick draws one of the attempts that workers hold, or skips.
func (m *machine) pick(rt *rapid.T) job.Job {
	if len(m.held) == 0 {
		rt.Skip("no attempt")
	}
	return rapid.SampledFrom(m.held).Draw(rt, "attempt")
}

// lateOrOK checks that a worker's call failed with job.ErrLate exactly if its
// attempt is over.
func (m *machine) lateOrOK(rt *rapid.T, held job.Job, before job.Job, err error) bool {
	current := before.State == job.Running && before.Attempt == held.Attempt
	if current != (err == nil) || !current && !errors.Is(err, job.ErrLate) {
		rt.Fatalf("attempt %d of a job that is %s at attempt %d: %v", held.Attempt, before.State, before.Attempt, err)
	}
	return current
}

func (m *machine) now(rt *rapid.T, id job.ID, project int64) job.Job {
	j, err := m.db.Job(context.Background(), project, id)
	if err != nil {
		rt.Fatal(err)
	}
	return j
}

// actions are all events that may happen to a store.
func (m *machine) actions() map[string]func(*rapid.T) {
	ctx := context.Background()
	check := func(rt *rapid.T, err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	return map[string]func(*rapid.T){
		"submit": func(rt *rapid.T) {
			s := submission(rapid.Int64Range(1, 3).Draw(rt, "project"))
			s.Job.MaxAttempts = rapid.IntRange(1, 3).Draw(rt, "attempts")
			if rapid.Bool().Draw(rt, "impatient") {
				s.Job.ExpiresAt = m.clock.Now().Add(time.Minute)
			}
			submitRapid(rt, m.db, s)
		},
		"claim": func(rt *rapid.T) {
			j, ok, err := m.db.Claim(ctx, "w", lease, nil)
			check(rt, err)
			if ok {
				m.held = append(m.held, j)
			}
		},
		"heartbeat": func(rt *rapid.T) {
			held := m.pick(rt)
			before := m.now(rt, held.ID, held.Project)
			asked, err := m.db.Heartbeat(ctx, held.ID, held.Attempt, lease, store.Heartbeat{Phase: "sampling", Progress: 0.5})
			if m.lateOrOK(rt, held, before, err) && asked != before.CancelAsked {
				rt.Fatalf("the heartbeat says cancelled: %v, want %v", asked, before.CancelAsked)
			}
		},
		"finish": func(rt *rapid.T) {
			held := m.pick(rt)
			before := m.now(rt, held.ID, held.Project)
			text := fmt.Sprint("attempt ", held.Attempt)
			_, err := m.db.Finish(ctx, held.ID, held.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{Text: text}}, func(_ *store.Tx, j *job.Job) error {
				m.settled[j.ID]++
				return nil
			})
			if m.lateOrOK(rt, held, before, err) {
				m.visible[held.ID] = text
			}
		},
		"fail": func(rt *rapid.T) {
			held := m.pick(rt)
			before := m.now(rt, held.ID, held.Project)
			_, err := m.db.Finish(ctx, held.ID, held.Attempt, store.Ending{State: job.Failed, Error: job.Errorf(job.OutputUnsafe, "", "no")}, m.refund)
			m.lateOrOK(rt, held, before, err)
		},
		"retry": func(rt *rapid.T) {
			held := m.pick(rt)
			before := m.now(rt, held.ID, held.Project)
			_, err := m.db.Retry(ctx, held.ID, held.Attempt, nil, time.Duration(rapid.IntRange(0, 1).Draw(rt, "wait"))*time.Second, m.refund)
			m.lateOrOK(rt, held, before, err)
		},
		"release": func(rt *rapid.T) {
			held := m.pick(rt)
			before := m.now(rt, held.ID, held.Project)
			_, err := m.db.Release(ctx, held.ID, held.Attempt, m.refund)
			m.lateOrOK(rt, held, before, err)
		},
		"cancel": func(rt *rapid.T) {
			if len(m.jobs) == 0 {
				rt.Skip("no job")
			}
			project := rapid.Int64Range(1, 3).Draw(rt, "project")
			jobs, _, err := m.db.Jobs(ctx, store.JobFilter{Project: project})
			check(rt, err)
			if len(jobs) == 0 {
				rt.Skip("no job")
			}
			before := rapid.SampledFrom(jobs).Draw(rt, "job")
			_, err = m.db.Cancel(ctx, project, before.ID, m.refund)
			if before.State.Final() != (job.CodeOf(err) == job.Conflict) || !before.State.Final() && err != nil {
				rt.Fatalf("cancel a job that is %s: %v", before.State, err)
			}
		},
		"time": func(rt *rapid.T) {
			m.clock.add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "seconds")) * time.Second)
		},
		"reap": func(rt *rapid.T) {
			_, _, _, err := m.db.Reap(ctx, m.clock.Now(), m.refund)
			check(rt, err)
		},
		"": m.check,
	}
}

// check checks the invariants after each action.
func (m *machine) check(rt *rapid.T) {
	ctx := context.Background()
	if m.broken != "" {
		rt.Fatal(m.broken)
	}
	if wrong, err := checkLoad(ctx, m.db); wrong != "" || err != nil {
		rt.Fatal(wrong, err)
	}
	found, waiting := 0, 0
	for p := int64(1); p <= 3; p++ {
		jobs, total, err := m.db.Jobs(ctx, store.JobFilter{Project: p, Limit: store.MaxPage})
		if err != nil {
			rt.Fatal(err)
		}
		found += total
		for _, j := range jobs {
			if j.State != m.jobs[j.ID] {
				rt.Fatalf("job %v is %s, the hook saw %s", j.ID, j.State, m.jobs[j.ID])
			}
			if j.State == job.Queued {
				waiting++
			}
			refunds, settled, text := 0, 0, ""
			switch {
			case j.State == job.Succeeded:
				settled, text = 1, m.visible[j.ID]
			case j.State.Final():
				refunds = 1
			}
			if m.refunded[j.ID] != refunds || m.settled[j.ID] != settled {
				rt.Fatalf("job %v is %s, was refunded %d times and settled %d times", j.ID, j.State, m.refunded[j.ID], m.settled[j.ID])
			}
			if (j.Result != nil) != (j.State == job.Succeeded) || j.Result != nil && j.Result.Text != text {
				rt.Fatalf("job %v is %s and shows %+v, want %q", j.ID, j.State, j.Result, text)
			}
		}
	}
	if found != len(m.jobs) {
		rt.Fatalf("%d jobs are there, %d were accepted", found, len(m.jobs))
	}
	// Until the next Reap at the latest, a queued job has a ticket.
	if waiting > 0 {
		due, putOff, err := m.db.Entries(ctx, store.TicketQueue)
		if err != nil || due+putOff == 0 {
			rt.Fatalf("%d jobs wait and no ticket does: %v", waiting, err)
		}
	}
}

// TestMachine: customers, late or lost workers and time act in any order. Jobs
// only make allowed changes of state, one result is visible, each job is settled
// or refunded once, none is lost, and the counters are right.
func TestMachine(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		var m *machine
		db.OnChange(func(tx *store.Tx, j job.Job) error { return m.saw(tx, j) })
		rapid.Check(t, func(rt *rapid.T) {
			empty(rt, db)
			m = &machine{db: db, clock: c, jobs: map[job.ID]job.State{}, visible: map[job.ID]string{}, refunded: map[job.ID]int{}, settled: map[job.ID]int{}}
			rt.Repeat(m.actions())
		})
	})
}
