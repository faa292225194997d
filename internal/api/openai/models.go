package openai

import (
	"net/http"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/service"
)

// modelObject is OpenAI's object of a model, with what it can do.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // "model"
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// Our own: what stands behind the name.
	Engine       string       `json:"engine"`
	API          string       `json:"api"` // whose rules it follows; "" for all
	Width        int          `json:"width"`
	Height       int          `json:"height"`
	FPS          int          `json:"fps"`
	TakesImage   bool         `json:"takes_image"`
	Capabilities capabilities `json:"capabilities"`
}

// capabilities are kinora.Capabilities, as far as a job can ask for them.
type capabilities struct {
	Sizes      []size          `json:"sizes"` // the default first; others are scaled from these
	Seconds    limits[float64] `json:"seconds"`
	FPS        []int           `json:"fps"` // the default first; at others frames are repeated or dropped
	FirstFrame bool            `json:"first_frame"`
	Sound      *track          `json:"sound"` // null for silence
	Steps      limits[int]     `json:"steps"`
	Guidance   limits[float32] `json:"guidance"`
	Languages  []string        `json:"languages"` // BCP 47 tags; none where the prompt is not read
	Camera     []string        `json:"camera_commands"`
	Memory     int64           `json:"memory_bytes"` // about, for a video of the default size
}

type size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

type limits[T any] struct {
	Default T `json:"default"`
	Min     T `json:"min"`
	Max     T `json:"max"`
}

type track struct {
	SampleRate int `json:"sample_rate"`
	Channels   int `json:"channels"`
}

func capabilitiesOf(c kinora.Capabilities) capabilities {
	out := capabilities{
		Sizes: []size{}, Seconds: limits[float64]{c.Lengths.Default, c.Lengths.Min, c.Lengths.Max}, FPS: c.Rates, FirstFrame: c.FirstFrame,
		Steps: limits[int](c.Steps), Guidance: limits[float32](c.Guidance),
		Languages: append([]string{}, c.Prompt.Languages...), Camera: append([]string{}, c.Prompt.Camera...), Memory: c.Cost.Memory,
	}
	for _, s := range c.Sizes.Native {
		out.Sizes = append(out.Sizes, size(s))
	}
	if c.Sound != nil {
		out.Sound = &track{c.Sound.Rate, c.Sound.Channels}
	}
	return out
}

// chatObject is OpenAI's object of a language model.
type chatObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // "model"
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// Our own: what stands behind the name.
	Engine     string `json:"engine"`
	Kind       string `json:"kind"` // "language"
	Context    int    `json:"context_tokens"`
	Parameters int64  `json:"parameters"`
}

func chatOf(o service.ChatOffer) chatObject {
	return chatObject{
		ID: o.Name, Object: "model", Created: o.Created.Unix(), OwnedBy: "kinora", Engine: o.Info.Name, Kind: "language",
		Context: o.Info.Context, Parameters: o.Info.Parameters,
	}
}

// modelList is the answer to GET /v1/models.
type modelList struct {
	Object string `json:"object"` // "list"
	Data   []any  `json:"data"`   // modelObjects, then chatObjects
}

func modelOf(o service.Offer) modelObject {
	own := o.Size()
	return modelObject{
		ID: o.Name, Object: "model", Created: o.Created.Unix(), OwnedBy: "kinora", Engine: o.Engine, API: string(o.API),
		Width: own.Width, Height: own.Height, FPS: o.Can.Rate(0), TakesImage: o.Can.FirstFrame, Capabilities: capabilitiesOf(o.Can),
	}
}

func (a *API) models(http.ResponseWriter, *http.Request, auth.Principal) (any, error) {
	out := modelList{Object: "list", Data: []any{}}
	for _, o := range a.service.Offers() {
		out.Data = append(out.Data, modelOf(o))
	}
	for _, o := range a.service.ChatOffers() {
		out.Data = append(out.Data, chatOf(o))
	}
	return out, nil
}

func (a *API) model(_ http.ResponseWriter, r *http.Request, _ auth.Principal) (any, error) {
	name := r.PathValue("model")
	for _, o := range a.service.ChatOffers() {
		if o.Name == name {
			return chatOf(o), nil
		}
	}
	o, err := a.service.Offer(name)
	if err != nil {
		return nil, err
	}
	return modelOf(o), nil
}
