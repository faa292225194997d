package native

import (
	"context"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// jobPrefix begins the ids of jobs.
const jobPrefix = "job_"

// Job is a job as the native API shows it.
type Job struct {
	ID            string            `json:"id" doc:"Names the job, as \"job_\" and 16 digits." example:"job_4503599627370496"`
	API           job.API           `json:"api" doc:"The API that the job came through."`
	Kind          job.Kind          `json:"kind" enum:"video,image,context" doc:"What it makes."`
	Model         string            `json:"model" doc:"The public name of the model that was asked for."`
	Engine        string            `json:"engine" doc:"The local model that runs it."`
	State         job.State         `json:"state" enum:"queued,running,succeeded,failed,cancelled,expired" doc:"Where it stands. The last four are final."`
	CancelAsked   bool              `json:"cancel_asked,omitempty" doc:"It is running and is about to stop."`
	Prompt        string            `json:"prompt" doc:"As it was written."`
	Drawn         string            `json:"drawn,omitempty" doc:"The prompt that the model is given, where it is another one."`
	Seconds       float64           `json:"seconds,omitempty" doc:"The length of the video that is made."`
	Width         int               `json:"width,omitempty" doc:"In pixels."`
	Height        int               `json:"height,omitempty" doc:"In pixels."`
	FPS           int               `json:"fps,omitempty" doc:"Frames a second."`
	Seed          uint64            `json:"seed" doc:"The same seed and request give the same media."`
	Steps         int               `json:"steps,omitempty" doc:"Of sampling, where they were given."`
	Guidance      float32           `json:"guidance,omitempty" doc:"How closely the prompt is followed, where it was given."`
	Count         int               `json:"count,omitempty" doc:"How many images."`
	After         string            `json:"after,omitempty" doc:"The job whose video this one goes on from."`
	Join          bool              `json:"join,omitempty" doc:"The result is both videos, one after the other."`
	RemixOf       string            `json:"remix_of,omitempty" doc:"The job that this one makes again from another prompt."`
	Watermark     bool              `json:"watermark,omitempty" doc:"A visible mark says that a model made it."`
	Narration     *Narration        `json:"narration,omitempty" doc:"The speech over the video."`
	Sound         *Sound            `json:"sound,omitempty" doc:"The track of the video."`
	OwnSound      string            `json:"own_sound,omitempty" doc:"What becomes of the sound that the model makes: mix or off, where it was given."`
	Priority      int               `json:"priority" doc:"Among the project's jobs, 0 to 9."`
	Attempt       int               `json:"attempt" doc:"Of running it: 1 is the first, 0 before that."`
	MaxAttempts   int               `json:"max_attempts" doc:"How often it is tried before it fails."`
	Percent       int               `json:"percent" doc:"Progress. 100 only once it succeeded."`
	Phase         string            `json:"phase,omitempty" doc:"What a running job does: preparing, sampling, drawing, storing."`
	SecondsLeft   float64           `json:"seconds_left,omitempty" doc:"Expected until the end, where that is known."`
	QueuePosition *int              `json:"queue_position,omitempty" doc:"How many jobs start before this one, while it is queued; 1000 means that many or more. Not in lists."`
	PreviewURL    string            `json:"preview_url,omitempty" doc:"The latest frame while it runs: a signed link that needs no key."`
	Sponsor       *SponsorLine      `json:"sponsor,omitempty" doc:"What a project on a sponsored plan shows while it waits. Not in lists."`
	Result        *Result           `json:"result,omitempty" doc:"What came of it, once it succeeded."`
	Error         *JobError         `json:"error,omitempty" doc:"Why there is no result."`
	Notes         []string          `json:"notes,omitempty" doc:"Where the result differs from what might be expected, such as frames that are enlarged."`
	Metadata      map[string]string `json:"metadata,omitempty" doc:"Yours, as you sent it."`
	PriceUSD      string            `json:"price_usd" doc:"In dollars: what was set aside for it, and is charged when it succeeds." example:"0.27"`
	Starred       bool              `json:"starred" doc:"It has a star."`
	Tags          []string          `json:"tags" doc:"Yours."`
	Revision      int64             `json:"revision" doc:"Counts the changes of the job."`
	CreatedAt     time.Time         `json:"created_at"`
	StartedAt     *time.Time        `json:"started_at,omitempty" doc:"Of the latest attempt."`
	FinishedAt    *time.Time        `json:"finished_at,omitempty"`
	ExpiresAt     *time.Time        `json:"expires_at,omitempty" doc:"When a queued job gives up, or a finished one's files go."`
}

// Result is what came of a job.
type Result struct {
	Files    []resultFile `json:"files,omitempty"`
	Width    int          `json:"width,omitempty"`
	Height   int          `json:"height,omitempty"`
	FPS      int          `json:"fps,omitempty"`
	Frames   int          `json:"frames,omitempty"`
	Seconds  float64      `json:"seconds,omitempty"`
	Seed     uint64       `json:"seed"`
	Upscaled bool         `json:"upscaled,omitempty" doc:"It was made smaller and enlarged."`
	Text     string       `json:"text,omitempty" doc:"Of a context job."`
	Failed   int          `json:"failed,omitempty" doc:"Images that moderation refused."`
}

// resultFile is a file of a result.
type resultFile struct {
	Role        job.Role `json:"role" enum:"video,image,thumbnail,spritesheet"`
	URL         string   `json:"url" doc:"A signed link that needs no key and ends after a while; ask for the job again to get a fresh one. It answers range requests."`
	ContentType string   `json:"content_type"`
	Bytes       int64    `json:"bytes"`
	SHA256      string   `json:"sha256" doc:"In hex."`
	Width       int      `json:"width,omitempty"`
	Height      int      `json:"height,omitempty"`
}

// JobError says why a job has no result.
type JobError struct {
	Code    job.Code `json:"code" doc:"The kind of error, as in the errors of requests."`
	Message string   `json:"message"`
	Param   string   `json:"param,omitempty"`
}

// SponsorLine is what a job on a sponsored plan may show while it waits.
type SponsorLine struct {
	Text  string `json:"text" doc:"A line to show."`
	Image string `json:"image_url,omitempty" doc:"A picture to show beside it."`
	Link  string `json:"url,omitempty" doc:"Where it leads. It passes by this server, which counts it."`
}

// Sponsors chooses what jobs may show while they wait.
type Sponsors interface {
	// Show is what a job may show, if anything, and counts that as shown, once
	// for each job. base is what links begin with.
	Show(ctx context.Context, base string, j *job.Job) (service.SponsorText, bool)
}

// jobOf is a job in the native form. How it stands in the queue and who
// sponsors it is added by shown. base is what links begin with.
func jobOf(b Links, base string, j *job.Job) Job {
	s := &j.Spec
	out := Job{
		ID: jobPrefix + j.ID.String(), API: j.API, Kind: s.Kind, Model: s.Model, Engine: s.Engine, State: j.State,
		CancelAsked: j.CancelAsked && !j.State.Final(), Prompt: j.Prompt(), Seconds: s.Seconds, Width: s.Width, Height: s.Height, FPS: s.FPS,
		Seed: s.Seed, Steps: s.Steps, Guidance: s.Guidance, Count: s.Count, After: jobName(s.After), Join: s.Join, RemixOf: jobName(s.RemixOf),
		Watermark: s.Watermark, Priority: j.Priority, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Percent: j.Percent(),
		Notes: j.Notes(), Metadata: s.Metadata, PriceUSD: store.Dollars(j.Price).String(), Revision: j.Revision, Starred: j.Starred, Tags: append([]string{}, j.Tags...),
		CreatedAt: j.CreatedAt.UTC(), StartedAt: timeOf(j.StartedAt), FinishedAt: timeOf(j.FinishedAt), ExpiresAt: timeOf(j.ExpiresAt),
	}
	if s.Asked != "" {
		out.Drawn = s.Prompt
	}
	showSounds(&out, s)
	if j.State == job.Running {
		out.Phase, out.SecondsLeft = j.Phase, j.Left.Round(100*time.Millisecond).Seconds()
		out.PreviewURL = previewURL(b, base, j)
	}
	if r := j.Result; r != nil && j.State == job.Succeeded {
		out.Result = &Result{
			Width: r.Width, Height: r.Height, FPS: r.FPS, Frames: r.Frames, Seconds: r.Seconds, Seed: r.Seed, Upscaled: r.Upscaled, Text: r.Text, Failed: r.Failed,
		}
		for _, f := range r.Files {
			out.Result.Files = append(out.Result.Files, resultFile{
				Role: f.Role, URL: b.BlobURL(base, f, 0), ContentType: f.ContentType, Bytes: f.Bytes, SHA256: f.SHA256, Width: f.Width, Height: f.Height,
			})
		}
	}
	if e := service.WhyNot(j); e != nil {
		out.Error = &JobError{Code: e.Code, Message: e.Message, Param: e.Param}
	}
	return out
}

// previewURL links to the latest frame of a running job; "" for none.
func previewURL(b Links, base string, j *job.Job) string {
	if j.Preview == "" {
		return ""
	}
	return b.BlobURL(base, job.File{ID: int64(j.ID), Role: rolePreview, Key: j.Preview}, 0)
}

// rolePreview names the preview in links; it is no file of a result.
const rolePreview job.Role = "preview"

func jobName(id job.ID) string {
	if id == 0 {
		return ""
	}
	return jobPrefix + id.String()
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// parseNumber reads an id of 16 digits after a prefix; kind is what it names.
func parseNumber(s, prefix, kind string) (int64, error) {
	id, err := job.ParseID(s, prefix)
	if err != nil {
		return 0, job.Errorf(job.NotFound, "", "there is no %s %.40q", kind, s)
	}
	return int64(id), nil
}

// Event is an event of our own.
type Event struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Job       `json:"data"`
}

// EventOf is what is posted of an event of our own: the job as it was when
// the event happened, with links made anew.
func EventOf(links Links, d *store.Delivery) any {
	return Event{ID: d.EventID, Type: d.Event, Timestamp: d.CreatedAt.UTC(), Data: jobOf(links, "", &d.Snapshot)}
}
