package voice

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// The weights inside the program: weights/README.md says where they come from and
// under which licence.
//
//go:embed weights/heart.safetensors
var heart []byte

//go:embed weights/LICENSE.hibari
var license string

//go:embed weights/NOTICE.hibari
var notice string

// License is the licence of the voice with its notice, which names what the voice
// and its pronunciations were made with: whoever is given them in a program is to
// be shown it.
func License() string { return notice + "\n" + license }

// The keys of a weights file's metadata.
const (
	metaFormat   = "format"
	metaConfig   = "config"
	metaAlphabet = "alphabet"
	format       = "kinora-voice-1"
)

// Open returns the voice inside the program: Hibari's "heart", a woman who speaks
// American English. It is read once a process.
func Open() (*Voice, error) { return inside() }

var inside = sync.OnceValues(func() (*Voice, error) { return Parse(heart) })

// Parse makes a voice of the bytes of a weights file. The weights stay in data,
// which must not change. Everything in the file is checked.
func Parse(data []byte) (*Voice, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	meta := f.Metadata()
	if meta[metaFormat] != format {
		return nil, fmt.Errorf("the file says it is %.40q, not %q: it does not hold a voice", meta[metaFormat], format)
	}
	var c Config
	if err := json.Unmarshal([]byte(meta[metaConfig]), &c); err != nil {
		return nil, fmt.Errorf("voice configuration: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	alphabet, err := readAlphabet(meta[metaAlphabet], c.Text.Phonemes)
	if err != nil {
		return nil, err
	}
	p := nn.InPlace(f)
	n := build(c, p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	p.Freeze()
	return &Voice{net: n, alphabet: alphabet}, nil
}

// readAlphabet reads which row of the tables each phoneme has. Row 0 is the
// silence around a sentence.
func readAlphabet(text string, rows int) (map[rune]int32, error) {
	var named map[string]int32
	if err := json.Unmarshal([]byte(text), &named); err != nil {
		return nil, fmt.Errorf("the voice's alphabet: %w", err)
	}
	out := make(map[rune]int32, len(named))
	for name, id := range named {
		r, size := utf8.DecodeRuneInString(name)
		if size != len(name) || r == utf8.RuneError || id < 1 || int(id) >= rows {
			return nil, fmt.Errorf("the voice's alphabet: %.40q has row %d: a phoneme is one character, rows are 1 to %d", name, id, rows-1)
		}
		out[r] = id
	}
	return out, nil
}
