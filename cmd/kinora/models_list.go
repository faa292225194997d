package main

import (
	"slices"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/shelf"
)

// States of a model.
const (
	stateInside     = "inside"     // the program
	statePulled     = "pulled"     // and whole
	stateUnfinished = "unfinished" // its pull was interrupted
	stateAvailable  = "available"  // can be pulled
)

// listed is a model as kinora models lists it.
type listed struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"` // video or language
	Aliases  []string          `json:"aliases,omitempty"`
	State    string            `json:"state"`
	Default  bool              `json:"default,omitempty"`
	About    string            `json:"about"`
	Licences []catalog.Licence `json:"licences,omitempty"`
	// Bytes are those of its files, and SizeKnown is false where there are more of
	// which the catalogue does not know how many.
	Bytes     int64       `json:"bytes,omitempty"`
	SizeKnown bool        `json:"size_known"`
	Video     listedVideo `json:"video,omitzero"`
	Chat      listedChat  `json:"chat,omitzero"`
	Memory    int64       `json:"memory_bytes,omitempty"`
	Problem   string      `json:"problem,omitempty"` // why it cannot be opened
	Folder    string      `json:"folder,omitempty"`

	// work is what one video takes: operations in products of bf16.
	work float64
	can  *kinora.Capabilities // of a model that is there
}

// listedVideo is what a model makes when nothing else is asked for.
type listedVideo struct {
	Width      int     `json:"width,omitempty"`
	Height     int     `json:"height,omitempty"`
	FPS        int     `json:"fps,omitempty"`
	Seconds    float64 `json:"seconds,omitempty"`
	FirstFrame bool    `json:"first_frame"`
	LastFrame  bool    `json:"last_frame"`
	// Takes is about how many seconds this machine needs for it; 0 where not known.
	Takes float64 `json:"takes_seconds,omitempty"`
}

// Kinds of models.
const (
	makesVideos = "video"
	talks       = "language"
)

// listedChat is what a language model is.
type listedChat struct {
	Parameters int64 `json:"parameters,omitempty"`
	Context    int   `json:"context_tokens,omitempty"`
}

// kindOf is the kind of an engine's models.
func kindOf(engine string) string {
	if engine == kinora.ChatEngine {
		return talks
	}
	return makesVideos
}

// coreSpeed is how many operations a second a core with AVX-512 does in products of
// bf16: what the CoreSeconds of capabilities are counted in (kinora bench).
const coreSpeed = 200e9

// listModels lists the models inside the program, those that were pulled, and those
// that could be. speed is that of this machine in operations a second.
func listModels(speed float64) (inside, pulled, available []listed, err error) {
	for _, name := range kinora.Inside() {
		m := listed{Name: name, Kind: makesVideos, State: stateInside, SizeKnown: true}
		m.describe(name)
		inside = append(inside, m)
	}
	list, err := catalog.Load()
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	on, err := shelf.Default()
	if err != nil {
		return nil, nil, nil, err
	}
	there := map[string]bool{}
	for _, m := range inside { // whose names no other model can have
		there[m.Name] = true
	}
	for _, r := range on.Models() {
		if there[r.Name] {
			continue
		}
		m := ofRecord(r, statePulled, list)
		m.Folder = on.ModelDir(r.Name)
		if m.Kind == talks {
			m.Problem = problemOf(on.Damaged(r))
		} else {
			m.describe(r.Name)
		}
		pulled, there[r.Name] = append(pulled, m), true
	}
	for _, r := range on.AllUnfinished() {
		if !there[r.Name] {
			pulled, there[r.Name] = append(pulled, ofRecord(r, stateUnfinished, list)), true
		}
	}
	for _, e := range runnable(list) {
		if !there[e.Name] {
			available = append(available, ofEntry(e))
		}
	}
	for _, group := range [][]listed{inside, pulled, available} {
		for i := range group {
			group[i].Video.Takes = group[i].work / speed
		}
	}
	return inside, pulled, available, nil
}

// problemOf is an error in words; "" for none.
func problemOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// describe fills in what a model that is there says of itself.
func (m *listed) describe(name string) {
	c, err := kinora.CapabilitiesOf(name)
	if err != nil {
		m.Problem = err.Error()
		return
	}
	size := c.Sizes.Default()
	m.can, m.About, m.Memory = &c, c.About, c.Cost.Memory
	m.Video = listedVideo{
		Width: size.Width, Height: size.Height, FPS: c.Rates[0], Seconds: c.Lengths.Default,
		FirstFrame: c.FirstFrame, LastFrame: c.LastFrame,
	}
	m.work = c.Cost.CoreSeconds * c.Lengths.Default * coreSpeed
	m.Default = name == kinora.DefaultModel
}

func ofEntry(e catalog.Entry) listed {
	m := listed{
		Name: e.Name, Kind: kindOf(e.Engine), Aliases: e.Aliases, State: stateAvailable, About: e.About, Licences: e.Licences(), Memory: e.Memory,
		Video: listedVideo{
			Width: e.Video.Width, Height: e.Video.Height, FPS: e.Video.FPS, Seconds: e.Video.Seconds(),
			FirstFrame: e.Video.FirstFrame, LastFrame: e.Video.LastFrame,
		},
		Chat: listedChat(e.Chat),
		work: e.Work.Operations(),
	}
	m.Bytes, m.SizeKnown = e.Size()
	return m
}

// ofRecord is a model on the shelf. What the catalogue knows of it holds until the
// model says more of itself.
func ofRecord(r shelf.Record, state string, list *catalog.Catalog) listed {
	m := listed{}
	if i := slices.IndexFunc(list.Entries, func(e catalog.Entry) bool { return e.Name == r.Name }); i >= 0 {
		m = ofEntry(list.Entries[i])
	}
	m.Name, m.Aliases, m.State, m.About, m.Licences = r.Name, r.Aliases, state, r.About, r.Licences
	m.Kind, m.Bytes, m.SizeKnown = kindOf(r.Engine), r.Size(), true
	return m
}
