package native

import (
	"context"
	"net/http"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// Ability is a public model and what it can do.
type Ability struct {
	Name       string           `json:"name" doc:"As requests name it."`
	Engine     string           `json:"engine" doc:"The local model that runs it."`
	API        job.API          `json:"api,omitempty" doc:"Whose rules the name follows; absent for a name of our own."`
	About      string           `json:"about" doc:"What it is, in a line."`
	Sizes      []frameSize      `json:"sizes" doc:"Of frames as the model draws them, the default first. Others are made of these."`
	Seconds    bounds[float64]  `json:"seconds" doc:"The length of a video."`
	FPS        []int            `json:"fps" doc:"Frames a second that it draws, the default first."`
	Steps      bounds[int]      `json:"steps" doc:"Of sampling."`
	Guidance   bounds[float32]  `json:"guidance" doc:"How closely the prompt is followed."`
	FirstFrame bool             `json:"first_frame" doc:"It takes a picture that the video begins with."`
	Sound      bool             `json:"sound" doc:"Its videos have sound."`
	Languages  []string         `json:"languages" doc:"Of prompts (BCP 47); none where the prompt is not read."`
	Camera     []string         `json:"camera_commands" doc:"As they stand in a prompt, such as [Pan left]."`
	Vocabulary []vocabularyPart `json:"vocabulary" doc:"All that the model was taught; none where any word may do."`
	Memory     int64            `json:"memory_bytes" doc:"About, for a video of the default size."`
	Takes      float64          `json:"seconds_per_second" doc:"How many seconds this server takes for a second of video in the default size, about: as its last jobs took, or as its cores let expect."`
}

type frameSize struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// bounds are those of a number that a request may set.
type bounds[T any] struct {
	Default T `json:"default"`
	Min     T `json:"min"`
	Max     T `json:"max"`
}

// vocabularyPart is some of a vocabulary.
type vocabularyPart struct {
	Topic string              `json:"topic" doc:"Such as places; empty where the words speak for themselves."`
	Words []string            `json:"words" doc:"Their names."`
	Said  map[string][]string `json:"said,omitempty" doc:"The same words by language (BCP 47), in the same order."`
}

type abilities struct {
	Data []Ability `json:"data"`
}

type abilitiesIn struct {
	Own bool `query:"own" default:"false" doc:"Only names of our own, which follow no other API's rules."`
}

type abilitiesOut struct {
	Body abilities
}

func (n *API) addModels() {
	register(n, operation{
		id: "list-capabilities", method: http.MethodGet, path: "/v1/capabilities", scope: web.ScopeJobsRead, tag: "jobs",
		summary: "See what each model can do", more: "What jobs may ask of it, the words that it knows, and how long it takes on this server.",
	}, n.abilities)
}

func (n *API) abilities(ctx context.Context, in *abilitiesIn) (*abilitiesOut, error) {
	out := &abilitiesOut{abilities{Data: []Ability{}}}
	for _, o := range n.Service.Offers() {
		if in.Own && o.API != "" {
			continue
		}
		takes, err := n.Service.Typical(ctx, o)
		if err != nil {
			return nil, err
		}
		a := abilityOf(o)
		a.Takes = takes.Seconds()
		out.Body.Data = append(out.Body.Data, a)
	}
	return out, nil
}

func abilityOf(o service.Offer) Ability {
	c := o.Can
	a := Ability{
		Name: o.Name, Engine: o.Engine, API: o.API, About: c.About, Sizes: []frameSize{},
		Seconds: bounds[float64]{c.Lengths.Default, c.Lengths.Min, c.Lengths.Max}, FPS: c.Rates,
		Steps: bounds[int](c.Steps), Guidance: bounds[float32](c.Guidance), FirstFrame: c.FirstFrame, Sound: c.Sound != nil,
		Languages: append([]string{}, c.Prompt.Languages...), Camera: append([]string{}, c.Prompt.Camera...),
		Vocabulary: []vocabularyPart{}, Memory: c.Cost.Memory,
	}
	for _, s := range c.Sizes.Native {
		a.Sizes = append(a.Sizes, frameSize(s))
	}
	if c.Prompt.Words != nil {
		for _, t := range c.Prompt.Words.Topics {
			a.Vocabulary = append(a.Vocabulary, vocabularyPart{t.Name, t.Words, t.Said})
		}
	}
	return a
}
