package job

import (
	"errors"
	"fmt"
	"testing"
)

// TestMoves: the transitions are exactly those that docs/jobs.md draws.
func TestMoves(t *testing.T) {
	want := map[string]bool{
		"queued running": true, "queued cancelled": true, "queued expired": true,
		"running queued": true, "running succeeded": true, "running failed": true, "running cancelled": true,
	}
	for _, from := range States() {
		for _, to := range States() {
			key := fmt.Sprint(from, " ", to)
			if got := from.CanBecome(to); got != want[key] {
				t.Errorf("%s: %v, want %v", key, got, want[key])
			}
		}
		if final := from != Queued && from != Running; from.Final() != final {
			t.Errorf("%s is final: %v", from, from.Final())
		}
	}
	if State("paused").Valid() || !Queued.Valid() {
		t.Error("Valid is wrong about a state")
	}
}

func TestParseID(t *testing.T) {
	if id, err := ParseID("video_1234567890123456", "video_"); err != nil || id != 1234567890123456 {
		t.Errorf("got %d, %v", id, err)
	}
	for _, s := range []string{
		"", "video_", "1234567890123456", "job_1234567890123456", "video_12345", "video_9999999999999999",
		"video_+234567890123456", "video_-234567890123456", "video_0234567890123456", "video_12345678901234567",
	} {
		if id, err := ParseID(s, "video_"); CodeOf(err) != NotFound {
			t.Errorf("%q: %d, %v", s, id, err)
		}
	}
}

func TestAsErrorHidesWhatIsOurs(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7: refused")
	e := AsError(fmt.Errorf("store: %w", secret))
	if e.Code != Internal || !errors.Is(e, secret) || e.Message == secret.Error() {
		t.Errorf("got %+v", e)
	}
	public := Errorf(Invalid, "seconds", "seconds is %d", 99)
	if got := AsError(fmt.Errorf("submit: %w", public)); got != public || got.Error() != "seconds is 99" {
		t.Errorf("got %+v", got)
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		state    State
		progress float64
		want     int
	}{{Running, 0, 0}, {Running, 0.426, 42}, {Running, 1, 99}, {Succeeded, 0.2, 100}, {Failed, 1.5, 99}, {Queued, -1, 0}} {
		j := Job{State: tt.state, Progress: tt.progress}
		if got := j.Percent(); got != tt.want {
			t.Errorf("%s %v: %d, want %d", tt.state, tt.progress, got, tt.want)
		}
	}
}

func TestNotes(t *testing.T) {
	j := Job{Spec: Spec{Notes: make([]string, 1, 8)}}
	j.Spec.Notes[0] = "enlarged"
	if got := fmt.Sprint(j.Notes()); got != "[enlarged]" {
		t.Errorf("before there is a result: %s", got)
	}
	j.Result = &Result{Notes: []string{"a WebP"}}
	if got := fmt.Sprint(j.Notes(), j.Notes()); got != "[enlarged a WebP] [enlarged a WebP]" {
		t.Errorf("with a result: %s", got)
	}
}
