package native

import (
	"context"
	"net/http"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// Quote is what a job would cost, and when it would be finished.
type Quote struct {
	PriceUSD string        `json:"price_usd" doc:"In dollars." example:"0.27"`
	Takes    float64       `json:"seconds_expected" doc:"How long it would run, about."`
	Wait     float64       `json:"seconds_waiting" doc:"How long it would wait before that, about."`
	Ahead    int           `json:"jobs_ahead" doc:"Jobs of all projects that wait or run now."`
	Width    int           `json:"width,omitempty" doc:"In pixels."`
	Height   int           `json:"height,omitempty" doc:"In pixels."`
	Seconds  float64       `json:"seconds,omitempty" doc:"The length of the video."`
	Unknown  []unknownWord `json:"unknown_words" doc:"Words of the prompt that the model was never taught."`
	Notes    []string      `json:"notes,omitempty" doc:"Where the result would differ from what might be expected."`
}

// unknownWord is a word that a model was never taught.
type unknownWord struct {
	Word    string `json:"word"`
	Nearest string `json:"nearest,omitempty" doc:"The word that comes nearest to it, of those that the model knows."`
}

type quoteIn struct {
	Body newJob
}

type quoteOut struct {
	Body Quote
}

type againIn struct {
	JobPath
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Sent again for the same job, it gives the same new job."`
}

func (n *API) addQuotes() {
	register(n, operation{
		id: "quote-job", method: http.MethodPost, path: jobsPath + "/quote", scope: web.ScopeJobsWrite, tag: "jobs",
		summary: "Ask what a job would cost, and how long it would take",
		more:    "The body is that of a new job, which is checked as one. Nothing is submitted, a picture is not fetched, a narration is not spoken, and the prompt is not moderated. A video that a narration makes longer costs more.",
		errors:  []job.Code{job.Invalid, job.NotFound, job.Conflict, job.TooLarge},
	}, n.quote)
	register(n, operation{
		id: "repeat-job", method: http.MethodPost, path: jobsPath + "/{id}/again", scope: web.ScopeJobsWrite, tag: "jobs", status: http.StatusAccepted,
		summary: "Submit a job that has ended once more", more: "The new job has the same request and seed.",
		errors: []job.Code{job.NotFound, job.Conflict, job.Balance, job.PromptUnsafe},
	}, func(ctx context.Context, in *againIn) (*createOut, error) {
		who := principal(ctx)
		old, err := n.find(ctx, who, in.ID)
		if err != nil {
			return nil, err
		}
		j, err := n.Service.Again(ctx, who, old.ID, in.IdempotencyKey)
		if err != nil {
			return nil, err
		}
		shown, err := n.shown(ctx, &j)
		return &createOut{Location: jobsPath + "/" + shown.ID, Body: shown}, err
	})
}

// anyPicture stands in a quoted job for the first frame that it would have.
const anyPicture = "quoted"

func (n *API) quote(ctx context.Context, in *quoteIn) (*quoteOut, error) {
	who, b := principal(ctx), in.Body
	picture := b.Image != nil
	b.Image = nil
	spec, err := n.spec(ctx, who, &b)
	if err != nil {
		return nil, err
	}
	if picture {
		offer, err := n.offer(b.Model)
		if err != nil {
			return nil, err
		}
		if !offer.Can.FirstFrame {
			return nil, job.Errorf(job.Unsupported, "image", "image: the model %s takes no first frame", offer.Name)
		}
		spec.FirstFrame = anyPicture
	}
	quoteNarration(&b, &spec)
	q, err := n.Service.Quote(ctx, who, service.Submission{API: job.Native, Spec: spec, Priority: b.Priority})
	if err != nil {
		return nil, err
	}
	out := Quote{
		PriceUSD: store.Dollars(q.Price).String(), Takes: q.Takes.Seconds(), Wait: q.Wait.Seconds(), Ahead: q.Ahead,
		Width: spec.Width, Height: spec.Height, Seconds: spec.Seconds, Unknown: []unknownWord{}, Notes: q.Notes,
	}
	for _, u := range q.Unknown {
		out.Unknown = append(out.Unknown, unknownWord(u))
	}
	return &quoteOut{out}, nil
}
