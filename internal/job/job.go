// Package job says what a job is: what is asked for, the states it passes
// through, what comes of it, and the errors that its owner is told. It is the
// language that the store, the workers and the HTTP APIs share.
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
	MaxAttempts    = 10   // that a job may be configured to get
	MaxPriority    = 9    // 0 is the lowest; jobs start at DefaultPriority

	DefaultPriority = 5
	DefaultAttempts = 3
)

// ID names a job. It is random, has 16 decimal digits, and is below 2^53, so
// that it survives every JSON parser; it is no secret, as every look-up is
// bound to a project.
type ID int64

// Bounds of an ID.
const (
	MinID ID = 1_000_000_000_000_000
	MaxID ID = 1<<53 - 1
)

// String is the ID in decimal, the form of MiniMax's task_id.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads an ID in decimal, after the prefix that an API puts before it
// ("job_", "video_", or "").
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
	Video     Kind = "video"   // a clip
	Image     Kind = "image"   // one or more stills
	Expansion Kind = "context" // a structured prompt, by the configured chat upstream
)

// API is the door a job came through. Its answers and callbacks are in that
// API's form.
type API string

// The APIs.
const (
	MiniMaxV1 API = "minimax-v1"
	MiniMaxV2 API = "minimax-v2"
	OpenAI    API = "openai"
	Native    API = "native"
)

// Spec is what is asked for, made definite and checked: it is kept as JSON, and
// the same Spec gives the same media.
type Spec struct {
	Kind   Kind   `json:"kind"`
	Model  string `json:"model"`  // the public name that was asked for
	Engine string `json:"engine"` // the local model that runs it
	Prompt string `json:"prompt"` // what the engine is told
	// Asked is the prompt as the customer wrote it, where it differs.
	Asked    string  `json:"asked,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	Width    int     `json:"width,omitempty"`  // pixels; 0 is native
	Height   int     `json:"height,omitempty"` // pixels; 0 is native
	FPS      int     `json:"fps,omitempty"`    // 0 is native
	Seed     uint64  `json:"seed"`
	Steps    int     `json:"steps,omitempty"`    // 0 is the model's default
	Guidance float32 `json:"guidance,omitempty"` // 0 is the model's default
	// FirstFrame is the blob key of the first frame, a PNG that was decoded,
	// checked and encoded again by the platform; "" for none.
	FirstFrame string `json:"first_frame,omitempty"`
	// After is a finished job of the same project whose film this one goes on
	// from; with Join the result is both, one after the other.
	After ID   `json:"after,omitempty"`
	Join  bool `json:"join,omitempty"`
	// Count is the number of images of an image job.
	Count int `json:"count,omitempty"`
	// ImageType is the media type of the images of an image job, image/png or
	// image/jpeg; "" is image/png.
	ImageType string `json:"image_type,omitempty"`
	// Watermark asks for a visible mark that a model made this.
	Watermark bool `json:"watermark,omitempty"`
	// Resolution, Ratio and Size are what the API's own answer repeats.
	Resolution string `json:"resolution,omitempty"`
	Ratio      string `json:"ratio,omitempty"`
	// TaskType is MiniMax V2's word for what was asked for.
	TaskType string `json:"task_type,omitempty"`
	// RemixOf is the job whose prompt was changed, for the APIs that show it.
	RemixOf ID `json:"remix_of,omitempty"`
	// Inputs counts what the customer gave, for usage reports.
	InputImages  int     `json:"input_images,omitempty"`
	InputSeconds float64 `json:"input_seconds,omitempty"`
	// Notes say where the result differs from what might be expected, such as
	// frames that are upscaled. Every API shows them.
	Notes []string `json:"notes,omitempty"`
	// PromptNotes say the same of the prompt: they go with it when another takes
	// its place.
	PromptNotes []string `json:"prompt_notes,omitempty"`
	// Metadata is the customer's own, given back as it came.
	Metadata map[string]string `json:"metadata,omitempty"`
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

// Result is what came of a job.
type Result struct {
	Files    []File  `json:"files,omitempty"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	FPS      int     `json:"fps,omitempty"`
	Frames   int     `json:"frames,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	Seed     uint64  `json:"seed"`
	Upscaled bool    `json:"upscaled,omitempty"`
	Text     string  `json:"text,omitempty"`   // of a context job
	Failed   int     `json:"failed,omitempty"` // images that were refused
	// Notes say where the result differs from what was to be expected when the
	// job was accepted, such as a film that is no MP4.
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

// Job is a job as the store knows it.
type Job struct {
	ID       ID    `json:"id"`
	Project  int64 `json:"project"`
	Key      int64 `json:"key"` // the API key that submitted it
	API      API   `json:"api"`
	Spec     Spec  `json:"spec"`
	State    State `json:"state"`
	Priority int   `json:"priority"`

	Attempt     int    `json:"attempt"` // of running it: 1 is the first; 0 before that
	MaxAttempts int    `json:"max_attempts"`
	Worker      string `json:"worker,omitempty"` // who runs it
	// CancelAsked says that its owner wants it to stop; the worker sees this
	// with its next heartbeat.
	CancelAsked bool          `json:"cancel_asked,omitempty"`
	Phase       string        `json:"phase,omitempty"`    // "preparing", "sampling", "drawing", "storing"
	Progress    float64       `json:"progress"`           // 0 to 1
	Left        time.Duration `json:"left,omitempty"`     // expected until the end; 0 when unknown
	Result      *Result       `json:"result,omitempty"`   // once it succeeded
	Error       *Error        `json:"error,omitempty"`    // once it failed, or why it was refused
	Latents     string        `json:"latents,omitempty"`  // blob key of latents of a sampling that was over
	Preview     string        `json:"preview,omitempty"`  // blob key of the latest preview frame
	Callback    string        `json:"callback,omitempty"` // MiniMax's callback_url

	Price    int64 `json:"price"`    // millionths of a dollar, reserved at submit
	Sponsor  bool  `json:"sponsor"`  // may show a sponsor while it waits
	Revision int64 `json:"revision"` // counts changes, for followers

	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"` // of the last attempt
	FinishedAt time.Time `json:"finished_at,omitzero"`
	UpdatedAt  time.Time `json:"updated_at"`
	// ExpiresAt is when a queued job gives up, or a finished one's files go.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Percent is the progress as a whole number, 100 only when the job succeeded.
func (j *Job) Percent() int {
	if j.State == Succeeded {
		return 100
	}
	return min(99, max(0, int(100*j.Progress)))
}

// Notes say where the result differs from what might be expected: what was
// known when the job came, and what its making added.
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
