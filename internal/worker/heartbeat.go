package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
)

// report is the content of the next heartbeat. The engine writes to it from its
// own goroutine and is never blocked for long.
type report struct {
	mu      sync.Mutex
	now     store.Heartbeat
	picture image.Image // a preview that is not stored yet
	key     string      // of the previews of this attempt; "" before the first
	parts   int         // videos or images that the job makes
	part    int         // the index of the one that is being made
}

// phase sets the phase.
func (b *report) phase(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Phase = name
	b.now.Left = 0
}

// begin sets that number part of parts begins.
func (b *report) begin(part, parts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.part, b.parts = part, parts
}

// progress sets how far the current video or image is.
func (b *report) progress(p kinora.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := max(1, b.parts)
	b.now.Progress = max(b.now.Progress, (float64(b.part)+p.Overall)/float64(parts))
	b.now.Left = p.Left
	if p.Left > 0 && parts > 1 {
		b.now.Left += (p.Elapsed + p.Left) * time.Duration(parts-1-b.part)
	}
}

// preview sets the next preview to store.
func (b *report) preview(img image.Image) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.picture = img
}

func (b *report) previewKey() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.key
}

// heartbeats sends heartbeats until ctx ends. It stops the work when another
// worker has the job or its owner cancels it.
func (a *attempt) heartbeats(ctx context.Context, stop context.CancelCauseFunc) {
	changed, unfollow := a.DB.Follow(a.job.ID)
	defer unfollow()
	every := min(a.Lease/4, maxBeat)
	t := time.NewTicker(every)
	defer t.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed: // by this process: a cancellation, or a heartbeat
			if j, err := a.DB.Job(ctx, a.job.Project, a.job.ID); err == nil && j.CancelAsked && j.Attempt == a.job.Attempt {
				stop(errCancelled)
			}
			continue
		case <-t.C:
		}
		began := time.Now()
		asked, err := a.send(ctx)
		switch {
		case err == nil:
			renewed = began
			if asked {
				stop(errCancelled)
			}
		case errors.Is(err, job.ErrLate):
			stop(job.ErrLate)
			return
		case time.Since(renewed) > a.Lease:
			stop(fmt.Errorf("no heartbeat went through for %s: %w", a.Lease, job.ErrLate))
			return
		case ctx.Err() == nil:
			a.log.Warn("a heartbeat failed", "error", err)
		}
	}
}

// send sends one heartbeat, with time limits well below the lease.
func (a *attempt) send(ctx context.Context) (cancelAsked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.Lease/3)
	defer cancel()
	picture, done := context.WithTimeout(ctx, a.Lease/6)
	defer done()
	return a.DB.Heartbeat(ctx, a.job.ID, a.job.Attempt, a.Lease, a.next(picture))
}

// next returns the next heartbeat, and stores a new preview if there is one.
func (a *attempt) next(ctx context.Context) store.Heartbeat {
	b := &a.report
	b.mu.Lock()
	out, img := b.now, b.picture
	b.picture = nil
	b.mu.Unlock()
	if img == nil {
		return out
	}
	key, err := blob.KeyOf(blob.KindPreview, fmt.Sprintf("%s-%d", a.job.ID, a.job.Attempt), "image/jpeg")
	if err == nil {
		var jpeg bytes.Buffer
		if err = media.EncodeJPEG(&jpeg, img); err == nil {
			_, err = a.Blobs.Put(ctx, key, &jpeg, blob.Meta{ContentType: "image/jpeg"})
		}
	}
	if err != nil {
		a.log.Warn("a preview could not be stored", "error", err)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.picture == nil {
			b.picture = img // for the next heartbeat
		}
		return out
	}
	b.mu.Lock()
	b.key = key
	b.mu.Unlock()
	out.Preview = key
	return out
}
