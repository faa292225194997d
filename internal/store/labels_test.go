package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestLabels: a star and tags are kept and found, each by its own project alone; what
// is left out stays.
func TestLabels(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		ctx := t.Context()
		a, b := submit(t, db, submission(1)), submit(t, db, submission(1))
		yes := true
		tags := []string{"red things", " beach ", "beach", "100%_\\"}
		got, err := db.Label(ctx, 1, a.ID, store.Labels{Starred: &yes, Tags: &tags})
		if err != nil || !got.Starred || !slices.Equal(got.Tags, []string{"100%_\\", "beach", "red things"}) || got.Revision != a.Revision+1 {
			t.Errorf("labelled: %+v, %v", got, err)
		}
		if got := get(t, db, a); !got.Starred || len(got.Tags) != 3 {
			t.Errorf("the store has %v %q", got.Starred, got.Tags)
		}
		find := func(f store.JobFilter) []job.ID {
			t.Helper()
			f.Project = 1
			jobs, total, err := db.Jobs(ctx, f)
			if err != nil || total != len(jobs) {
				t.Fatalf("%d of %d: %v", len(jobs), total, err)
			}
			var ids []job.ID
			for _, j := range jobs {
				ids = append(ids, j.ID)
			}
			return ids
		}
		for _, f := range []store.JobFilter{{Starred: true}, {Tag: "beach"}, {Tag: "red things"}, {Tag: "100%_\\"}, {Tag: "beach", Starred: true, Words: []string{"BALL"}}} {
			if got := find(f); !slices.Equal(got, []job.ID{a.ID}) {
				t.Errorf("%+v finds %v", f, got)
			}
		}
		for _, tag := range []string{"bea", "red", "things", "%", "each", "100%_"} {
			if got := find(store.JobFilter{Tag: tag}); len(got) != 0 {
				t.Errorf("the tag %q finds %v", tag, got)
			}
		}
		none := []string{}
		if got, err := db.Label(ctx, 1, a.ID, store.Labels{Tags: &none}); err != nil || len(got.Tags) != 0 || !got.Starred {
			t.Errorf("without tags: %+v, %v", got, err)
		}
		if _, err := db.Label(ctx, 2, b.ID, store.Labels{Starred: &yes}); job.CodeOf(err) != job.NotFound {
			t.Errorf("by another project: %v", err)
		}
		for _, bad := range [][]string{{""}, {" "}, {strings.Repeat("x", store.MaxTag+1)}, {"a\nb"}, {"a\x00"}, {"\xff"}} {
			if _, err := db.Label(ctx, 1, b.ID, store.Labels{Tags: &bad}); job.CodeOf(err) != job.Invalid {
				t.Errorf("tags %q: %v", bad, err)
			}
		}
		var many []string
		for i := range store.MaxTags + 1 {
			many = append(many, fmt.Sprint(i))
		}
		if _, err := db.Label(ctx, 1, b.ID, store.Labels{Tags: &many}); job.CodeOf(err) != job.Invalid {
			t.Errorf("%d tags: %v", len(many), err)
		}
	})
}

// TestSearch: words are found in prompts in any order and case, as they are written;
// what LIKE would take for a pattern is text.
func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		for _, prompt := range []string{"A red BALL bounces", "a blue boat", "一只黄色的鸟", "قطة حمراء", "100% \\ of a_b", "ÄRGER"} {
			s := submission(1)
			s.Job.Spec.Prompt = prompt
			submit(t, db, s)
		}
		for words, want := range map[string]int{
			"red": 1, "ball RED": 1, "red boat": 0, "b": 3, "黄色": 1, "حمراء": 1, "100%": 1, "%": 1, "a_b": 1, "_": 1, `\`: 1, "ärger": 1, "seed": 0, "reel": 0, "": 6,
		} {
			jobs, _, err := db.Jobs(t.Context(), store.JobFilter{Project: 1, Words: strings.Fields(words)})
			if err != nil || len(jobs) != want {
				t.Errorf("%q finds %d, want %d: %v", words, len(jobs), want, err)
			}
		}
	})
}

// TestMoveBefore: a waiting job goes before another one, with its priority, and the
// others keep their order; then the workers take them so.
func TestMoveBefore(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		ctx := t.Context()
		var all []job.Job
		for i := range 5 {
			s := submission(1)
			if i == 0 {
				s.Job.Priority = 9
			}
			all = append(all, submit(t, db, s))
		}
		other := submit(t, db, submission(2))
		if err := db.MoveBefore(ctx, 1, all[4].ID, all[2].ID); err != nil {
			t.Fatal(err)
		}
		if err := db.MoveBefore(ctx, 1, all[1].ID, all[0].ID); err != nil { // to a higher priority
			t.Fatal(err)
		}
		if got := get(t, db, all[1]); got.Priority != 9 || got.Revision < 2 {
			t.Errorf("it has priority %d, revision %d", got.Priority, got.Revision)
		}
		for _, bad := range []struct {
			id, before job.ID
			code       job.Code
		}{{all[0].ID, all[0].ID, job.Invalid}, {all[0].ID, other.ID, job.NotFound}, {other.ID, all[0].ID, job.NotFound}} {
			if err := db.MoveBefore(ctx, 1, bad.id, bad.before); job.CodeOf(err) != bad.code {
				t.Errorf("%d before %d: %v", bad.id, bad.before, err)
			}
		}
		var got []job.ID
		for range 6 {
			if j := claim(t, db); j.Project == 1 {
				got = append(got, j.ID)
			}
		}
		if want := []job.ID{all[1].ID, all[0].ID, all[4].ID, all[2].ID, all[3].ID}; !slices.Equal(got, want) {
			t.Errorf("they ran as %v, want %v", got, want)
		}
		if err := db.MoveBefore(ctx, 1, all[0].ID, all[1].ID); job.CodeOf(err) != job.Conflict {
			t.Errorf("while they run: %v", err)
		}
	})
}
