// Package job defines a job: the request, the states it passes through, its
// result, and the errors its owner sees. The store, the workers and the HTTP APIs
// share these types.
//
// It holds no I/O: no database, no network, no clock.
package job

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of every job, whatever the API that took it.
const (
	MaxPromptChars = 7000 // characters; an API may allow fewer
	MaxSeconds     = 60   // of video
	MaxImages      = 9    // of one image job
	MaxAttempts    = 10   // the most attempts that may be configured
	MaxPriority    = 9    // 0 is the lowest; jobs start at DefaultPriority

	DefaultPriority = 5
	DefaultAttempts = 3
)

// ID identifies a job. It is random, has 16 decimal digits and is below 2^53, so
// that every JSON parser keeps it exact. It is no secret, as every look-up is
// bound to a project.
type ID int64

// Bounds of an ID.
const (
	MinID ID = 1_000_000_000_000_000
	MaxID ID = 1<<53 - 1
)

// String is the ID in decimal, the form of MiniMax's task_id.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID parses a decimal ID with the prefix of an API ("job_", "video_", or
// "").
func ParseID(s, prefix string) (ID, error) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || ID(n) < MinID || ID(n) > MaxID || len(digits) != 16 {
		return 0, &Error{Code: NotFound, Message: fmt.Sprintf("there is no job %.40q", s)}
	}
	return ID(n), nil
}

// Kind is what a job makes.
type Kind string

// Kinds of jobs.
const (
	Video     Kind = "video"   // a video
	Image     Kind = "image"   // one or more stills
	Expansion Kind = "context" // a structured prompt from the configured chat upstream
)

// API is the API that a job came through. Its answers and callbacks have that
// API's form.
type API string

// The APIs.
const (
	MiniMaxV1 API = "minimax-v1"
	MiniMaxV2 API = "minimax-v2"
	OpenAI    API = "openai"
	Native    API = "native"
)

// Spec is a complete and checked request. It is stored as JSON, and the same Spec
// gives the same media.
type Spec struct {
	Kind   Kind   `json:"kind"`
	Model  string `json:"model"`  // the public name in the request
	Engine string `json:"engine"` // the local model that runs it
	Prompt string `json:"prompt"` // the prompt for the engine
	// Asked is the prompt as the customer wrote it, if it differs.
	Asked    string  `json:"asked,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	Width    int     `json:"width,omitempty"`  // pixels; 0 is native
	Height   int     `json:"height,omitempty"` // pixels; 0 is native
	FPS      int     `json:"fps,omitempty"`    // 0 is native
	Seed     uint64  `json:"seed"`
	Steps    int     `json:"steps,omitempty"`    // 0 is the model's default
	Guidance float32 `json:"guidance,omitempty"` // 0 is the model's default
	// FirstFrame is the blob key of the first frame, a PNG that the platform
	// decoded, checked and encoded again; "" for none.
	FirstFrame string `json:"first_frame,omitempty"`
	// After is a finished job of the same project whose video this job continues.
	// With Join the result is both videos, one after the other.
	After ID   `json:"after,omitempty"`
	Join  bool `json:"join,omitempty"`
	// Count is the number of images of an image job.
	Count int `json:"count,omitempty"`
	// ImageType is the media type of the images of an image job, image/png or
	// image/jpeg; "" is image/png.
	ImageType string `json:"image_type,omitempty"`
	// Watermark asks for a visible mark that the video is made by a model.
	Watermark bool `json:"watermark,omitempty"`
	// Resolution and Ratio are repeated in the API's answer.
	Resolution string `json:"resolution,omitempty"`
	Ratio      string `json:"ratio,omitempty"`
	// TaskType is MiniMax V2's word for the kind of request.
	TaskType string `json:"task_type,omitempty"`
	// RemixOf is the job whose prompt was changed to make this one, for the APIs
	// that show it.
	RemixOf ID `json:"remix_of,omitempty"`
	// Narration is spoken over a video, Sound is a track for it, and OwnSound says
	// what becomes of the sound that the model makes: "mix", "off", or "" for the
	// usual.
	Narration *Narration `json:"narration,omitempty"`
	Sound     *Sound     `json:"sound,omitempty"`
	OwnSound  string     `json:"own_sound,omitempty"`
	// InputImages and InputSeconds count the customer's inputs, for usage
	// reports.
	InputImages  int     `json:"input_images,omitempty"`
	InputSeconds float64 `json:"input_seconds,omitempty"`
	// Notes say where the result will differ from what the customer may expect,
	// such as upscaled frames. Every API shows them.
	Notes []string `json:"notes,omitempty"`
	// PromptNotes are the notes that concern the prompt. When another prompt
	// replaces it, they are replaced with it.
	PromptNotes []string `json:"prompt_notes,omitempty"`
	// Metadata is the customer's own data, returned unchanged.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Narration is speech over a video. It was spoken when the job was submitted.
type Narration struct {
	Text       string  `json:"text,omitempty"` // as the customer wrote it; "" is the prompt
	Voice      string  `json:"voice,omitempty"`
	Language   string  `json:"language,omitempty"`
	Fit        string  `json:"fit,omitempty"`
	Key        string  `json:"key"`        // blob key of the speech, a WAV
	SpokenBy   string  `json:"spoken_by"`  // the voice that spoke
	Seconds    float64 `json:"seconds"`    // of speech
	Characters int     `json:"characters"` // that were spoken, for the price
}

// Sound is a track for a video, which the platform decoded, cut and encoded again.
type Sound struct {
	Key    string  `json:"key"`             // blob key, a WAV
	Start  float64 `json:"start,omitempty"` // seconds of the customer's file before it
	Volume float64 `json:"volume"`
}

// Inputs are the blob keys of what the job needs and no file of the project's is.
func (s *Spec) Inputs() (keys []string) {
	if s.FirstFrame != "" {
		keys = append(keys, s.FirstFrame)
	}
	if s.Narration != nil {
		keys = append(keys, s.Narration.Key)
	}
	if s.Sound != nil {
		keys = append(keys, s.Sound.Key)
	}
	return keys
}

// Role is what a file of a result is for.
type Role string

// Roles of files.
const (
	RoleVideo       Role = "video"
	RoleImage       Role = "image"
	RoleThumbnail   Role = "thumbnail"
	RoleSpritesheet Role = "spritesheet"
)

// File is a file of a result. Its bytes are in the blob store under Key.
type File struct {
	ID          int64  `json:"id"`
	Role        Role   `json:"role"`
	Key         string `json:"key"`
	ContentType string `json:"content_type"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"` // hex
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
}

// Result is the result of a job.
type Result struct {
	Files    []File  `json:"files,omitempty"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	FPS      int     `json:"fps,omitempty"`
	Frames   int     `json:"frames,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	Seed     uint64  `json:"seed"`
	Upscaled bool    `json:"upscaled,omitempty"`
	Text     string  `json:"text,omitempty"`   // of a job of kind Expansion
	Failed   int     `json:"failed,omitempty"` // images that were refused
	// Notes say where the result differs from what was expected when the job was
	// accepted, such as a video that is no MP4.
	Notes []string `json:"notes,omitempty"`
}

// File returns the first file of a role.
func (r *Result) File(role Role) (File, bool) {
	if r != nil {
		for _, f := range r.Files {
			if f.Role == role {
				return f, true
			}
		}
	}
	return File{}, false
}

// Job is a job as it is stored.
type Job struct {
	ID       ID    `json:"id"`
	Project  int64 `json:"project"`
	Key      int64 `json:"key"` // the API key that submitted it
	API      API   `json:"api"`
	Spec     Spec  `json:"spec"`
	State    State `json:"state"`
	Priority int   `json:"priority"`

	Attempt     int    `json:"attempt"` // number of the attempt, from 1; 0 before the first
	MaxAttempts int    `json:"max_attempts"`
	Worker      string `json:"worker,omitempty"` // the worker that runs it
	// CancelAsked says that its owner cancelled it; the worker sees this with its
	// next heartbeat.
	CancelAsked bool          `json:"cancel_asked,omitempty"`
	Phase       string        `json:"phase,omitempty"`    // "preparing", "sampling", "drawing", "storing"
	Progress    float64       `json:"progress"`           // 0 to 1
	Left        time.Duration `json:"left,omitempty"`     // expected until the end; 0 when unknown
	Result      *Result       `json:"result,omitempty"`   // once it succeeded
	Error       *Error        `json:"error,omitempty"`    // once it failed, or why it was refused
	Latents     string        `json:"latents,omitempty"`  // blob key of latents of a finished sampling
	Preview     string        `json:"preview,omitempty"`  // blob key of the latest preview frame
	Callback    string        `json:"callback,omitempty"` // MiniMax's callback_url

	Price   int64 `json:"price"`             // millionths of a dollar, reserved at submit
	Sponsor bool  `json:"sponsor"`           // may show a sponsor while it waits
	Starred bool  `json:"starred,omitempty"` // by its owner
	// Tags are its owner's, each once, in order.
	Tags     []string `json:"tags,omitempty"`
	Revision int64    `json:"revision"` // incremented by each change, for followers

	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"` // of the last attempt
	FinishedAt time.Time `json:"finished_at,omitzero"`
	UpdatedAt  time.Time `json:"updated_at"`
	// ExpiresAt is when a queued job expires, or when the files of a finished one
	// are deleted.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Percent is the progress in percent. It is 100 only when the job succeeded.
func (j *Job) Percent() int {
	if j.State == Succeeded {
		return 100
	}
	return min(99, max(0, int(100*j.Progress)))
}

// Notes are all notes on where the result differs from what may be expected:
// those known when the job was accepted, and those of its result.
func (j *Job) Notes() []string {
	notes := slices.Concat(j.Spec.PromptNotes, j.Spec.Notes)
	if j.Result != nil {
		notes = append(notes, j.Result.Notes...)
	}
	return notes
}

// Prompt is the prompt as its owner wrote it.
func (j *Job) Prompt() string {
	if j.Spec.Asked != "" {
		return j.Spec.Asked
	}
	return j.Spec.Prompt
}
