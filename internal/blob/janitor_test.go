package blob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func later(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

func TestSweep(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		for _, key := range []string{"video/00/known.mp4", "video/00/orphan.mp4", "video/01/orphan.mp4", "image/00/orphan.png", "videos/00/other.mp4"} {
			put(t, s, key, noise(100))
		}
		asked := []string{}
		keep := func(key string) (bool, error) {
			asked = append(asked, key)
			return strings.Contains(key, "known"), nil
		}
		j := &Janitor{Store: s}
		// The grace period applies whatever age is given.
		for _, age := range []time.Duration{0, time.Nanosecond, -time.Hour, 30 * time.Minute} {
			swept, err := j.Sweep(t.Context(), "video/", age, keep)
			if want := (Swept{Young: 3, Done: true}); err != nil || swept != want {
				t.Errorf("young blobs: %+v, %v", swept, err)
			}
		}
		j.Now = later(2 * DefaultGrace)
		if swept, err := j.Sweep(t.Context(), "video/", 3*time.Hour, keep); err != nil || swept != (Swept{Young: 3, Done: true}) {
			t.Errorf("younger than asked for: %+v, %v", swept, err)
		}
		if len(asked) != 0 {
			t.Errorf("it asked about young %q", asked)
		}
		swept, err := j.Sweep(t.Context(), "video/", 0, keep)
		if want := (Swept{Kept: 1, Deleted: 2, Bytes: 200, Done: true}); err != nil || swept != want {
			t.Errorf("%+v, %v, want %+v", swept, err, want)
		}
		if got := keys(t, s, ""); !slices.Equal(got, []string{"image/00/orphan.png", "video/00/known.mp4", "videos/00/other.mp4"}) {
			t.Errorf("left are %q", got)
		}
	})
}

// TestSweepBounds: a sweep continues where the last one ended, and sweeps reach
// the end.
func TestSweepBounds(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		for i := range 10 {
			put(t, s, fmt.Sprintf("video/00/%02d", i), nil)
		}
		odd := func(key string) (bool, error) { return (key[len(key)-1]-'0')%2 == 1, nil }
		j := &Janitor{Store: s, MaxChecked: 4, MaxDeleted: 3, Now: later(2 * DefaultGrace)}
		want := []Swept{
			{Kept: 2, Deleted: 2},             // 0 to 3
			{Kept: 2, Deleted: 2},             // 4 to 7
			{Kept: 1, Deleted: 1, Done: true}, // 8, 9
			{Kept: 4},                         // 1, 3, 5, 7
			{Kept: 1, Done: true},             // 9
		}
		for i, w := range want {
			if swept, err := j.Sweep(t.Context(), "video/", 0, odd); err != nil || swept != w {
				t.Errorf("sweep %d: %+v, %v, want %+v", i, swept, err, w)
			}
		}
		none := func(string) (bool, error) { return false, nil }
		j.MaxChecked, j.MaxDeleted = 100, 3
		if swept, err := j.Sweep(t.Context(), "video/", 0, none); err != nil || swept != (Swept{Deleted: 3}) {
			t.Errorf("three at most: %+v, %v", swept, err)
		}
		if swept, err := j.Sweep(t.Context(), "video/", 0, none); err != nil || swept != (Swept{Deleted: 2, Done: true}) {
			t.Errorf("and the rest: %+v, %v", swept, err)
		}
	})
}

// TestSweepWithoutDatabase: if the database does not answer, nothing is deleted.
func TestSweepWithoutDatabase(t *testing.T) {
	s := open(t, "mem://")
	for i := range 3 {
		put(t, s, fmt.Sprintf("video/00/%d", i), nil)
	}
	gone := errors.New("the database is gone")
	j := &Janitor{Store: s, Now: later(2 * DefaultGrace)}
	n := 0
	swept, err := j.Sweep(t.Context(), "video/", 0, func(string) (bool, error) {
		n++
		return false, gone
	})
	if !errors.Is(err, gone) || n != 1 || swept != (Swept{}) || len(keys(t, s, "")) != 3 {
		t.Errorf("%+v, %v after %d questions", swept, err, n)
	}
	for _, prefix := range []string{"", "video", "../", "/"} {
		if _, err := j.Sweep(t.Context(), prefix, 0, func(string) (bool, error) { return false, nil }); err == nil {
			t.Errorf("prefix %q was swept", prefix)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Sweep(ctx, "video/", 0, func(string) (bool, error) { return false, ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got := keys(t, s, ""); len(got) != 3 {
		t.Errorf("left are %q", got)
	}
}

// TestSweepWrittenSince: a key that is written between listing and deletion
// stays.
func TestSweepWrittenSince(t *testing.T) {
	f, where := newS3(t)
	s := open(t, where)
	put(t, s, "latents/00/job", []byte("old"))
	f.clock = later(2 * DefaultGrace)
	j := &Janitor{Store: s, Now: later(2 * DefaultGrace)}
	swept, err := j.Sweep(t.Context(), "latents/", 0, func(key string) (bool, error) {
		put(t, s, key, []byte("new"))
		return false, nil
	})
	if err != nil || swept != (Swept{Young: 1, Done: true}) || string(get(t, s, "latents/00/job")) != "new" {
		t.Errorf("%+v, %v", swept, err)
	}
}

// stuck is a backend whose deletions fail for some keys.
type stuck struct {
	backend
	keys []string
}

func (b stuck) delete(ctx context.Context, key string) error {
	if slices.Contains(b.keys, key) {
		return errors.New("it is stuck")
	}
	return b.backend.delete(ctx, key)
}

func TestSweepStuck(t *testing.T) {
	s := open(t, "mem://")
	for i := range 4 {
		put(t, s, fmt.Sprintf("video/00/%d", i), noise(i))
	}
	s.b = stuck{s.b, []string{"video/00/0", "video/00/2"}}
	j := &Janitor{Store: s, Now: later(2 * DefaultGrace)}
	swept, err := j.Sweep(t.Context(), "video/", 0, func(string) (bool, error) { return false, nil })
	if want := (Swept{Deleted: 2, Failed: 2, Bytes: 4, Done: true}); swept != want {
		t.Errorf("%+v, want %+v", swept, want)
	}
	if err == nil || !strings.Contains(err.Error(), "video/00/0") || !strings.Contains(err.Error(), "it is stuck") {
		t.Errorf("%v", err)
	}
}
