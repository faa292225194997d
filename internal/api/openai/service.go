package openai

import (
	"context"
	"io"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// Service is what the API stands on, as service.Service has it.
type Service interface {
	Jobs
	Media
	Offers() []service.Offer
	Offer(name string) (service.Offer, error)
	ChatOffers() []service.ChatOffer
}

// Jobs makes jobs and follows them.
type Jobs interface {
	Submit(ctx context.Context, who auth.Principal, s service.Submission) (job.Job, error)
	Job(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error)
	Jobs(ctx context.Context, who auth.Principal, f store.JobFilter) ([]job.Job, int, error)
	Cancel(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error)
	Delete(ctx context.Context, who auth.Principal, id job.ID) error
	Position(ctx context.Context, id job.ID) (int, error)
	StartWaiting(who auth.Principal) (done func(), err error)
	Wait(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error)
}

// Media keeps first frames and opens results.
type Media interface {
	Picture(ctx context.Context, who auth.Principal, param, ref string, rules service.PictureRules) (service.Picture, error)
	PictureFrom(ctx context.Context, who auth.Principal, param string, r io.Reader, rules service.PictureRules) (service.Picture, error)
	CopyPicture(ctx context.Context, key string) (string, error)
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
}
