package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Layer is a linear layer of a block: so many rows of In numbers, multiplied to
// Out numbers, so many times.
type Layer struct {
	Name          string
	Rows, In, Out int
	Act           tensor.Act
	Times         int
}

// Layers are the linear layers of one block of Wan's transformers (arXiv:2503.20314)
// of 1.3B and 5B, for a video of 832×480×81 at half the rows and one of 4,096 rows:
// queries, keys, values and results of attention on the video, queries and results
// of attention on the text, and the feed-forward layers; and one square product.
var Layers = []Layer{
	{"1.3B attention", 8190, 1536, 1536, tensor.None, 6},
	{"1.3B up", 8190, 1536, 8960, tensor.GELU, 1},
	{"1.3B down", 8190, 8960, 1536, tensor.None, 1},
	{"5B attention", 4096, 3072, 3072, tensor.None, 6},
	{"5B up", 4096, 3072, 14336, tensor.GELU, 1},
	{"5B down", 4096, 14336, 3072, tensor.None, 1},
	{"square", 4096, 4096, 4096, tensor.None, 1},
}

// Stores are the forms of weights that linear layers are measured in. Of int8 the
// activations are rounded to int8 by one scale a row, of blocks by one for every 32.
var Stores = []string{"bf16", "int8", "q8_0", "q4_0", "q4_1", "q5_0"}

// MeasureLinear times linear layers as a model calls them: f32 activations, weights
// as they are stored, the results in f32. With only it times some of Stores.
func (b *Report) MeasureLinear(ctx context.Context, w Stopwatch, layers []Layer, only []string, progress func(done, total int)) error {
	for _, name := range only {
		if !slices.Contains(Stores, name) {
			return fmt.Errorf("measuring linear layers: no weights are stored as %q; choose among %s", name, strings.Join(Stores, ", "))
		}
	}
	if len(only) == 0 {
		only = Stores
	}
	done := 0
	for _, l := range layers {
		wide, x := randoms(l.In*l.Out), randoms(l.Rows*l.In)
		for i := range wide {
			wide[i] /= float32(math.Sqrt(float64(l.In)))
		}
		for _, name := range only {
			if err := ctx.Err(); err != nil {
				return err
			}
			be := backend.New()
			if name == "int8" {
				be = backend.Int8()
			}
			weight := stored(name, wide, l.In, l.Out)
			sec := w.best(func() {
				be.Reset()
				be.Linear(be.Upload(x, l.Rows, l.In), weight, nil, l.Act)
			})
			flops := 2 * float64(l.Rows) * float64(l.In) * float64(l.Out)
			s := Speed{Kernel: name, Size: fmt.Sprintf("%s, %d×%d→%d", l.Name, l.Rows, l.In, l.Out), FLOPs: flops, Seconds: sec, GFLOPS: flops / sec / 1e9}
			s.Share = s.GFLOPS / b.Peak
			b.Linear = append(b.Linear, s)
			if done++; progress != nil {
				progress(done, len(layers)*len(only))
			}
		}
	}
	return nil
}

// stored returns weights [out, in] as a fixed parameter of one of Stores.
func stored(name string, wide []float32, in, out int) *tensor.Tensor {
	s := tensor.Stored{}
	switch name {
	case "bf16":
		s.DType, s.Bytes = tensor.BF16, make([]byte, 2*len(wide))
		for i, v := range wide {
			binary.LittleEndian.PutUint16(s.Bytes[2*i:], uint16(math.Float32bits(gemm.RoundBF16(v))>>16))
		}
	case "int8":
		rows := gemm.Int8Rows(in, out, gemm.Matrix{Data: wide, Stride: in, Trans: true})
		s.DType, s.Bytes, s.Scale = tensor.I8, rows.Bytes, rows.Scale
	default:
		for _, kind := range quant.Types() {
			if kind.String() == name {
				s.DType = tensor.OfQuant(kind)
				s.Bytes = make([]byte, s.DType.Bytes(len(wide)))
				quant.Quantize(kind, s.Bytes, wide)
			}
		}
	}
	w := tensor.InPlace(s, out, in).For(tensor.AsMatrix)
	w.Fix()
	return w
}
