package tae

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A block changes a frame, seeing the frame before it too.
type block interface {
	// apply frees x.
	apply(s *stream, x *tensor.Tensor) *tensor.Tensor
}

// memBlock is three convolutions of a frame, the first with the frame before it,
// around which the frame itself goes.
type memBlock struct {
	id                  int
	conv0, conv1, conv2 nn.Conv
}

func (m *TAE) memBlock(name string, c int) *memBlock {
	conv := func(i, kt int) nn.Conv {
		return nn.NewConv(m.Params, fmt.Sprintf("%s.conv.%d", name, i), c, c, kt, 3, 3, 1)
	}
	m.blocks++
	return &memBlock{m.blocks - 1, conv(0, 2), conv(2, 1), conv(4, 1)}
}

// apply implements block.
func (k *memBlock) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	op := s.b.Retain(s.b.Operand(x, nil, tensor.None))
	clip := []*tensor.Tensor{op}
	if before := s.past[k.id]; before != nil {
		clip = []*tensor.Tensor{before, op}
	}
	h := s.b.ConvFrames(k.conv0.W, k.conv0.B, nil, tensor.ReLU, clip...)
	if len(clip) > 1 {
		s.b.Free(clip[0])
	}
	s.past[k.id] = op
	h = s.conv(k.conv1, h, tensor.None, tensor.ReLU, nil)
	h = s.instead(x, s.conv(k.conv2, h, tensor.None, tensor.None, x))
	return s.instead(h, s.b.Activate(h, tensor.ReLU))
}

// wideBlock is that of the larger decoder (after ConvNeXt, Liu et al. 2022,
// arXiv:2201.03545): a depthwise convolution 7×7 of a frame and the one before it,
// side by side as channels, and two layers for each pixel. The frame itself goes
// around.
type wideBlock struct {
	id    int
	depth *tensor.Tensor // [1, 7, 7, 2·C]
	up    nn.Linear      // to 4·C
	down  *tensor.Tensor
}

func (m *TAE) wideBlock(name string, c int) *wideBlock {
	m.blocks++
	k := &wideBlock{
		id: m.blocks - 1, depth: m.Params.New(name+".conv.0.weight", 0.1, 1, 7, 7, 2*c),
		up: nn.Linear{W: pointwise(m.Params, name+".conv.1", 2*c, 4*c), B: m.Params.New(name+".conv.1.bias", 0, 4*c)},
	}
	k.down = pointwise(m.Params, name+".conv.3", 4*c, c)
	return k
}

// apply implements block.
func (k *wideBlock) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	before := s.past[k.id]
	y := s.b.Scope(func() *tensor.Tensor {
		if before == nil {
			before = s.b.Upload(make([]float32, x.Len()), x.Shape...)
		}
		h := s.b.Depthwise(s.b.Concat(4, x, before), k.depth, nil, nil)
		h = s.b.Linear(k.up.Apply(s.b, h, tensor.ReLU), k.down, nil, tensor.None)
		return s.b.Add(x, h)
	})
	if p := s.past[k.id]; p != nil {
		s.b.Free(p)
	}
	s.past[k.id] = s.b.Retain(x)
	return y
}
