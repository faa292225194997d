package nn

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/tensor"
)

// ChannelsLast describes the weights of a convolution that others store with the
// channels first, [O, C, KH, KW] or [O, C, KT, KH, KW], as this program has them:
// [O, KT, KH, KW, C]. The bytes stay where they are: the numbers are read in
// their new order.
//
// With frames above 1 the C channels are those of so many frames, the newest
// first, which a convolution of frames joined them of; the result is the
// convolution over the frames in their order, [O, frames, KH, KW, C/frames].
func ChannelsLast(s tensor.Stored, shape []int, frames int) (tensor.Stored, []int, error) {
	out := []int{0, 1, 1, 1, 0}
	switch len(shape) {
	case 4:
		copy(out[2:], shape[2:])
	case 5:
		copy(out[1:], shape[2:])
	default:
		return s, nil, fmt.Errorf("weights of shape %v are not those of a convolution, which have four or five axes", shape)
	}
	taps := out[1] * out[2] * out[3]
	if taps < 1 || shape[0] < 1 || shape[1] < 1 || shape[1]%frames != 0 || frames > 1 && out[1] != 1 {
		return s, nil, fmt.Errorf("weights of shape %v are not those of a convolution of %d frames", shape, frames)
	}
	if s.DType != tensor.F32 && s.DType != tensor.BF16 && s.DType != tensor.F16 {
		return s, nil, fmt.Errorf("weights of a convolution of type %v: they are read as f32, bf16 or f16 only", s.DType)
	}
	out[0], out[4] = shape[0], shape[1]/frames
	s.Turn = tensor.Turn{Groups: frames, Channels: out[4], Taps: taps}
	if frames > 1 {
		out[1] = frames
	}
	return s, out, nil
}
