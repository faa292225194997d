package reel

import _ "embed"

//go:embed weights/reel.safetensors
var embedded []byte

// Embedded is the weights file inside the binary. docs/reel.md tells how it was
// made and how good it is.
func Embedded() []byte { return embedded }
