package convert

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// A chunk is how many numbers are in memory at a time, and a piece how many of
// them a task computes: whole blocks of any type. Their sizes are fixed, so that
// the sums of the errors do not depend on the number of threads.
const (
	chunk = 1 << 20
	piece = 1 << 14
)

// writer quantises the tensors of a plan, one after another.
type writer struct {
	ctx         context.Context
	progress    func(done float64, written int)
	done, total int64 // bytes
	written     int   // tensors
	losses      []Loss
	x, y        []float32
	out         []byte
}

// read says that bytes of a tensor are read, and gives their memory back.
func (w *writer) read(s *tensor.Stored, b []byte) error {
	if s.Source != nil {
		s.Source.Release(b)
	}
	w.done += int64(len(b))
	w.progress(float64(w.done)/float64(w.total), w.written)
	return w.ctx.Err()
}

// stale reports whether a key of the metadata says how a GGUF file is quantised
// or laid out, which is not true of the new file.
func stale(key string) bool {
	return gguf.IsLayout(key) || key == fileTypeKey || key == quantKey
}

// The keys that say how a file is quantised; fileTypes are the values that
// llama.cpp gives to the first, and blocksVersion is that of the second.
const (
	fileTypeKey   = "general.file_type"
	quantKey      = "general.quantization_version"
	blocksVersion = 2
	architecture  = "general.architecture"
)

var fileTypes = map[quant.Type]uint32{quant.Q4_0: 2, quant.Q4_1: 3, quant.Q8_0: 7, quant.Q5_0: 8, quant.Q5_1: 9}

func (p *Plan) writeGGUF(w *writer, out io.Writer) error {
	entries := slices.DeleteFunc(slices.Clone(p.source.entries), func(e gguf.Entry) bool { return stale(e.Key) })
	if _, have := p.source.texts[architecture]; !have { // which every file must have
		entries = append([]gguf.Entry{{Key: architecture, Value: gguf.TextValue("unknown")}}, entries...)
	}
	entries = append(
		entries,
		gguf.Entry{Key: quantKey, Value: gguf.Uint32Value(blocksVersion)},
		gguf.Entry{Key: fileTypeKey, Value: gguf.Uint32Value(fileTypes[p.target.blocks])},
	)
	var tensors []gguf.Tensor
	for i := range p.tensors {
		n := &p.tensors[i]
		kind, _ := gguf.TypeOf(n.to)
		shape := n.Shape
		numbers, _ := n.to.Block()
		if len(shape) > 0 && shape[len(shape)-1]%numbers != 0 { // its rows were cut, as they are again
			entries = append(entries, gguf.ShapeEntry(n.Name, shape))
			shape = []int{tensor.Elems(shape) / numbers, numbers}
		}
		tensors = append(tensors, gguf.Tensor{Name: n.Name, Type: kind, Shape: shape, Data: func(out io.Writer) error { return w.tensor(n, nil, out) }})
	}
	return gguf.Write(out, tensors, entries)
}

func (p *Plan) writeSafetensors(w *writer, out io.Writer) error {
	texts := map[string]string{}
	for k, v := range p.source.texts {
		if !stale(k) && utf8.ValidString(k) && utf8.ValidString(v) {
			texts[k] = v
		}
	}
	var tensors []safetensors.Tensor
	for i := range p.tensors {
		n := &p.tensors[i]
		kind := map[tensor.DType]safetensors.DType{tensor.F32: safetensors.F32, tensor.F16: safetensors.F16, tensor.BF16: safetensors.BF16, tensor.I8: safetensors.I8}[n.to]
		if n.to != tensor.I8 {
			tensors = append(tensors, safetensors.FromStream(n.Name, kind, func(out io.Writer) error { return w.tensor(n, nil, out) }, n.Shape...))
			continue
		}
		// The scales are written first, because f32 is wider.
		scales := n.Stored.Scale
		if n.quantise {
			scales = make([]float32, n.scales())
		}
		tensors = append(
			tensors,
			safetensors.FromStream(n.Name+scaleSuffix, safetensors.F32, func(out io.Writer) error {
				if n.quantise {
					if err := w.scales(n, scales); err != nil {
						return err
					}
				}
				_, err := out.Write(safetensors.FromFloat32("", safetensors.F32, scales).Data)
				return err
			}, len(scales)),
			safetensors.FromStream(n.Name, kind, func(out io.Writer) error { return w.tensor(n, scales, out) }, n.Shape...),
		)
	}
	return safetensors.Write(out, tensors, texts)
}

// tensor writes a tensor; scales are those of one that becomes int8.
func (w *writer) tensor(n *planned, scales []float32, out io.Writer) (err error) {
	switch {
	case n.quantise && n.to == tensor.I8:
		err = w.rows(n, scales, out)
	case n.quantise:
		err = w.blocks(n, out)
	case n.to == n.Stored.DType:
		err = w.copy(n, out)
	default:
		err = w.widen(n, out)
	}
	w.written++
	return err
}

// copy writes a tensor as it is.
func (w *writer) copy(n *planned, out io.Writer) error {
	for b := range slices.Chunk(n.Stored.Bytes, chunk) {
		w.out = append(w.out[:0], b...) // here, where a fault of the mapping is caught
		if _, err := out.Write(w.out); err != nil {
			return err
		}
		if err := w.read(&n.Stored, b); err != nil {
			return err
		}
	}
	return nil
}

// each calls f with the numbers of a tensor, step of them at a time, and their
// place. step is whole blocks of the tensor, and the tensor whole steps but for
// its end.
func (w *writer) each(n *planned, step int, f func(x []float32, at int) error) error {
	total := tensor.Elems(n.Shape)
	for at := 0; at < total; at += step {
		w.x = slices.Grow(w.x[:0], step)[:min(step, total-at)]
		x := w.x
		simd.For(len(x), piece, func(lo, hi int) { n.Stored.Widen(x[lo:hi], at+lo) })
		if err := f(x, at); err != nil {
			return err
		}
		numbers, bytes := n.Stored.DType.Block()
		if err := w.read(&n.Stored, n.Stored.Bytes[at/numbers*bytes:(at+len(x))/numbers*bytes]); err != nil {
			return err
		}
	}
	return nil
}

// widen writes a tensor in f32.
func (w *writer) widen(n *planned, out io.Writer) error {
	return w.each(n, chunk, func(x []float32, _ int) error {
		_, err := out.Write(safetensors.FromFloat32("", safetensors.F32, x).Data)
		return err
	})
}

// blocks quantises a tensor to blocks.
func (w *writer) blocks(n *planned, out io.Writer) error {
	kind, _ := n.to.Quant()
	var sum sums
	err := w.each(n, chunk, func(x []float32, _ int) error {
		size := n.to.Bytes(len(x))
		w.out, w.y = slices.Grow(w.out[:0], size)[:size], slices.Grow(w.y[:0], len(x))[:len(x)]
		parts := make([]sums, (len(x)+piece-1)/piece)
		simd.For(len(x), piece, func(lo, hi int) {
			b := w.out[n.to.Bytes(lo):n.to.Bytes(hi)]
			quant.Quantize(kind, b, x[lo:hi])
			quant.Dequantize(kind, w.y[lo:hi], b)
			parts[lo/piece].add(x[lo:hi], w.y[lo:hi])
		})
		for _, p := range parts {
			sum.join(p)
		}
		if !sum.finite() {
			return sum.why(n.to)
		}
		_, err := out.Write(w.out)
		return err
	})
	w.losses = append(w.losses, Loss{n.Name, sum.rms()})
	return err
}

// rowStep is how many numbers are whole rows and about a chunk.
func (n *planned) rowStep() (row, step int) {
	row = n.Shape[len(n.Shape)-1]
	return row, max(1, chunk/row) * row
}

// scales computes a scale for each row: the largest number becomes 127.
func (w *writer) scales(n *planned, scales []float32) error {
	row, step := n.rowStep()
	return w.each(n, step, func(x []float32, at int) error {
		simd.For(len(x)/row, 1, func(i, _ int) {
			var most float32
			for _, v := range x[i*row:][:row] {
				if a := float32(math.Abs(float64(v))); a > most || a != a {
					most = a
				}
			}
			scales[at/row+i] = most / 127
		})
		for _, s := range scales[at/row:][:len(x)/row] {
			if s-s != 0 {
				return errNotFinite
			}
		}
		return nil
	})
}

// rows quantises the rows of a tensor to int8 with their scales.
func (w *writer) rows(n *planned, scales []float32, out io.Writer) error {
	row, step := n.rowStep()
	var sum sums
	err := w.each(n, step, func(x []float32, at int) error {
		w.out, w.y = slices.Grow(w.out[:0], len(x))[:len(x)], slices.Grow(w.y[:0], len(x))[:len(x)]
		parts := make([]sums, len(x)/row)
		simd.For(len(parts), 1, func(i, _ int) {
			x, y, q, scale := x[i*row:][:row], w.y[i*row:][:row], w.out[i*row:][:row], scales[at/row+i]
			for j, v := range x {
				var s float64
				if scale != 0 {
					s = min(max(math.RoundToEven(float64(v/scale)), -127), 127)
				}
				q[j], y[j] = byte(int8(s)), scale*float32(s)
			}
			parts[i].add(x, y)
		})
		for _, p := range parts {
			sum.join(p)
		}
		_, err := out.Write(w.out)
		return err
	})
	w.losses = append(w.losses, Loss{n.Name, sum.rms()})
	return err
}

// sums are of the squares of numbers, and of those of their errors.
type sums struct{ numbers, errors float64 }

func (s *sums) add(x, y []float32) {
	for i, v := range x {
		e := float64(v) - float64(y[i])
		s.numbers += float64(v) * float64(v)
		s.errors += e * e
	}
}

func (s *sums) join(t sums) {
	s.numbers += t.numbers
	s.errors += t.errors
}

func (s *sums) finite() bool { return s.errors-s.errors == 0 }

// why says why the errors are not finite.
func (s *sums) why(d tensor.DType) error {
	if s.numbers-s.numbers != 0 {
		return errNotFinite
	}
	return fmt.Errorf("its numbers are too large for %v: keep this tensor as it is", d)
}

func (s *sums) rms() float64 {
	if s.numbers == 0 {
		return 0
	}
	return math.Sqrt(s.errors / s.numbers)
}
