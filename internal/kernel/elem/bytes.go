package elem

import "github.com/kinora-video/kinora/internal/kernel/check"

// FromBytes maps the bytes of pixels, 0 to 255, to [-1, 1]. It converts len(dst) elements, on the caller's thread.
func FromBytes(dst []float32, src []byte) {
	check.Len("elem.FromBytes", "operand", src, len(dst))
	for i, b := range src[:len(dst)] {
		dst[i] = float32(b)/127.5 - 1
	}
}

// ToBytes maps [-1, 1] to the nearest bytes of pixels; values outside become 0 or 255. It converts len(dst)
// elements, on the caller's thread.
func ToBytes(dst []byte, src []float32) {
	check.Len("elem.ToBytes", "operand", src, len(dst))
	for i, v := range src[:len(dst)] {
		dst[i] = byte(max(0, min(255, v*127.5+128)))
	}
}
