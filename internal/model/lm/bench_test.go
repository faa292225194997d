//go:build unix

package lm

import (
	"syscall"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/simd"
)

// busy is the processor time that the process has used.
func busy(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skip(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report reports tokens a second, by the clock and by processor time.
func report(b *testing.B, tokens int, wall, cpu time.Duration) {
	b.ReportMetric(float64(tokens)/wall.Seconds(), "tokens/s")
	b.ReportMetric(float64(tokens)/cpu.Seconds()*float64(simd.Threads()), "busy-tokens/s")
}

// promptTokens are tokens to time a model with.
func promptTokens(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(1000 + 7*i)
	}
	return ids
}

// BenchmarkPrefill times the prompt of 512 tokens.
func BenchmarkPrefill(b *testing.B) {
	m := smollm2(b)
	ids := promptTokens(512)
	logits := make([]float32, m.Vocabulary())
	s := m.NewSession()
	defer s.Close()
	var wall, cpu time.Duration
	n := 0
	for b.Loop() {
		s.keep(0)
		began, used := time.Now(), busy(b)
		if err := s.feed(b.Context(), ids, logits); err != nil {
			b.Fatal(err)
		}
		wall, cpu, n = wall+time.Since(began), cpu+busy(b)-used, n+len(ids)
	}
	report(b, n, wall, cpu)
}

// BenchmarkDecode times 128 tokens, one after another, after a prompt of 32.
func BenchmarkDecode(b *testing.B) {
	m := smollm2(b)
	s := m.NewSession()
	defer s.Close()
	var wall, cpu time.Duration
	n := 0
	for b.Loop() {
		s.keep(0)
		p := newPicker(m.Vocabulary(), Options{}, nil)
		next := promptTokens(32)
		var began time.Time
		var used time.Duration
		for i := range 129 {
			if i == 1 {
				began, used = time.Now(), busy(b)
			}
			if err := s.feed(b.Context(), next, p.logits); err != nil {
				b.Fatal(err)
			}
			id, err := p.next(nil)
			if err != nil {
				b.Fatal(err)
			}
			next = []int32{id}
		}
		wall, cpu, n = wall+time.Since(began), cpu+busy(b)-used, n+128
	}
	report(b, n, wall, cpu)
}
