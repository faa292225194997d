package openai

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

func (a *API) create(w http.ResponseWriter, r *http.Request, who auth.Principal) (any, error) {
	f, err := readForm(r, createFields)
	if err != nil {
		return nil, err
	}
	defer f.close()
	offer, err := a.offer(f.values["model"])
	if err != nil {
		return nil, err
	}
	spec := job.Spec{Kind: job.Video, Model: offer.Name, Engine: offer.Engine}
	if spec.Prompt, err = f.prompt(); err != nil {
		return nil, err
	}
	if spec.Seconds, err = f.seconds(service.OpenAISeconds); err != nil {
		return nil, err
	}
	if err := f.size(&spec, offer); err != nil {
		return nil, err
	}
	if err := f.extras(&spec); err != nil {
		return nil, err
	}
	if err := a.reference(r.Context(), who, f, &spec, offer); err != nil {
		return nil, err
	}
	return a.submit(w, r, who, f, spec)
}

// submit hands a job to the service and shows it.
func (a *API) submit(w http.ResponseWriter, r *http.Request, who auth.Principal, f *requestForm, spec job.Spec) (any, error) {
	body, err := f.sum()
	if err != nil {
		return nil, err
	}
	j, err := a.service.Submit(r.Context(), who, service.Submission{API: job.OpenAI, Spec: spec, IdempotencyKey: web.IdempotencyKey(r), Path: r.URL.Path, Body: body})
	if err != nil {
		return nil, inOurWords(err)
	}
	return a.shown(r.Context(), w, &j)
}

// fieldsOf are this API's names of a job's numbers.
var fieldsOf = map[string]string{"steps": "num_inference_steps", "guidance": "guidance_scale"}

// inOurWords is an error that names a field as this API does.
func inOurWords(err error) error {
	e, ok := errors.AsType[*job.Error](err)
	if !ok || fieldsOf[e.Param] == "" {
		return err
	}
	out := *e
	out.Param = fieldsOf[e.Param]
	out.Message = out.Param + strings.TrimPrefix(e.Message, e.Param)
	return &out
}

// offer finds a model that this API serves: one of OpenAI's names or of our own.
func (a *API) offer(name string) (service.Offer, error) {
	if name != "" {
		return service.OfferFor(a.service, name, job.OpenAI)
	}
	if o, err := a.service.Offer(service.OpenAIModel); err == nil {
		return o, nil
	}
	for _, o := range a.service.Offers() {
		if o.API == "" || o.API == job.OpenAI {
			return o, nil
		}
	}
	return service.Offer{}, job.Errorf(job.NotFound, "model", "this server offers no model by OpenAI's API")
}

func (f *requestForm) prompt() (string, error) {
	s := f.values["prompt"]
	if strings.TrimSpace(s) == "" {
		return "", missing("prompt", "say what should happen in the video")
	}
	return s, nil
}

func missing(name, hint string) error {
	return web.NewOpenAIError("missing_required_parameter", job.Errorf(job.Invalid, name, "the parameter %q is missing: %s", name, hint))
}

var secondsForm = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3})?$`)

// seconds reads the length, which OpenAI's SDKs send as a string.
func (f *requestForm) seconds(otherwise float64) (float64, error) {
	s := f.values["seconds"]
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseFloat(s, 64)
	if !secondsForm.MatchString(s) || err != nil || n <= 0 || n > job.MaxSeconds {
		return 0, job.Errorf(job.Invalid, "seconds", "seconds is %.20q: it must be a number above 0, at most %d", s, job.MaxSeconds)
	}
	return n, nil
}

// size sets the size: what is asked for, OpenAI's default for its own models,
// or the native size for ours.
func (f *requestForm) size(spec *job.Spec, offer service.Offer) (err error) {
	switch s := f.values["size"]; {
	case s != "":
		spec.Width, spec.Height, err = service.ParseSize(s)
	case offer.API == job.OpenAI:
		spec.Width, spec.Height = service.OpenAIWidth, service.OpenAIHeight
	default:
		own := offer.Size()
		spec.Width, spec.Height = own.Width, own.Height
	}
	return err
}

// extras reads the fields that are our own.
func (f *requestForm) extras(spec *job.Spec) error {
	spec.Seed = service.NewSeed()
	for name, to := range map[string]struct {
		most uint64
		set  func(uint64)
	}{
		"seed":                {service.MaxSeed, func(n uint64) { spec.Seed = n }},
		"fps":                 {kinora.MaxFPS, func(n uint64) { spec.FPS = int(n) }},
		"num_inference_steps": {kinora.MaxSteps, func(n uint64) { spec.Steps = int(n) }},
	} {
		s := f.values[name]
		if s == "" {
			continue
		}
		if whole, ok := web.WholeNumber([]byte(s)); ok {
			s = whole // a form's 1.0; that of JSON was made whole before
		}
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil || n > to.most {
			return job.Errorf(job.Invalid, name, "%s is %.30q: it must be a whole number, at most %d", name, s, to.most)
		}
		to.set(n)
	}
	if s := f.values["guidance_scale"]; s != "" {
		n, err := strconv.ParseFloat(s, 32)
		if err != nil || !(n >= 0 && n <= service.MaxGuidance) {
			return job.Errorf(job.Invalid, "guidance_scale", "guidance_scale is %.30q: it must be a number, 0 to %d", s, service.MaxGuidance)
		}
		spec.Guidance = float32(n)
	}
	return nil
}

// reference uses a picture as the first frame.
func (a *API) reference(ctx context.Context, who auth.Principal, f *requestForm, spec *job.Spec, offer service.Offer) error {
	given := 0
	for _, name := range []string{referenceField, referenceField + "[image_url]", referenceField + "[file_id]"} {
		if f.has(name) {
			given++
		}
	}
	switch {
	case given == 0 && f.asks(referenceField):
		return job.Errorf(job.Invalid, referenceField, "%s is empty: give a file, or an object with a file_id or an image_url; without a first frame, leave it out", referenceField)
	case given == 0:
		return nil
	case given == 1:
		_, err := service.FirstFrame(spec, offer, referenceField, func() (service.Picture, error) { return a.picture(ctx, who, f) })
		return err
	}
	return job.Errorf(job.Invalid, referenceField, "%s: give one of a file, image_url and file_id", referenceField)
}

// referenceField is the field that names a picture.
const referenceField = "input_reference"

// picture fetches the reference. A file part is told by its bytes: openai-go
// calls each "anonymous_file" of type application/octet-stream.
func (a *API) picture(ctx context.Context, who auth.Principal, f *requestForm) (service.Picture, error) {
	const param = referenceField
	switch url, id := f.values[param+"[image_url]"], f.values[param+"[file_id]"]; {
	case url != "":
		if !service.HasScheme(url, "http", "https", "data") {
			return service.Picture{}, job.Errorf(job.Invalid, param+".image_url", "%s.image_url must be an http(s) URL or a data: URL", param)
		}
		return a.service.Picture(ctx, who, param+".image_url", url, service.FirstFrameOthers)
	case id != "":
		return a.service.Picture(ctx, who, param+".file_id", "file:"+id, service.FirstFrameOthers)
	}
	file, err := f.files[param].Open()
	if err != nil {
		return service.Picture{}, err
	}
	defer file.Close()
	return a.service.PictureFrom(ctx, who, param, file, service.FirstFrameOthers)
}

// finished finds a video that something is to be made of.
func (a *API) finished(ctx context.Context, who auth.Principal, id string) (job.Job, error) {
	j, err := a.find(ctx, who, id)
	if err != nil {
		return j, err
	}
	if j.State != job.Succeeded {
		return j, job.Errorf(job.Conflict, "", "the video %s is %s: only a completed one will do", id, statuses[j.State])
	}
	return j, nil
}

// remix makes the same video again, seed and all, from another prompt.
func (a *API) remix(w http.ResponseWriter, r *http.Request, who auth.Principal) (any, error) {
	f, err := readForm(r, remixFields)
	if err != nil {
		return nil, err
	}
	defer f.close()
	prompt, err := f.prompt()
	if err != nil {
		return nil, err
	}
	src, err := a.finished(r.Context(), who, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	spec := src.Spec
	offer, err := a.service.Offer(spec.Model)
	if err != nil {
		return nil, err
	}
	spec.Engine, spec.Prompt, spec.Asked, spec.RemixOf = offer.Engine, prompt, "", src.ID
	spec.Notes, spec.PromptNotes = slices.Clone(spec.Notes), nil
	service.WithoutSounds(&spec) // they are those of the earlier prompt
	if err := service.OwnFrame(r.Context(), a.service, &spec); err != nil {
		return nil, err
	}
	return a.submit(w, r, who, f, spec)
}

// extend goes on from a video's end; the result is both, one after the other.
func (a *API) extend(w http.ResponseWriter, r *http.Request, who auth.Principal) (any, error) {
	f, err := readForm(r, extendFields)
	if err != nil {
		return nil, err
	}
	defer f.close()
	prompt, err := f.prompt()
	if err != nil {
		return nil, err
	}
	if !f.has("seconds") {
		return nil, missing("seconds", "say how long the new part is to be")
	}
	seconds, err := f.seconds(0)
	if err != nil {
		return nil, err
	}
	if !f.has("video[id]") {
		return nil, missing("video", "name the video to go on from, as {\"id\": \"video_…\"}")
	}
	src, err := a.finished(r.Context(), who, f.values["video[id]"])
	if err != nil {
		return nil, err
	}
	offer, err := a.service.Offer(src.Spec.Model)
	if err != nil {
		return nil, err
	}
	spec, err := service.Extension(&src, offer, seconds, "video")
	if err != nil {
		return nil, err
	}
	spec.Prompt = prompt
	return a.submit(w, r, who, f, spec)
}

// edit is refused: no local model changes what a film shows.
func (a *API) edit(_ http.ResponseWriter, r *http.Request, _ auth.Principal) (any, error) {
	return refused(r, editFields, "video",
		"this server's models make videos and cannot edit one: POST /v1/videos/{id}/remix makes it again from another prompt, POST /v1/videos/extensions goes on from its end")
}

// newCharacter is refused likewise.
func (a *API) newCharacter(_ http.ResponseWriter, r *http.Request, _ auth.Principal) (any, error) {
	return refused(r, characterFields, "video",
		"this server's models know no characters: describe them in the prompt, or give a first frame as input_reference")
}

// refused reads a request that cannot be met, so that what is wrong with it is
// said first.
func refused(r *http.Request, fields []formField, param, why string) (any, error) {
	f, err := readForm(r, fields)
	if err != nil {
		return nil, err
	}
	f.close()
	return nil, web.NewOpenAIError("unsupported_operation", job.Errorf(job.Unsupported, param, "%s", why))
}
