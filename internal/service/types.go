package service

import (
	"io"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Submission is a job to be accepted.
type Submission struct {
	API  job.API
	Spec job.Spec
	// Priority within the project, 0 to job.MaxPriority; nil is the default.
	Priority *int
	// Callback is a URL that is told of each change of state, in MiniMax's form.
	// It has to answer a challenge first.
	Callback string
	// IdempotencyKey makes a repeated request the same job.
	IdempotencyKey string
	// Expand is how the prompt is expanded before the model is given it.
	Expand Expansion
	// RequestID is that of the request, for the log of a chat upstream.
	RequestID string
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

// SpeechRequest asks for speech.
type SpeechRequest struct {
	Model, Text, Voice  string
	Speed, Volume       float64 // 1 is normal
	Pitch               int     // semitones, ±12
	Language            string
	Format              string // mp3, pcm, flac, wav
	SampleRate, BitRate int
	Channels            int
	// Keep has the speech kept as one of the project's files too.
	Keep      bool
	RequestID string // for the log of a speech upstream
	// Live, if not nil, gets the sound as it is made, by voices that can do that; what
	// it got is not in the result.
	Live io.Writer
}

// SpeechResult is speech.
type SpeechResult struct {
	Data       []byte
	Format     string
	Duration   time.Duration
	SampleRate int
	Channels   int
	BitRate    int
	Characters int        // billed
	File       store.File // with SpeechRequest.Keep
	Voice      string     // the id of the voice, where it is one of this server
	Speaker    string     // what spoke with it: kinora or espeak-ng
	Size       int64      // bytes of sound, those that went to Live included
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

// WhyNot is the error of a job that ended without a result, nil for others.
func WhyNot(j *job.Job) *job.Error {
	switch {
	case !j.State.Final() || j.State == job.Succeeded:
		return nil
	case j.State == job.Cancelled:
		return job.Errorf(job.IsCancelled, "", "it was cancelled by its owner")
	case j.State == job.Expired:
		return job.Errorf(job.IsExpired, "", "it waited in the queue for longer than it may: ask for it again")
	case j.Error != nil:
		return j.Error
	}
	return job.AsError(nil)
}
