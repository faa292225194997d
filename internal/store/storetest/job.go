package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// ChangeJob changes a job directly, for instance to a state that no transition
// leads to, and increments its revision. Followers in this process are not woken.
func ChangeJob(ctx context.Context, t testing.TB, db *store.DB, project int64, id job.ID, change func(*job.Job)) {
	j, err := db.Job(ctx, project, id)
	if err != nil {
		t.Errorf("job %d: %v", id, err)
		return
	}
	was := j.State
	change(&j)
	text := func(v any, none bool) string {
		if none {
			return ""
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("job %d: %v", id, err)
		}
		return string(b)
	}
	millis := func(at time.Time) int64 {
		if at.IsZero() {
			return 0
		}
		return at.UnixMilli()
	}
	bit := map[bool]int{true: 1}
	in := func(s job.State) int { return bit[j.State == s] - bit[was == s] }
	err = db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET api = $1, spec = $2, task_type = $3, state = $4, attempt = $5, cancel_asked = $6, phase = $7, progress = $8,
			left_ms = $9, result = $10, error = $11, preview = $12, sponsor = $13, created_at = $14, finished_at = $15, updated_at = $16, expires_at = $17,
			revision = revision + 1 WHERE id = $18`,
			string(j.API), text(j.Spec, false), j.Spec.TaskType, string(j.State), j.Attempt, bit[j.CancelAsked], j.Phase, j.Progress,
			j.Left.Milliseconds(), text(j.Result, j.Result == nil), text(j.Error, j.Error == nil), j.Preview, bit[j.Sponsor],
			millis(j.CreatedAt), millis(j.FinishedAt), millis(j.UpdatedAt), millis(j.ExpiresAt), int64(id))
		if err == nil {
			_, err = tx.ExecContext(ctx, "UPDATE project_load SET queued = queued + $1, running = running + $2 WHERE project = $3", in(job.Queued), in(job.Running), project)
		}
		return err
	})
	if err != nil {
		t.Errorf("job %d: %v", id, err)
	}
}

// DropJob deletes a job's row directly.
func DropJob(ctx context.Context, t testing.TB, db *store.DB, id job.ID) {
	err := db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = $1", int64(id))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
