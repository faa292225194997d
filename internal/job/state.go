package job

import "slices"

// State is the state of a job; docs/jobs.md draws the transitions.
type State string

// The states. The last four are final.
const (
	Queued    State = "queued"    // accepted, and never lost from here on
	Running   State = "running"   // a worker holds its lease
	Succeeded State = "succeeded" // its media is stored and visible
	Failed    State = "failed"    // it will not be tried again; Error says why
	Cancelled State = "cancelled" // its owner stopped it
	Expired   State = "expired"   // it waited past its time limit
)

// States lists all states in the order of a job's life.
func States() []State { return []State{Queued, Running, Succeeded, Failed, Cancelled, Expired} }

// moves are the allowed transitions.
var moves = map[State][]State{
	Queued:  {Running, Cancelled, Expired},
	Running: {Queued, Succeeded, Failed, Cancelled},
}

// Final reports whether a job stays in this state for ever.
func (s State) Final() bool { return len(moves[s]) == 0 }

// Valid reports whether s is a state.
func (s State) Valid() bool {
	return slices.Contains(States(), s)
}

// CanBecome reports whether a job may go from s to t. It may go from running back
// to queued, when its worker is lost or a failed attempt is repeated.
func (s State) CanBecome(t State) bool {
	return slices.Contains(moves[s], t)
}
