package nn

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// shelf is a source of stored weights that records the advice it gets.
type shelf struct {
	tensors map[string]tensor.Stored
	shapes  map[string][]int
	mu      sync.Mutex // parts are prefetched while others are released
	advice  []string
}

func (s *shelf) Stored(name string) (tensor.Stored, []int, error) {
	t, ok := s.tensors[name]
	if !ok {
		return t, nil, fmt.Errorf("no %s here: %w", name, tensor.ErrNotStored)
	}
	return t, s.shapes[name], nil
}

func (s *shelf) Prefetch(b []byte) { s.note("prefetch ", len(b)) }
func (s *shelf) Release(b []byte)  { s.note("release ", len(b)) }

func (s *shelf) note(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advice = append(s.advice, fmt.Sprint(what, n))
}

// put stores x as bf16; the values must be exact in bf16.
func (s *shelf) put(name string, x []float32, shape ...int) {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(v)>>16))
	}
	if s.tensors == nil {
		s.tensors, s.shapes = map[string]tensor.Stored{}, map[string][]int{}
	}
	s.tensors[name], s.shapes[name] = tensor.Stored{DType: tensor.BF16, Bytes: b, Source: s}, shape
}

// layers is a model of two blocks with one layer each.
func layers(p *Params) (a, b Linear) {
	return NewLinear(p, "block.0", 4, 3, 1), NewLinear(p, "block.1", 3, 2, 1)
}

func stocked() *shelf {
	s := &shelf{}
	s.put("block.0.weight", []float32{1, 2, 3, 4, -1, -2, -3, -4, 0.5, 0, 0, 0}, 3, 4)
	s.put("block.0.bias", []float32{1, 0, -1}, 3)
	s.put("block.1.weight", []float32{1, 0, 0, 0, 1, 1}, 2, 3)
	s.put("block.1.bias", []float32{0, 8}, 2)
	return s
}

// TestBlocksComeAndGo runs a model with its weights in place, one block at a
// time in memory, and checks that it gives the same numbers each time.
func TestBlocksComeAndGo(t *testing.T) {
	s := stocked()
	p := InPlace(s)
	a, b := layers(p)
	if err := p.Check(); err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	p.Freeze()
	formed := func() (n [2]int) {
		for i := range n {
			p.each(fmt.Sprintf("block.%d.", i), func(t *tensor.Tensor) {
				if t.Formed() {
					n[i]++
				}
			})
		}
		return n
	}
	for range 2 {
		cpu := tensor.NewCPU(tensor.F32)
		p.Prefetch("block.0.")
		if err := p.Ready(cpu, "block.0."); err != nil {
			t.Fatal(err)
		}
		if formed() != [2]int{2, 0} {
			t.Errorf("ready: %v parameters of the blocks are in memory", formed())
		}
		h := a.Apply(cpu, cpu.Upload([]float32{1, 1, 1, 1}, 1, 4), tensor.None)
		p.Prefetch("block.1.")
		p.LetGo("block.0.")
		y := b.Apply(cpu, h, tensor.None)
		if formed() != [2]int{0, 2} {
			t.Errorf("after the first block: %v parameters of the blocks are in memory", formed())
		}
		if got := tensor.Values(cpu, y); !slices.Equal(got, []float32{11, -10 - 0.5 + 8}) {
			t.Errorf("the model says %v", got)
		}
		p.LetGo("block.1.")
	}
	want := []string{"prefetch 24", "prefetch 6", "prefetch 12", "prefetch 4", "release 24", "release 6", "release 12", "release 4"}
	if !slices.Equal(s.advice, append(want, want...)) {
		t.Errorf("the source was advised %v", s.advice)
	}
}

// TestInPlaceTrustsNoWeights: the error names a parameter that is missing, has
// another shape, or is not finite.
func TestInPlaceTrustsNoWeights(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(s *shelf)
		want  string
	}{
		"missing":  {func(s *shelf) { delete(s.tensors, "block.1.weight") }, `lacks the parameter "block.1.weight"`},
		"shape":    {func(s *shelf) { s.put("block.0.bias", []float32{1, 2}, 2) }, `"block.0.bias" has shape [2]`},
		"infinite": {func(s *shelf) { s.put("block.1.bias", []float32{0, float32(math.Inf(-1))}, 2) }, `"block.1.bias" holds a value that is not finite`},
		"NaN":      {func(s *shelf) { s.put("block.1.bias", []float32{float32(math.NaN()), 0}, 2) }, `"block.1.bias" holds a value that is not finite`},
	} {
		s := stocked()
		c.spoil(s)
		p := InPlace(s)
		layers(p)
		err := p.Err()
		if err == nil {
			err = p.Check()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
	}
}

// TestThaw copies stored weights to the host, where they may change.
func TestThaw(t *testing.T) {
	p := InPlace(stocked())
	layers(p)
	p.Freeze()
	if err := p.Thaw(); err != nil {
		t.Fatal(err)
	}
	w := p.Get("block.1.bias")
	w.Set([]float32{5, 6})
	cpu := tensor.NewCPU(tensor.F32)
	if got := tensor.Values(cpu, cpu.Add(w, w)); !slices.Equal(got, []float32{10, 12}) || w.Fixed() {
		t.Errorf("a thawed parameter is %v, fixed: %v", got, w.Fixed())
	}
}
