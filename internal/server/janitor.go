package server

import (
	"context"
	"time"

	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
)

// How often the janitor runs, and how much it removes at a time.
const (
	janitorEvery = 10 * time.Minute
	janitorBatch = 500
)

// janitor removes expired data until ctx ends.
func (s *Server) janitor(ctx context.Context) {
	sweeper := &blob.Janitor{Store: s.blobs}
	t := time.NewTicker(janitorEvery)
	defer t.Stop()
	for {
		if err := s.clean(ctx, sweeper); err != nil && ctx.Err() == nil {
			s.log.Warn("janitor", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// clean is one round: folders of killed workers, old jobs with their media, old
// uploads, old deliveries, and media without a row.
func (s *Server) clean(ctx context.Context, sweeper *blob.Janitor) error {
	s.runner.Tidy()
	if err := s.db.WatchClock(ctx); err != nil {
		return err // nothing is removed for its age before the clock is checked
	}
	now := time.Now()
	s.tidyTemp(now)
	for {
		keys, n, err := s.db.ForgetJobs(ctx, now.Add(-s.cfg.Keep.Jobs), janitorBatch)
		if err != nil {
			return err
		}
		s.service.DropBlobs(ctx, keys)
		if n < janitorBatch {
			break
		}
	}
	for {
		files, err := s.db.ExpiredFiles(ctx, now, janitorBatch)
		if err != nil {
			return err
		}
		for _, f := range files {
			key, err := s.db.DeleteFile(ctx, f.Project, f.ID)
			if job.CodeOf(err) == job.NotFound { // its owner or another process removed it first
				continue
			}
			if err != nil {
				return err
			}
			s.service.DropBlobs(ctx, []string{key})
		}
		if len(files) < janitorBatch {
			break
		}
	}
	if n, err := s.meter.Sweep(ctx); err != nil {
		return err
	} else if n > 0 {
		s.log.Info("janitor refunded interrupted speech", "requests", n)
	}
	for {
		n, err := s.db.ForgetDeliveries(ctx, now.Add(-s.cfg.Keep.Jobs), janitorBatch)
		if err != nil {
			return err
		}
		if n < janitorBatch {
			break
		}
	}
	for _, kind := range []string{blob.KindVideo, blob.KindImage, blob.KindSound, blob.KindFile, blob.KindPreview, blob.KindLatents} {
		swept, err := sweeper.Sweep(ctx, kind+"/", time.Hour, func(key string) (bool, error) { return s.db.KnownKey(ctx, key) })
		if err != nil {
			return err
		}
		if swept.Deleted > 0 {
			s.log.Info("janitor removed media without a row", "kind", kind, "files", swept.Deleted)
		}
	}
	return nil
}
