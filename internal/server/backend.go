package server

import (
	"context"
	"io"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// Backend is what the handlers of all APIs stand on. Errors are *job.Error,
// which each API puts into its own form; those of other types are defects and
// are shown as job.Internal. Whatever belongs to another project is not found.
type Backend interface {
	// Submit accepts a job: the prompt is moderated and expanded, the price
	// reserved, and job and queue entry are one transaction.
	Submit(ctx context.Context, who auth.Principal, s service.Submission) (job.Job, error)
	Job(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error)
	// Jobs lists the project's jobs and says how many match in all.
	Jobs(ctx context.Context, who auth.Principal, f store.JobFilter) ([]job.Job, int, error)
	// Cancel stops a queued job at once and a running one within seconds; a
	// finished one is a Conflict.
	Cancel(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error)
	// Delete removes a finished job and its files; another is a Conflict.
	Delete(ctx context.Context, who auth.Principal, id job.ID) error
	// Position is how many jobs will start before a queued one; store.MaxPosition
	// means that many or more.
	Position(ctx context.Context, id job.ID) (int, error)
	// StartWaiting counts one more of the project's requests that wait for jobs;
	// done counts it off. Where there are too many it is RateLimited. Wait and
	// Follow are for those who are counted.
	StartWaiting(who auth.Principal) (done func(), err error)
	// Wait blocks until the job is final or ctx ends, and returns its latest known
	// state: that of j, where ctx ended before the first look.
	Wait(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error)
	// Follow calls yield with the job now and after each change, until it is
	// final, ctx ends or yield returns false.
	Follow(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error

	// Picture fetches, checks and keeps an image that a request names: an
	// http(s) URL, a data: URI, mm_file://ID or, with prefix "file:", the ID of
	// an uploaded file. param is the field to name in errors. It returns the
	// blob key of a PNG and its size in pixels.
	Picture(ctx context.Context, who auth.Principal, param, ref string, rules service.PictureRules) (service.Picture, error)
	// PictureFrom does the same with bytes that came in the request.
	PictureFrom(ctx context.Context, who auth.Principal, param string, r io.Reader, rules service.PictureRules) (service.Picture, error)

	// CopyPicture keeps a picture that was kept once more, for a job that starts
	// from the same as another: each goes with its own job. It returns the key of
	// the copy; job.NotFound when there is nothing to copy any more.
	CopyPicture(ctx context.Context, key string) (string, error)

	AddFile(ctx context.Context, who auth.Principal, f service.NewFile, r io.Reader) (store.File, error)
	File(ctx context.Context, who auth.Principal, id int64) (store.File, error)
	// Files lists a page of the project's files, whatever project f says.
	Files(ctx context.Context, who auth.Principal, f store.FileFilter) ([]store.File, error)
	DeleteFile(ctx context.Context, who auth.Principal, id int64) error
	// OpenBlob opens stored bytes; the reader seeks, for range requests.
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
	// FileURL is a signed URL of a file, good for the time given, that needs no
	// key. It begins with base, or with the configured address where that is "".
	FileURL(base string, f store.File, good time.Duration) string
	// BlobURL is the same for a file of a result.
	BlobURL(base string, f job.File, good time.Duration) string

	// Offers are the public models, as the configuration has them.
	Offers() []service.Offer
	// Offer finds one by its public name: job.Error NotFound says which there are.
	Offer(name string) (service.Offer, error)
	// Chat moderates a request and forwards it to the chat upstream; without one
	// it is Unsupported.
	Chat(ctx context.Context, who auth.Principal, r service.ChatRequest) (*service.ChatAnswer, error)
	// HasChat says whether there is a chat upstream.
	HasChat() bool
	// Speak makes speech, by espeak-ng or the configured upstream. It is charged
	// when it is there, and with SpeechRequest.Keep its file too.
	Speak(ctx context.Context, who auth.Principal, r service.SpeechRequest) (service.SpeechResult, error)
	// Voices are those that Speak speaks with.
	Voices(ctx context.Context, requestID string) (service.Voices, error)
	// Usage is what the plan has left, for token_plan/remains.
	Usage(ctx context.Context, who auth.Principal) (service.Allowance, error)
}
