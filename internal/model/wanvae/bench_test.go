package wanvae

import (
	"fmt"
	"testing"

	"github.com/kinora-video/kinora/internal/nn"
)

// each runs f with autoencoders of random weights of real size, and videos.
func each(b *testing.B, f func(b *testing.B, m *VAE, frames, h, w int)) {
	for _, k := range []struct {
		name string
		c    Config
	}{{"wan21", Wan21()}, {"wan22", Wan22()}} {
		for _, s := range []struct{ w, h, frames int }{{208, 128, 5}, {416, 240, 5}, {832, 480, 5}, {832, 480, 17}, {1280, 704, 5}} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", k.name, s.w, s.h, s.frames), func(b *testing.B) {
				m := build(k.c, &diffusersLayout, nn.NewParams(1))
				m.Params.Freeze()
				f(b, m, s.frames, s.h, s.w)
			})
		}
	}
}

// BenchmarkDecode decodes videos:
//
//	go test -run '^$' -bench Decode/wan21/832x480 -benchtime 1x ./internal/model/wanvae
func BenchmarkDecode(b *testing.B) {
	each(b, func(b *testing.B, m *VAE, frames, h, w int) {
		space, t := m.Config.Spatial(), 1+(frames-1)/m.Config.Temporal()
		h, w = h/space, w/space
		z := make([]float32, t*h*w*m.Config.ZDim)
		for i := range z {
			z[i] = float32(i%7)/3 - 1
		}
		for b.Loop() {
			if err := m.Decode(b.Context(), z, t, h, w, func([]byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(m.DecodeMemory(h, w))/1e6, "MB-planned")
	})
}

// BenchmarkEncode encodes videos.
func BenchmarkEncode(b *testing.B) {
	each(b, func(b *testing.B, m *VAE, frames, h, w int) {
		for b.Loop() {
			_, err := m.Encode(b.Context(), frames, h, w, func(i int, dst []float32) error {
				for j := range dst {
					dst[j] = float32((i+j)%7)/3 - 1
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
