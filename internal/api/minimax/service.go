package minimax

import (
	"context"
	"io"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// Jobs makes jobs and follows them.
type Jobs interface {
	Submit(ctx context.Context, who auth.Principal, s service.Submission) (job.Job, error)
	Job(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error)
	Jobs(ctx context.Context, who auth.Principal, f store.JobFilter) ([]job.Job, int, error)
	Cancel(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error)
	Delete(ctx context.Context, who auth.Principal, id job.ID) error
	StartWaiting(who auth.Principal) (done func(), err error)
	Wait(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error)
}

// Files keeps what customers upload.
type Files interface {
	AddFile(ctx context.Context, who auth.Principal, f service.NewFile, r io.Reader) (store.File, error)
	File(ctx context.Context, who auth.Principal, id int64) (store.File, error)
	Files(ctx context.Context, who auth.Principal, f store.FileFilter) ([]store.File, error)
	DeleteFile(ctx context.Context, who auth.Principal, id int64) error
	FileURL(base string, f store.File, good time.Duration) string
}

// Media keeps first frames and opens results.
type Media interface {
	Picture(ctx context.Context, who auth.Principal, param, ref string, rules service.PictureRules) (service.Picture, error)
	CopyPicture(ctx context.Context, key string) (string, error)
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
	BlobURL(base string, f job.File, good time.Duration) string
}

// Talk is the chat models, and speech.
type Talk interface {
	HasChat() bool
	TalksHere(model string) bool
	Answer(ctx context.Context, who auth.Principal, t service.TalkRequest) (service.TalkAnswer, error)
	Chat(ctx context.Context, who auth.Principal, r service.ChatRequest) (*service.ChatAnswer, error)
	Speak(ctx context.Context, who auth.Principal, r service.SpeechRequest) (service.SpeechResult, error)
	Voices(ctx context.Context, requestID string) (service.Voices, error)
}

// Service is what MiniMax's APIs stand on, as service.Service has it.
type Service interface {
	Jobs
	Files
	Media
	Talk
	Offer(name string) (service.Offer, error)
	Usage(ctx context.Context, who auth.Principal) (service.Allowance, error)
}
