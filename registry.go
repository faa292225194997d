package kinora

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/model/testcard"
	"github.com/kinora-video/kinora/internal/model/wan"
	"github.com/kinora-video/kinora/internal/shelf"
)

// registry lists the models inside the program, the default first. To add such a
// model, write its room and a line here.
var registry = []engine.Spec{
	reel.Spec(),
	testcard.Spec(),
}

// architectures make a model of the folder into which it was pulled, by the engine
// that the catalogue names for it. name is what the model is called, and so the Name
// of its Capabilities. To add an architecture, write its room, a line here, and its
// models in internal/catalog/models.yaml.
var architectures = map[string]func(name, dir string) (engine.Spec, error){
	"reel": reel.SpecIn,
	"wan":  wan.Spec,
}

// DefaultModel is the model that Open takes for the name "".
const DefaultModel = "reel"

// Capabilities and their parts. A capability with the zero value is one that the
// model does not have.
type (
	// Capabilities say what a model can do. Requests are checked against them.
	Capabilities = engine.Capabilities
	// Vocabulary is all that a model was taught, where that is little.
	Vocabulary = engine.Vocabulary
	// Draft is what a prompt becomes for a model with a Vocabulary.
	Draft = engine.Draft
	// Size is that of a frame in pixels.
	Size = engine.Size
	// Track is the form of a sound track.
	Track = engine.Track
	// LoRA is a file of adapters, for WithLoRA.
	LoRA = engine.LoRA
	// Decoder names what draws frames, for WithDecoder.
	Decoder = engine.Decoder
	// Fact is one line of Capabilities.Facts: a capability in words.
	Fact = engine.Fact
	// References are examples of what a video should look or sound like.
	References = engine.References
)

// Models returns the names that Open knows, sorted: those of the models inside the
// program, and of those that kinora pull has put into the folder of models.
func Models() []string {
	names := Inside()
	for _, r := range pulled() {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Inside returns the names of the models inside the program, sorted.
func Inside() []string {
	var names []string
	for _, s := range registry {
		names = append(names, s.Capabilities().Name)
	}
	slices.Sort(names)
	return names
}

// Engines returns the engines whose models can be pulled, sorted: the architectures of
// videos, and ChatEngine.
func Engines() []string {
	names := append(slices.Collect(maps.Keys(architectures)), ChatEngine)
	slices.Sort(names)
	return names
}

// CapabilitiesOf returns what a model can do with its own weights, without opening
// it: see Model.Capabilities. "" means DefaultModel. An unknown name, and that of a
// model which could be pulled and was not, is an *Error of kind NotFound.
func CapabilitiesOf(name string) (Capabilities, error) {
	s, err := specOf(name)
	if err != nil {
		return Capabilities{}, err
	}
	return s.Capabilities(), nil
}

// specOf finds a model inside the program, or among those that were pulled.
func specOf(name string) (engine.Spec, error) {
	if name == "" {
		name = DefaultModel
	}
	for _, s := range registry {
		if s.Capabilities().Name == name {
			return s, nil
		}
	}
	s, err := shelf.Default()
	if err != nil {
		return engine.Spec{}, unknown(name)
	}
	r, err := s.Find(name)
	switch {
	case errors.Is(err, shelf.ErrNotPulled):
		return engine.Spec{}, notPulled(s, name)
	case err != nil:
		return engine.Spec{}, &Error{Kind: Storage, Op: "open model", What: name, Err: err}
	}
	return specIn(s, r)
}

// specIn makes a model of a folder of the shelf.
func specIn(s *shelf.Shelf, r shelf.Record) (engine.Spec, error) {
	open, ok := architectures[r.Engine]
	if r.Engine == ChatEngine {
		return engine.Spec{}, talks(r.Name, "")
	}
	if !ok {
		return engine.Spec{}, &Error{
			Kind: Unsupported, Op: "open model", What: r.Name, Err: fmt.Errorf("this kinora has no engine %q", r.Engine),
			Hint: "a newer one may have; it has " + strings.Join(Engines(), ", "),
		}
	}
	err := s.Damaged(r)
	var spec engine.Spec
	if err == nil {
		spec, err = open(r.Name, s.ModelDir(r.Name))
		spec.Digest = sync.OnceValue(func() string { return recordDigest(r, s.ModelDir(r.Name)) })
	}
	return spec, wrap(Storage, "open model", r.Name, err, "")
}

// notPulled says what to do about a model that is not there.
func notPulled(s *shelf.Shelf, name string) error {
	if r, err := s.Unfinished(name); err == nil {
		return &Error{Kind: NotFound, Op: "open model", What: r.Name, Err: errHalf, Hint: "go on with: kinora pull " + r.Name}
	}
	c, err := catalog.Load()
	if err != nil {
		return &Error{Kind: Invalid, Op: "open model", What: fmt.Sprintf("%q", name), Err: err}
	}
	e, ok := c.Find(name)
	if ok && e.Engine == ChatEngine {
		return talks(e.Name, "kinora pull "+e.Name+", then ")
	}
	if _, runs := architectures[e.Engine]; !ok || !runs {
		return unknown(name)
	}
	return &Error{Kind: NotFound, Op: "open model", What: e.Name, Err: shelf.ErrNotPulled, Hint: "get it with: kinora pull " + e.Name}
}

// talks says that a model is of another kind. first is what to do before.
func talks(name, first string) error {
	return &Error{
		Kind: Unsupported, Op: "open model", What: name, Err: errors.New("it is a language model: it talks, and does not draw"),
		Hint: "talk with it: " + first + "kinora chat --model " + name,
	}
}

var errHalf = errors.New("it has not been pulled to its end")

func unknown(name string) error {
	return &Error{
		Kind: NotFound, Op: "open model", What: fmt.Sprintf("%q", name), Err: errNoModel,
		Hint: "the models are " + strings.Join(Models(), ", "),
	}
}

// pulled are the models on the shelf that this program can run.
func pulled() (out []shelf.Record) {
	s, err := shelf.Default()
	if err != nil {
		return nil
	}
	for _, r := range s.Models() {
		if _, ok := architectures[r.Engine]; ok && !slices.Contains(Inside(), r.Name) {
			out = append(out, r)
		}
	}
	return out
}

// able returns a hint that names the models which can do something, for a request
// to a model that cannot; "" if there is none.
func able(can func(Capabilities) bool) string {
	var names []string
	for _, name := range Models() {
		if c, err := CapabilitiesOf(name); err == nil && can(c) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "a model that can: " + strings.Join(names, ", ")
}
