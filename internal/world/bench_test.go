//go:build unix

package world

import (
	"syscall"
	"testing"
)

// coreSeconds is the processor time of this process so far. Unlike wall-clock
// time it is about the same on a busy machine.
func coreSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)*1e-6
}

func perCore(b *testing.B, start float64) {
	b.ReportMetric(float64(b.N)/(coreSeconds()-start), "frames/core-s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkFrame draws frames of many prepared scenes.
func BenchmarkFrame(b *testing.B) {
	const w, h = 256, 160
	var rs []*Renderer
	for i := range 32 {
		rs = append(rs, NewRenderer(Sample(uint64(i), SampleOptions{}), w, h))
	}
	buf := make([]byte, w*h*3)
	b.ReportAllocs()
	start := coreSeconds()
	for i := 0; b.Loop(); i++ {
		rs[i%len(rs)].Frame(buf, float64(i%144)/24)
	}
	perCore(b, start)
}

// BenchmarkTraining draws as training does, on all cores: 48 frames of one
// scene, then another scene.
func BenchmarkTraining(b *testing.B) {
	const w, h, frames = 256, 160, 48
	start := coreSeconds()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, w*h*3)
		var r *Renderer
		for i := 0; pb.Next(); i++ {
			if i%frames == 0 {
				r = NewRenderer(Sample(uint64(i/frames), SampleOptions{}), w, h)
			}
			r.Frame(buf, float64(i%frames)/24)
		}
	})
	perCore(b, start)
}

func BenchmarkNewRenderer(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		NewRenderer(Sample(uint64(i%200), SampleOptions{}), 256, 160)
	}
}
