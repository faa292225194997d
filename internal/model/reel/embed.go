package reel

import (
	_ "embed" // the weights
	"sync"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

//go:embed weights/reel.safetensors
var embedded []byte

// Embedded is the weights file inside the binary: docs/reel.md tells how it
// was made and how good it is.
func Embedded() []byte { return embedded }

// embeddedEdition is the edition of the storybook that the weights inside the binary
// say they were taught. Their header alone is read.
var embeddedEdition = sync.OnceValue(func() world.Edition {
	f, err := safetensors.Parse(embedded)
	if err != nil {
		return world.NoEdition // Open says what is wrong
	}
	e, err := edition(f.Metadata())
	if err != nil {
		return world.NoEdition
	}
	return e
})
