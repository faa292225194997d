package voice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSentences speaks the lines of phonemes in the file that
// KINORA_VOICE_PHONEMES names, and writes 000.wav and so on beside it, for
// tools/reference/voice_bar.py to compare with the package.
func TestSentences(t *testing.T) {
	file := os.Getenv("KINORA_VOICE_PHONEMES")
	if file == "" {
		t.Skip("KINORA_VOICE_PHONEMES names no file of phonemes: tools/reference/README.md has the commands")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v := opened(t)
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		x, err := v.Speak(t.Context(), line, Settings{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), fmt.Sprintf("%03d.wav", i)), wav(x), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// wav is a file of samples in 16 bits.
func wav(x []float32) []byte {
	var w bytes.Buffer
	put := func(v any) { binary.Write(&w, binary.LittleEndian, v) }
	w.WriteString("RIFF")
	put(uint32(36 + 2*len(x)))
	w.WriteString("WAVEfmt ")
	put([]uint32{16, 1 | 1<<16, SampleRate, 2 * SampleRate, 2 | 16<<16})
	w.WriteString("data")
	put(uint32(2 * len(x)))
	for _, s := range x {
		put(int16(min(max(s, -1), 1) * 32767))
	}
	return w.Bytes()
}
