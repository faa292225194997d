package tensor

import "github.com/kinora-video/kinora/internal/kernel/elem"

// FromPixels maps bytes 0..255 to [-1, 1], as pictures enter a model.
func FromPixels(dst []float32, pixels []byte) { elem.FromBytes(dst, pixels) }

// ToPixels maps [-1, 1] to bytes 0..255, as pictures leave a model. Values
// outside are clamped.
func ToPixels(pixels []byte, src []float32) { elem.ToBytes(pixels, src) }
