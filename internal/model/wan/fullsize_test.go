package wan

import (
	"cmp"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/engine"
)

// TestFullSize samples 17 frames of 832×480 in 3 steps with a model in its real
// size, and draws them by both decoders, and says how long that takes and how much
// memory. Without the folder that tools/reference/wan_sizes.py writes, which
// KINORA_FULL_SIZE names, it skips itself. KINORA_FULL_MEMORY is the limit in MiB,
// 4096 by default, or 0 for none.
func TestFullSize(t *testing.T) {
	dir := os.Getenv("KINORA_FULL_SIZE")
	if dir == "" {
		t.Skip("KINORA_FULL_SIZE names no folder of tools/reference/wan_sizes.py")
	}
	limit, err := strconv.ParseInt(cmp.Or(os.Getenv("KINORA_FULL_MEMORY"), "4096"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	limit <<= 20
	debug.SetGCPercent(20) // as the program does
	f, err := readFolder("wan", dir)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Spec("wan", dir)
	if err != nil {
		t.Fatal(err)
	}
	j := engine.Job{
		Video:  engine.Video{Width: 832, Height: 480, FPS: 16, Frames: 17},
		Prompt: "a red fox in the snow", Seed: 1, Steps: 3, Guidance: spec.Capabilities().Guidance.Default,
	}
	var l engine.Latents
	for _, d := range []engine.Decoder{engine.FullDecoder, engine.TinyDecoder} {
		m, err := f.openOn(t.Context(), engine.Options{Memory: limit, Decoder: d, Note: func(line string) { t.Log(line) }}, backend.New)
		if err != nil {
			t.Fatal(err)
		}
		if l == nil {
			start := time.Now()
			l, err = m.Sample(t.Context(), j, func(done, total int) {
				t.Logf("step %d of %d after %v, %s", done, total, time.Since(start).Round(time.Second), peak(t))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		start, frames := time.Now(), 0
		err = m.Decode(t.Context(), l, func([]byte) error { frames++; return nil })
		if err != nil || frames != j.Frames {
			t.Fatalf("%d frames, %v", frames, err)
		}
		t.Logf("drawn by the decoder %s in %v, %s", d, time.Since(start).Round(100*time.Millisecond), peak(t))
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// peak says how much memory the process had at most, and begins anew.
func peak(t *testing.T) string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("only Linux tells how much memory a process had at most")
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
			return "at most " + strings.TrimSpace(kb)
		}
	}
	return ""
}
