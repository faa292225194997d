package nn

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

func stored(values []float32) tensor.Stored {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return tensor.Stored{DType: tensor.F32, Bytes: b}
}

// TestChannelsLast reads weights of convolutions, channels first, as parameters.
func TestChannelsLast(t *testing.T) {
	count := make([]float32, 24)
	for i := range count {
		count[i] = float32(i)
	}
	for _, c := range []struct {
		shape  []int
		frames int
		want   []int
		values []float32
	}{
		{[]int{2, 3, 1, 2, 2}, 1, []int{2, 1, 2, 2, 3}, []float32{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23}},
		{[]int{2, 3, 2, 2}, 1, []int{2, 1, 2, 2, 3}, []float32{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23}},
		{[]int{1, 4, 3, 2}, 2, []int{1, 2, 3, 2, 2}, []float32{12, 18, 13, 19, 14, 20, 15, 21, 16, 22, 17, 23, 0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11}},
		{[]int{4, 6, 1, 1}, 1, []int{4, 1, 1, 1, 6}, count},
	} {
		s, shape, err := ChannelsLast(stored(count), c.shape, c.frames)
		if err != nil || !slices.Equal(shape, c.want) {
			t.Errorf("%v of %d frames: %v, %v, want %v", c.shape, c.frames, shape, err, c.want)
			continue
		}
		if got := tensor.InPlace(s, shape...).Values(); !slices.Equal(got, c.values) {
			t.Errorf("%v of %d frames: %v, want %v", c.shape, c.frames, got, c.values)
		}
	}
	for _, shape := range [][]int{{24}, {2, 12}, {2, 3, 4}, {2, 3, 0, 4}, {1, 3, 2, 2, 2}, {1, 1, 24, 1, 1, 1}} {
		if _, _, err := ChannelsLast(stored(count), shape, 2); err == nil {
			t.Errorf("%v is taken", shape)
		}
	}
	if _, _, err := ChannelsLast(tensor.Stored{DType: tensor.I8, Bytes: make([]byte, 24), Scale: []float32{1}}, []int{2, 3, 2, 2}, 1); err == nil {
		t.Error("int8 is taken")
	}
}
