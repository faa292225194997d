package reel

import (
	_ "embed" // the weights
	"sync"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
	"github.com/kinora-video/kinora/internal/world"
)

//go:embed weights/reel.safetensors
var embedded []byte

// Embedded is the weights file inside the binary. docs/lab-book.md tells how it was
// made, docs/reel.md how good it is.
func Embedded() []byte { return embedded }

// embeddedCapabilities are the capabilities of the weights inside the binary.
// It reads only their header.
var embeddedCapabilities = sync.OnceValue(func() engine.Capabilities {
	f, err := safetensors.Parse(embedded)
	if err == nil {
		c, taught, err := about(f.Metadata())
		if err == nil {
			return capabilities(c, taught)
		}
	}
	return capabilities(Default(), world.NoEdition) // Open returns the error
})
