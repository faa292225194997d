package kinora

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/model/testcard"
)

// registry lists the models, the default first. To add a model, write its room and
// a line here.
var registry = []engine.Spec{
	reel.Spec(),
	testcard.Spec(),
}

// DefaultModel is the model that Open takes for the name "".
const DefaultModel = "reel"

// Capabilities and their parts. A capability with the zero value is one that the
// model does not have.
type (
	// Capabilities say what a model can do. Requests are checked against them.
	Capabilities = engine.Capabilities
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

// Models returns the names that Open knows, sorted.
func Models() []string {
	var names []string
	for _, s := range registry {
		names = append(names, s.Capabilities().Name)
	}
	slices.Sort(names)
	return names
}

// CapabilitiesOf returns what a model can do with its own weights, without opening
// it: see Model.Capabilities. "" means DefaultModel; an unknown name is an *Error of
// kind NotFound.
func CapabilitiesOf(name string) (Capabilities, error) {
	s, err := specOf(name)
	if err != nil {
		return Capabilities{}, err
	}
	return s.Capabilities(), nil
}

// specOf finds a model in the registry.
func specOf(name string) (engine.Spec, error) {
	if name == "" {
		name = DefaultModel
	}
	for _, s := range registry {
		if s.Capabilities().Name == name {
			return s, nil
		}
	}
	return engine.Spec{}, &Error{
		Kind: NotFound, Op: "open model", What: fmt.Sprintf("%q", name), Err: errNoModel,
		Hint: "the models are " + strings.Join(Models(), ", "),
	}
}

// able returns a hint that names the models which can do something, for a request
// to a model that cannot; "" if there is none.
func able(can func(Capabilities) bool) string {
	var names []string
	for _, s := range registry {
		if c := s.Capabilities(); can(c) {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "a model that can: " + strings.Join(names, ", ")
}
