package native

import (
	"context"
	"io"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// Service is what the API stands on, as service.Service has it. Hooks,
// Tenants and Reports are beside it.
type Service interface {
	Jobs
	Files
	Links
	Picture(ctx context.Context, who auth.Principal, param, ref string, rules service.PictureRules) (service.Picture, error)
	Sounds(ctx context.Context, who auth.Principal, s *job.Spec, r service.SoundRequest) error
	DropInputs(ctx context.Context, s *job.Spec)
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
	Offers() []service.Offer
	Offer(name string) (service.Offer, error)
	Usage(ctx context.Context, who auth.Principal) (service.Allowance, error)
	// Typical is how long the server takes for a second of a model's video.
	Typical(ctx context.Context, o service.Offer) (time.Duration, error)
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
	Follow(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error
	Quote(ctx context.Context, who auth.Principal, s service.Submission) (service.Quote, error)
	Again(ctx context.Context, who auth.Principal, id job.ID, idempotencyKey string) (job.Job, error)
	Label(ctx context.Context, who auth.Principal, id job.ID, l store.Labels) (job.Job, error)
	MoveBefore(ctx context.Context, who auth.Principal, id, before job.ID) error
	FollowProject(project int64) (changes *store.Changes, stop func())
	InFlight(ctx context.Context, project int64) ([]store.Standing, error)
	Positions(ctx context.Context, ids []job.ID) (map[job.ID]int, error)
}

// Files keeps what customers upload.
type Files interface {
	AddFile(ctx context.Context, who auth.Principal, f service.NewFile, r io.Reader) (store.File, error)
	File(ctx context.Context, who auth.Principal, id int64) (store.File, error)
	Files(ctx context.Context, who auth.Principal, f store.FileFilter) ([]store.File, error)
	DeleteFile(ctx context.Context, who auth.Principal, id int64) error
}

// Links makes signed links. base is what they begin with; "" is the
// configured address.
type Links interface {
	FileURL(base string, f store.File, good time.Duration) string
	BlobURL(base string, f job.File, good time.Duration) string
}
