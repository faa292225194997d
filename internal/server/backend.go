package server

import (
	"context"
	"io"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Backend is what the handlers of all APIs stand on. Errors are *job.Error,
// which each API puts into its own form; those of other types are defects and
// are shown as job.Internal. Whatever belongs to another project is not found.
type Backend interface {
	// Submit accepts a job: the prompt is moderated, the price reserved, and
	// job and queue entry are one transaction.
	Submit(ctx context.Context, who auth.Principal, s Submission) (job.Job, error)
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
	// Seat takes one of the project's places for requests that wait for jobs;
	// leave gives it back. Where none is free it is RateLimited. Wait and Follow
	// are for those who have one.
	Seat(who auth.Principal) (leave func(), err error)
	// Wait returns the job when it is final, or as it was seen last when ctx ends:
	// as it is in j, where that was before the first look.
	Wait(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error)
	// Follow calls yield with the job now and after each change, until it is
	// final, ctx ends or yield returns false.
	Follow(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error

	// Moderate says whether a text may be asked for. Submit does it itself; what
	// leaves the server before that, for a prompt to be expanded, is asked here.
	Moderate(ctx context.Context, who auth.Principal, text string) error

	// Picture fetches, checks and keeps an image that a request names: an
	// http(s) URL, a data: URI, mm_file://ID or, with prefix "file:", the ID of
	// an uploaded file. param is the field to name in errors. It returns the
	// blob key of a PNG and its size in pixels.
	Picture(ctx context.Context, who auth.Principal, param, ref string, rules PictureRules) (Picture, error)
	// PictureFrom does the same with bytes that came in the request.
	PictureFrom(ctx context.Context, who auth.Principal, param string, r io.Reader, rules PictureRules) (Picture, error)

	// CopyPicture keeps a picture that was kept once more, for a job that starts
	// from the same as another: each goes with its own job. It returns the key of
	// the copy; job.NotFound when there is nothing to copy any more.
	CopyPicture(ctx context.Context, key string) (string, error)

	AddFile(ctx context.Context, who auth.Principal, f NewFile, r io.Reader) (store.File, error)
	File(ctx context.Context, who auth.Principal, id int64) (store.File, error)
	// Files lists a page of the project's files, whatever project f says.
	Files(ctx context.Context, who auth.Principal, f store.FileFilter) ([]store.File, error)
	DeleteFile(ctx context.Context, who auth.Principal, id int64) error
	// OpenBlob opens stored bytes; the reader seeks, for range requests.
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
	// FileURL is a signed URL of a file, good for the time given, that needs no
	// key; absolute, from the request's host or the configured public address.
	FileURL(ctx context.Context, f store.File, good time.Duration) string
	// BlobURL is the same for a file of a result.
	BlobURL(ctx context.Context, f job.File, good time.Duration) string

	// Offers are the public models, as the configuration has them.
	Offers() []Offer
	// Offer finds one by its public name: job.Error NotFound says which there are.
	Offer(name string) (Offer, error)
	// Chat forwards a request body to the configured chat upstream; without one
	// it is Unsupported.
	Chat(ctx context.Context, who auth.Principal, body []byte) (*Upstream, error)
	// HasChat says whether there is a chat upstream.
	HasChat() bool
	// Speak makes speech, by espeak-ng or the configured upstream. It is charged
	// when it is there, and with Speech.Keep its file too.
	Speak(ctx context.Context, who auth.Principal, r Speech) (Spoken, error)
	// Voices are those that Speak speaks with.
	Voices(ctx context.Context) (Voices, error)
	// Usage is what the plan has left, for token_plan/remains.
	Usage(ctx context.Context, who auth.Principal) (Allowance, error)
}

// Submission is a job to be accepted.
type Submission struct {
	API  job.API
	Spec job.Spec
	// Priority within the project, 0 to job.MaxPriority; nil is the default.
	Priority *int
	// Callback is a URL that is told of each change of state, in MiniMax's form.
	// It must have answered the challenge before (Backend does that).
	Callback string
	// IdempotencyKey makes a repeated request the same job.
	IdempotencyKey string
	// Path is the endpoint that it came to, and Body the request as it came:
	// both are hashed to tell a repeat from another request with the same key.
	Path string
	Body []byte
}

// NewFile is what is said of a file that is uploaded.
type NewFile struct {
	Purpose, Name string
	// Keep is how long it is wanted; 0, or more than the configuration keeps
	// files, is as long as that.
	Keep time.Duration
}

// PictureRules are an API's limits for images; zero values mean no limit beside
// the platform's own.
type PictureRules struct {
	MaxBytes             int64
	MinSide              int     // pixels, of the shorter side: at least this
	MinAspect, MaxAspect float64 // width over height
}

// Picture is an image that was checked and kept.
type Picture struct {
	Key           string // blob key of a PNG
	Width, Height int
	Animated      bool // it is the first picture of an animation
}

// Offer is a public model name and what stands behind it.
type Offer struct {
	Name   string  // as customers write it
	Engine string  // the local model that runs it
	API    job.API // whose rules it follows; "" for a name of our own, which all APIs take
	// Native size and rate of the engine: what is beyond is upscaled, and noted.
	Width, Height, FPS int
	// What the engine can do.
	TakesImage bool
	Created    time.Time
}

// Upstream is an answer that is passed on as it comes.
type Upstream struct {
	Status      int
	ContentType string
	Body        io.ReadCloser // may stream
}

// Speech is a request for speech.
type Speech struct {
	Model, Text, Voice  string
	Speed, Volume       float64 // 1 is normal
	Pitch               int     // semitones, ±12
	Language            string
	Format              string // mp3, pcm, flac, wav
	SampleRate, BitRate int
	Channels            int
	// Keep has the speech kept as one of the project's files too.
	Keep bool
}

// Spoken is speech.
type Spoken struct {
	Data       []byte
	Format     string
	Duration   time.Duration
	SampleRate int
	Channels   int
	BitRate    int
	Characters int        // billed
	File       store.File // with Speech.Keep
	// Notes say where it differs from what was asked for.
	Notes []string
}

// Voices are lists of voices in MiniMax's form.
type Voices struct {
	System    []SpeechVoice `json:"system_voice"`
	Cloned    []SpeechVoice `json:"voice_cloning"`
	Generated []SpeechVoice `json:"voice_generation"`
}

// SpeechVoice is a voice in MiniMax's form.
type SpeechVoice struct {
	ID      string   `json:"voice_id"`
	Name    string   `json:"voice_name,omitempty"`
	About   []string `json:"description"`
	Created string   `json:"created_time,omitempty"` // of a voice that a customer made
}

// Allowance is what a project may still spend.
type Allowance struct {
	Plan            string
	Postpaid        bool
	Balance         int64 // micros
	HasBalance      bool  // else Used is what there is to say
	Used            int64 // micros, charged so far
	Held            int64 // micros, reserved by jobs in flight
	CreditsTotal    int64 // micros, of the plan's period
	CreditsUsed     int64
	PeriodEnds      time.Time
	JobsInFlight    int
	MaxJobsInFlight int
}
