package check

import "testing"

func TestLen(t *testing.T) {
	for name, tt := range map[string]struct {
		check func()
		want  any
	}{
		"long enough":   {func() { Len("norm.RMS", "y", make([]float32, 3), 3) }, nil},
		"too short":     {func() { Len("norm.RMS", "y", make([]byte, 2), 3) }, "norm.RMS: y holds 2 elements, needs 3"},
		"nil":           {func() { LenOrNil[float32]("norm.RMS", "g", nil, 3) }, nil},
		"nil but asked": {func() { Len[float32]("norm.RMS", "y", nil, 1) }, "norm.RMS: y holds 0 elements, needs 1"},
		"not nil":       {func() { LenOrNil("norm.RMS", "g", []float32{}, 3) }, "norm.RMS: g holds 0 elements, needs 3"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != tt.want {
					t.Errorf("panic %v, want %v", got, tt.want)
				}
			}()
			tt.check()
		})
	}
}
