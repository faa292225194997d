package store

import (
	"context"
	"github.com/kinora-video/kinora/internal/job"
	"time"
)

func (db *DB) Reap(ctx context.Context, now time.Time, refund func(*Tx, *job.Job) error) (requeued, failed, expired int, err error) {
	return
}
