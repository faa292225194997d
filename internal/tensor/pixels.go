package tensor

import "github.com/kinora-video/kinora/internal/kernel/elem"

// FromPixels maps bytes 0..255 to [-1, 1], as pictures enter a model.
func FromPixels(dst []float32, pixels []byte) { elem.FromBytes(dst, pixels) }

// ToPixels maps [-1, 1] to bytes 0..255, as pictures leave a model. Values
// outside are clamped.
func ToPixels(pixels []byte, src []float32) { elem.ToBytes(pixels, src) }

// Pixels returns a function that hands frames of equal size to yield as ToPixels makes
// them. The bytes are valid until yield returns.
func Pixels(yield func(pixels []byte) error) func(frame []float32) error {
	var pixels []byte
	return func(frame []float32) error {
		if pixels == nil {
			pixels = make([]byte, len(frame))
		}
		ToPixels(pixels, frame)
		return yield(pixels)
	}
}
