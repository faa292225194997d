package native

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// Limits of the native API, which its description says too.
const (
	maxMetadata      = 16  // entries
	maxMetadataKey   = 64  // bytes
	maxMetadataValue = 512 // bytes
	maxWait          = 60  // seconds that GET /v1/jobs/{id}?wait= may take
)

// jobsPath is where jobs are.
const jobsPath = "/v1/jobs"

// newJob is what POST /v1/jobs takes.
type newJob struct {
	Kind      job.Kind          `json:"kind,omitempty" enum:"video,image" default:"video" doc:"What to make: a video, or images."`
	Model     string            `json:"model,omitempty" maxLength:"100" doc:"One of GET /v1/models; the server's own model where it is left out."`
	Prompt    string            `json:"prompt,omitempty" maxLength:"7000" doc:"What happens, in characters at most 7000. It may be empty with an image or after." example:"a red ball bounces on a beach at sunset"`
	Seconds   float64           `json:"seconds,omitempty" exclusiveMinimum:"0" maximum:"60" doc:"The length of a video; the model's own where it is left out. The server or the model may allow less than 60."`
	Size      string            `json:"size,omitempty" pattern:"^[0-9]{2,4}x[0-9]{2,4}$" patternDescription:"width x height of 16 to 4096, such as 1280x720" doc:"Width and height in pixels, both even, 16 to 4096; or give width and height. Left out, it is the model's native size. What is larger is made in that and enlarged, and a note says so." example:"1280x720"`
	Width     int               `json:"width,omitempty" minimum:"16" maximum:"4096" doc:"In pixels, even. Without height, the native shape is kept."`
	Height    int               `json:"height,omitempty" minimum:"16" maximum:"4096" doc:"In pixels, even. Without width, the native shape is kept."`
	FPS       int               `json:"fps,omitempty" minimum:"1" maximum:"120" doc:"Frames a second; native where it is left out. Frames are repeated or dropped, never blended."`
	Seed      *uint64           `json:"seed,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Picks one of the videos that the prompt may give; random where it is left out."`
	Steps     int               `json:"steps,omitempty" minimum:"1" maximum:"1000" doc:"Of sampling; the model's own where it is left out."`
	Guidance  float32           `json:"guidance,omitempty" minimum:"0" maximum:"100" doc:"How closely the prompt is followed; the model's own where it is left out, 1 is none."`
	Image     *imageInput       `json:"image,omitempty" doc:"The first frame of a video, cut to the model's shape."`
	After     string            `json:"after,omitempty" minLength:"1" doc:"A finished video job of the project that the new video goes on from."`
	Join      bool              `json:"join,omitempty" doc:"With after: the result is both videos, one after the other, in the size and rate of the first."`
	Narration *narrationInput   `json:"narration,omitempty" doc:"Speech over a video, from its first frame on. It costs what speech costs, beside the video."`
	Sound     *soundInput       `json:"sound,omitempty" doc:"A track for a video, such as music: cut to its length or repeated, and lower while a narration speaks."`
	OwnSound  string            `json:"own_sound,omitempty" enum:"mix,off" doc:"What becomes of the sound that the model makes. Left out, a sound replaces it, and a narration is mixed with it."`
	Count     int               `json:"count,omitempty" minimum:"1" maximum:"9" doc:"How many images; 1 where it is left out."`
	Expand    bool              `json:"expand,omitempty" doc:"Let a chat model say more of the prompt before it is drawn, or, for a model that was taught few words, say of it what comes nearest to what it knows. The job's drawn is what came of it."`
	Priority  *int              `json:"priority,omitempty" minimum:"0" maximum:"9" doc:"Among the project's own jobs: 9 goes first, 5 where it is left out."`
	Watermark bool              `json:"watermark,omitempty" doc:"Put a visible mark on it that a model made it."`
	Metadata  map[string]string `json:"metadata,omitempty" maxProperties:"16" doc:"Yours, given back as it came: at most 16 entries, keys of 64 and values of 512 bytes."`

	// forgotten are references that are there and null.
	forgotten []string
}

// UnmarshalJSON notes a picture, or a job to go on from, that is null. It would
// decode to none: whoever sends it has forgotten the name.
func (b *newJob) UnmarshalJSON(text []byte) error {
	type plain newJob
	if err := json.Unmarshal(text, (*plain)(b)); err != nil {
		return err
	}
	var given struct{ Image, After, Narration, Sound json.RawMessage }
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	if string(given.Image) == "null" {
		b.forgotten = append(b.forgotten, "image")
	}
	if string(given.After) == "null" {
		b.forgotten = append(b.forgotten, "after")
	}
	if string(given.Narration) == "null" {
		b.forgotten = append(b.forgotten, "narration")
	}
	if string(given.Sound) == "null" {
		b.forgotten = append(b.forgotten, "sound")
	}
	return nil
}

// imageInput names a picture in one of three ways.
type imageInput struct {
	URL    string `json:"url,omitempty" doc:"An http(s) URL, which the server fetches."`
	Data   string `json:"data,omitempty" doc:"A data: URI, or the picture's bytes in base64."`
	FileID string `json:"file_id,omitempty" doc:"A file of POST /v1/uploads." example:"file_4503599627370497"`
}

// narrationInput asks for speech over a video.
type narrationInput struct {
	Text     string `json:"text,omitempty" maxLength:"2000" doc:"What is spoken, at most 2000 characters; the prompt, without its camera commands, where it is left out. In it, <#0.5#> is a pause of half a second."`
	Voice    string `json:"voice,omitempty" maxLength:"100" doc:"One of those of speech; the usual one of the language where it is left out."`
	Language string `json:"language,omitempty" maxLength:"40" doc:"A BCP 47 tag; told by the script of the text where it is left out."`
	Fit      string `json:"fit,omitempty" enum:"speech,video" doc:"speech: it is spoken faster, up to 1.5 times, to be as short as the video. video: the video is as long as the narration and half a second more. Left out, it is speech where seconds is given; otherwise the video becomes longer where the narration is."`
}

// soundInput names a sound file in one of three ways, and how it is heard.
type soundInput struct {
	URL    string  `json:"url,omitempty" doc:"An http(s) URL, which the server fetches; at most 50 MiB."`
	Data   string  `json:"data,omitempty" doc:"A data: URI, or the file's bytes in base64."`
	FileID string  `json:"file_id,omitempty" doc:"A file of POST /v1/uploads." example:"file_4503599627370497"`
	Start  float64 `json:"start,omitempty" minimum:"0" maximum:"86400" doc:"Where in the file the track begins, in seconds."`
	Volume float64 `json:"volume,omitempty" exclusiveMinimum:"0" maximum:"4" doc:"How loud it is; 1, as loud as a narration, where it is left out."`
}

// JobPath is the part of a path that names a job. It is exported, as are the
// others that inputs embed, because huma fills in no fields of types that are not.
type JobPath struct {
	ID string `path:"id" doc:"The job's id." example:"job_4503599627370496"`
}

type jobOut struct {
	Body Job
}

type createIn struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Sent again with the same request, it gives the same job; with another it is refused."`
	Body           newJob
}

type createOut struct {
	Location string `header:"Location" doc:"The job's path."`
	Body     Job
}

type waitIn struct {
	JobPath
	Wait int `query:"wait" minimum:"0" maximum:"60" doc:"Answer once the job is final, or after this many seconds."`
}

type listIn struct {
	State   []job.State `query:"state" enum:"queued,running,succeeded,failed,cancelled,expired" doc:"Only jobs in one of these states, with commas between them or each in a parameter of its own."`
	Kind    job.Kind    `query:"kind" enum:"video,image,context" doc:"Only jobs of this kind."`
	Model   []string    `query:"model" doc:"Only jobs of these models, likewise."`
	API     []job.API   `query:"api" enum:"native,openai,minimax-v1,minimax-v2" doc:"Only jobs that came through these APIs, likewise."`
	Since   time.Time   `query:"since" doc:"Only jobs that were created then or later."`
	Query   string      `query:"q" maxLength:"200" doc:"Only jobs whose prompt has all of these, words or parts of words, in any case."`
	Starred bool        `query:"starred" default:"false" doc:"Only jobs with a star."`
	Tag     string      `query:"tag" maxLength:"160" doc:"Only jobs with this tag."`
	Order   string      `query:"order" enum:"desc,asc" default:"desc" doc:"By creation: newest first, or oldest first."`
	After   string      `query:"after" doc:"Begin after this job: the next of the page before."`
	Limit   int         `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many jobs on a page."`
}

type jobList struct {
	Data    []Job  `json:"data"`
	HasMore bool   `json:"has_more"`
	Next    string `json:"next,omitempty" doc:"What after is for the next page."`
}

type jobListOut struct {
	Body jobList
}

func (n *API) addJobs() {
	register(n, operation{
		id: "create-job", method: http.MethodPost, path: jobsPath, scope: web.ScopeJobsWrite, tag: "jobs", status: http.StatusAccepted,
		summary: "Submit a job", more: "An accepted job is never lost. It waits for its turn: projects take turns, and within a project the higher priority goes first.",
		errors: []job.Code{job.Invalid, job.NotFound, job.Conflict, job.TooLarge, job.Balance, job.PromptUnsafe},
	}, n.create)
	register(n, operation{
		id: "list-jobs", method: http.MethodGet, path: jobsPath, scope: web.ScopeJobsRead, tag: "jobs",
		summary: "List jobs", more: "All jobs of the project, whichever API they came through.", errors: []job.Code{job.Invalid},
	}, n.list)
	register(n, operation{
		id: "get-job", method: http.MethodGet, path: jobsPath + "/{id}", scope: web.ScopeJobsRead, tag: "jobs",
		summary: "Look at a job", errors: []job.Code{job.Invalid, job.NotFound},
	}, n.get)
	register(n, operation{
		id: "cancel-job", method: http.MethodPost, path: jobsPath + "/{id}/cancel", scope: web.ScopeJobsWrite, tag: "jobs",
		summary: "Cancel a job", more: "A queued job is cancelled at once. A running one stops within seconds; until then the answer has cancel_asked. It costs nothing.",
		errors: []job.Code{job.NotFound, job.Conflict},
	}, n.cancel)
	register(n, operation{
		id: "delete-job", method: http.MethodDelete, path: jobsPath + "/{id}", scope: web.ScopeJobsWrite, tag: "jobs", status: http.StatusNoContent,
		summary: "Delete a finished job and its files", errors: []job.Code{job.NotFound, job.Conflict},
	}, n.remove)
}

func (n *API) create(ctx context.Context, in *createIn) (*createOut, error) {
	who := principal(ctx)
	spec, err := n.spec(ctx, who, &in.Body)
	if err != nil {
		return nil, err
	}
	if err := n.sounds(ctx, who, &in.Body, &spec); err != nil {
		return nil, err
	}
	body, err := json.Marshal(in.Body) // as it was understood: space and order do not matter
	if err != nil {
		return nil, err
	}
	j, err := n.Service.Submit(ctx, who, service.Submission{API: job.Native, Spec: spec, Expand: in.Body.expansion(), Priority: in.Body.Priority, IdempotencyKey: in.IdempotencyKey, Path: jobsPath, Body: body})
	if err != nil {
		return nil, err
	}
	shown, err := n.shown(ctx, &j)
	return &createOut{Location: jobsPath + "/" + shown.ID, Body: shown}, err
}

// shown is a job with its place in the queue and its sponsor.
func (n *API) shown(ctx context.Context, j *job.Job) (Job, error) {
	out := jobOf(n.Service, web.BaseOf(ctx), j)
	if j.State == job.Queued {
		ahead, err := n.Service.Position(ctx, j.ID)
		switch {
		case err == nil:
			out.QueuePosition = &ahead
		case job.CodeOf(err) != job.NotFound: // it has just started
			return out, err
		}
	}
	out.Sponsor = n.sponsor(ctx, j)
	return out, nil
}

// sponsor is what a job shows while it waits; nil for nothing.
func (n *API) sponsor(ctx context.Context, j *job.Job) *SponsorLine {
	if n.Sponsors == nil || !j.Sponsor || j.State.Final() {
		return nil
	}
	text, ok := n.Sponsors.Show(ctx, web.BaseOf(ctx), j)
	if !ok {
		return nil
	}
	line := SponsorLine(text)
	return &line
}

func (n *API) find(ctx context.Context, who auth.Principal, id string) (job.Job, error) {
	num, err := parseNumber(id, jobPrefix, "job")
	if err != nil {
		return job.Job{}, err
	}
	j, err := n.Service.Job(ctx, who, job.ID(num))
	if err != nil && job.CodeOf(err) == job.NotFound {
		return j, job.Errorf(job.NotFound, "", "there is no job %q", id)
	}
	return j, err
}

func (n *API) get(ctx context.Context, in *waitIn) (*jobOut, error) {
	who := principal(ctx)
	j, err := n.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Wait > 0 && !j.State.Final() {
		if j, err = n.wait(ctx, who, j, time.Duration(min(in.Wait, maxWait))*time.Second); err != nil {
			return nil, err
		}
	}
	shown, err := n.shown(ctx, &j)
	return &jobOut{shown}, err
}

// wait gives a job so much time to end.
func (n *API) wait(ctx context.Context, who auth.Principal, j job.Job, most time.Duration) (job.Job, error) {
	done, err := n.Service.StartWaiting(who)
	if err != nil {
		return job.Job{}, err
	}
	defer done()
	ctx, cancel := n.whileUp(ctx)
	defer cancel()
	ctx, end := context.WithTimeout(ctx, most)
	defer end()
	return n.Service.Wait(ctx, who, j)
}

func (n *API) list(ctx context.Context, in *listIn) (*jobListOut, error) {
	who := principal(ctx)
	f := store.JobFilter{
		States: in.State, API: in.API, Models: in.Model, Kind: in.Kind, Since: in.Since, Starred: in.Starred, Tag: in.Tag, Words: strings.Fields(in.Query),
		Ascending: in.Order == "asc", Limit: in.Limit + 1, // one more tells whether there are more
	}
	if in.After != "" {
		j, err := n.find(ctx, who, in.After)
		if job.CodeOf(err) == job.NotFound && err != nil {
			return nil, job.Errorf(job.Invalid, "after", "after: there is no job %.40q", in.After)
		}
		if err != nil {
			return nil, err
		}
		f.After = j.ID
	}
	jobs, _, err := n.Service.Jobs(ctx, who, f)
	if err != nil {
		return nil, err
	}
	out := &jobListOut{jobList{Data: []Job{}, HasMore: len(jobs) > in.Limit}}
	for _, j := range jobs[:min(in.Limit, len(jobs))] {
		out.Body.Data = append(out.Body.Data, jobOf(n.Service, web.BaseOf(ctx), &j))
	}
	if k := len(out.Body.Data); k > 0 && out.Body.HasMore {
		out.Body.Next = out.Body.Data[k-1].ID
	}
	return out, nil
}

func (n *API) cancel(ctx context.Context, in *JobPath) (*jobOut, error) {
	who := principal(ctx)
	j, err := n.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	if j, err = n.Service.Cancel(ctx, who, j.ID); err != nil {
		return nil, err
	}
	return &jobOut{jobOf(n.Service, web.BaseOf(ctx), &j)}, nil
}

func (n *API) remove(ctx context.Context, in *JobPath) (*struct{}, error) {
	who := principal(ctx)
	j, err := n.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, n.Service.Delete(ctx, who, j.ID)
}

// Resolve checks what the description's words alone say.
func (b *newJob) Resolve(huma.Context) []error {
	var wrong []error
	no := func(field, why string) {
		wrong = append(wrong, &huma.ErrorDetail{Location: "body." + field, Message: why})
	}
	for _, name := range b.forgotten {
		no(name, "it is null: fill it in, or leave it out")
	}
	for k, v := range b.Metadata {
		if len(k) > maxMetadataKey || len(v) > maxMetadataValue || len(b.Metadata) > maxMetadata {
			no("metadata", "at most 16 entries, with keys of at most 64 and values of at most 512 bytes")
			break
		}
	}
	if b.Size != "" && (b.Width != 0 || b.Height != 0) {
		no("size", "give size, or width and height")
	}
	if i := b.Image; i != nil && boolInt(i.URL != "")+boolInt(i.Data != "")+boolInt(i.FileID != "") != 1 {
		no("image", "give one of url, data and file_id")
	}
	if s := b.Sound; s != nil && boolInt(s.URL != "")+boolInt(s.Data != "")+boolInt(s.FileID != "") != 1 {
		no("sound", "give one of url, data and file_id")
	}
	if b.Narration != nil && b.Narration.Fit == string(kinora.FitVideo) && b.Seconds != 0 {
		no("seconds", "the video is as long as its narration: leave it out, or fit the narration to the video")
	}
	if b.Image != nil && b.After != "" {
		no("image", "give image, or after")
	}
	if b.Join && b.After == "" {
		no("join", "it joins the video that after names: name one")
	}
	if b.Kind == job.Image {
		for field, given := range map[string]bool{"seconds": b.Seconds != 0, "fps": b.FPS != 0, "after": b.After != "", "image": b.Image != nil, "narration": b.Narration != nil, "sound": b.Sound != nil, "own_sound": b.OwnSound != ""} {
			if given {
				no(field, "an image has none")
			}
		}
	} else if b.Count > 1 {
		no("count", "a video job makes one video")
	}
	return wrong
}

// expansion is how the prompt is expanded.
func (b *newJob) expansion() service.Expansion {
	if b.Expand {
		return service.ExpandBalanced
	}
	return service.ExpandNone
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// spec makes what is asked for definite, all but what is heard.
func (n *API) spec(ctx context.Context, who auth.Principal, b *newJob) (job.Spec, error) {
	offer, err := n.offer(b.Model)
	if err != nil {
		return job.Spec{}, err
	}
	s := job.Spec{
		Kind: b.Kind, Model: offer.Name, Engine: offer.Engine, Prompt: b.Prompt, FPS: b.FPS, Seed: service.NewSeed(),
		Steps: b.Steps, Guidance: b.Guidance, Watermark: b.Watermark, Metadata: b.Metadata,
	}
	if b.Seed != nil {
		s.Seed = *b.Seed
	}
	if s.Width, s.Height, err = b.size(offer); err != nil {
		return s, err
	}
	if b.Kind == job.Image {
		s.Count = max(1, b.Count)
		return s, nil
	}
	if s.Seconds = b.Seconds; s.Seconds == 0 {
		s.Seconds = min(offer.Can.Lengths.Default, offer.Can.Lengths.Max)
	}
	switch {
	case b.Image != nil:
		_, err = service.FirstFrame(&s, offer, "image", func() (service.Picture, error) { return n.picture(ctx, who, b.Image) })
	case b.After != "":
		s, err = n.goOn(ctx, who, b, s, offer)
	}
	return s, err
}

// offer finds a model; "" is the first of our own names, or else the first.
func (n *API) offer(name string) (service.Offer, error) {
	if name != "" {
		return n.Service.Offer(name)
	}
	offers := n.Service.Offers()
	for _, o := range offers {
		if o.API == "" {
			return o, nil
		}
	}
	if len(offers) == 0 {
		return service.Offer{}, job.Errorf(job.Unavailable, "model", "this server offers no model")
	}
	return offers[0], nil
}

// size is the size in pixels; where one side is left out, in the native shape.
func (b *newJob) size(o service.Offer) (w, h int, err error) {
	if b.Size != "" {
		return service.ParseSize(b.Size)
	}
	w, h = b.Width, b.Height
	own := o.Size()
	switch {
	case w == 0 && h == 0:
		return own.Width, own.Height, nil
	case w == 0:
		w = evenSide(h * own.Width / own.Height)
	case h == 0:
		h = evenSide(w * own.Height / own.Width)
	}
	for name, side := range map[string]int{"width": w, "height": h} {
		if side < kinora.MinSide || side > kinora.MaxSide || side%2 != 0 {
			return 0, 0, job.Errorf(job.Invalid, name, "%s is %d: it must be even and %d to %d", name, side, kinora.MinSide, kinora.MaxSide)
		}
	}
	return w, h, nil
}

func evenSide(n int) int { return (n + 1) / 2 * 2 }

// picture fetches what an image names.
func (n *API) picture(ctx context.Context, who auth.Principal, i *imageInput) (service.Picture, error) {
	param, ref := "image.url", i.URL
	switch {
	case i.FileID != "":
		param, ref = "image.file_id", "file:"+i.FileID
	case i.Data != "":
		param, ref = "image.data", i.Data
		if !service.HasScheme(ref, "data") {
			ref = "data:application/octet-stream;base64," + ref
		}
	case !service.HasScheme(ref, "http", "https"):
		return service.Picture{}, job.Errorf(job.Invalid, param, "image.url must be an http(s) URL")
	}
	return n.Service.Picture(ctx, who, param, ref, service.FirstFrameOthers)
}

// goOn makes a job that goes on from a finished film.
func (n *API) goOn(ctx context.Context, who auth.Principal, b *newJob, s job.Spec, offer service.Offer) (job.Spec, error) {
	src, err := n.find(ctx, who, b.After)
	switch {
	case err != nil && job.CodeOf(err) == job.NotFound:
		return s, job.Errorf(job.Invalid, "after", "after: there is no job %.40q", b.After)
	case err != nil:
		return s, err
	case src.State != job.Succeeded || src.Spec.Kind != job.Video:
		return s, job.Errorf(job.Conflict, "after", "after: the job %s is a %s job and %s: only a video that succeeded will do", b.After, src.Spec.Kind, src.State)
	}
	ext, err := service.Extension(&src, offer, s.Seconds, "after")
	if err != nil {
		return s, err
	}
	s.After, s.Join, s.InputSeconds = src.ID, b.Join, ext.InputSeconds
	if b.Join || b.Size == "" && b.Width == 0 && b.Height == 0 {
		s.Width, s.Height = ext.Width, ext.Height
	}
	if b.Join || b.FPS == 0 {
		s.FPS = ext.FPS
	}
	return s, nil
}
