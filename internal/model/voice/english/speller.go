package english

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

//go:embed data/unknown.safetensors
var spellerFile []byte

// Names in the file's metadata, and bounds of its configuration.
const (
	spellerFormat = "kinora-spelling-1"
	spellerEps    = 1e-5
	mostLayers    = 64
)

// spellerConfig is the shape of the network.
type spellerConfig struct {
	Letters string `json:"letters"` // that it knows, one rune each; others are left out
	Sounds  string `json:"sounds"`  // phonemes, one rune each
	Slots   int    `json:"slots"`   // phonemes that a letter may have
	Longest int    `json:"longest"` // letters of a word
	Layers  int    `json:"layers"`
	Heads   int    `json:"heads"`
}

// speller reads words by their spelling: a transformer (Vaswani 2017, with the norms
// first) over the letters, which says a phoneme or nothing for each of some slots a
// letter. Of equal neighbours one is spoken, as in connectionist temporal
// classification (Graves 2006).
type speller struct {
	config   spellerConfig
	letter   map[rune]int32 // rows of the table, from 1
	sounds   []rune
	table    *tensor.Tensor // [letters+1, Width]
	places   *tensor.Tensor // [Longest, Width]
	layers   []spellerLayer
	norm     spellerNorm
	head     nn.Linear // to [Slots·(sounds+1)]
	backends sync.Pool
}

type spellerNorm struct{ gain, bias *tensor.Tensor }

func (n spellerNorm) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.LayerNorm(x, n.gain, n.bias, spellerEps)
}

type spellerLayer struct {
	heads              int
	norm1, norm2       spellerNorm
	qkv, out, up, down nn.Linear
}

func openSpeller() (*speller, error) {
	fail := func(err error) (*speller, error) {
		return nil, fmt.Errorf("the spelling network inside the program: %w", err)
	}
	f, err := safetensors.Parse(spellerFile)
	if err != nil {
		return fail(err)
	}
	s := &speller{letter: map[rune]int32{}}
	meta := f.Metadata()
	if meta["format"] != spellerFormat {
		return fail(fmt.Errorf("its format is %q, must be %q", meta["format"], spellerFormat))
	}
	if err := json.Unmarshal([]byte(meta["config"]), &s.config); err != nil {
		return fail(err)
	}
	table, ok := f.Info("letters")
	up, ok2 := f.Info("layers.0.up.weight")
	c := s.config
	if !ok || !ok2 || len(table.Shape) != 2 || len(up.Shape) != 2 || c.Layers < 1 || c.Layers > mostLayers || c.Heads < 1 || table.Shape[1]%c.Heads != 0 || c.Slots < 1 || c.Longest < 1 {
		return fail(fmt.Errorf("its configuration %s does not fit its weights", meta["config"]))
	}
	for i, r := range []rune(c.Letters) {
		s.letter[r] = int32(i + 1)
	}
	s.sounds = []rune(c.Sounds)
	p := nn.InPlace(f)
	s.build(p, table.Shape[1], up.Shape[0])
	if err := p.Err(); err != nil {
		return fail(err)
	}
	if err := p.Check(); err != nil {
		return fail(err)
	}
	p.Freeze()
	// Rounded products could change which phoneme is the likeliest.
	s.backends.New = func() any { return tensor.Backend(backend.Exact()) }
	return s, nil
}

func (s *speller) build(p *nn.Params, width, hidden int) {
	c := s.config
	norm := func(name string) spellerNorm {
		return spellerNorm{p.Ones(name+".weight", width), p.New(name+".bias", 0, width)}
	}
	s.table = p.New("letters", 1, len(s.letter)+1, width)
	s.places = p.New("places", 1, c.Longest, width)
	for i := range c.Layers {
		name := fmt.Sprintf("layers.%d.", i)
		s.layers = append(s.layers, spellerLayer{
			heads: c.Heads, norm1: norm(name + "norm1"), norm2: norm(name + "norm2"),
			qkv: nn.NewLinear(p, name+"qkv", width, 3*width, 1), out: nn.NewLinear(p, name+"out", width, width, 1),
			up: nn.NewLinear(p, name+"up", width, hidden, 1), down: nn.NewLinear(p, name+"down", hidden, width, 1),
		})
	}
	s.norm = norm("norm")
	s.head = nn.NewLinear(p, "head", width, c.Slots*(len(s.sounds)+1), 1)
}

// speak returns the phonemes of a word. Letters that it does not know, and those
// beyond the longest word, are left out.
func (s *speller) speak(word string) string {
	var ids []int32
	for _, r := range word {
		if id, ok := s.letter[r]; ok && len(ids) < s.config.Longest {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	b := s.backends.Get().(tensor.Backend)
	defer s.backends.Put(b)
	scores := tensor.Values(b, b.Scope(func() *tensor.Tensor { return s.forward(b, ids) }))
	b.Reset()
	var out strings.Builder
	before := 0
	for n := len(s.sounds) + 1; len(scores) > 0; scores = scores[n:] {
		best := 0
		for i, v := range scores[:n] {
			if v > scores[best] {
				best = i
			}
		}
		if best != before && best > 0 {
			out.WriteRune(s.sounds[best-1])
		}
		before = best
	}
	return out.String()
}

// forward gives the scores of the phonemes [letters, Slots·(sounds+1)].
func (s *speller) forward(o tensor.Inference, ids []int32) *tensor.Tensor {
	x := o.Add(o.Embed(s.table, ids), o.Narrow(s.places, 0, 0, len(ids)))
	for i := range s.layers {
		x = s.layers[i].apply(o, x)
	}
	return s.head.Apply(o, s.norm.apply(o, x), tensor.None)
}

// apply runs the layer on x [letters, Width].
func (l *spellerLayer) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	n, w := x.Dim(0), x.Dim(1)
	h := l.qkv.Apply(o, l.norm1.apply(o, x), tensor.None)
	part := func(i int) *tensor.Tensor {
		return o.Narrow(h, 1, i*w, (i+1)*w).Reshape(1, n, l.heads, w/l.heads)
	}
	y := o.Attention(part(0), part(1), part(2), tensor.Mask{})
	x = o.Add(x, l.out.Apply(o, y.Reshape(n, w), tensor.None))
	h = l.up.Apply(o, l.norm2.apply(o, x), tensor.None)
	return o.Add(x, l.down.Apply(o, o.GELUErf(h), tensor.None))
}
