package recogniser

import (
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// outliner draws where actors are: it goes from the coarse features of a frame back
// to its pixels and looks at the finer ones on the way (Ronneberger 2015).
type outliner struct {
	toMiddle, toFine nn.Linear
	atMiddle, atFine spatial
	hidden, pixels   nn.Linear
}

func newOutliner(p *nn.Params) outliner {
	return outliner{
		toMiddle: nn.NewLinear(p, "outline.middle", 128, 4*64, 1),
		atMiddle: newSpatial(p, "outline.64", 64),
		toFine:   nn.NewLinear(p, "outline.fine", 64, 4*32, 1),
		atFine:   newSpatial(p, "outline.32", 32),
		hidden:   nn.NewLinear(p, "outline.hidden", 32, 96, 1),
		pixels:   nn.NewLinear(p, "outline.pixels", 96, 4*4, 0.5),
	}
}

// forward returns a logit a pixel [B, K, 80, 128, 1].
func (l outliner) forward(o tensor.Ops, s sights) *tensor.Tensor {
	h := o.Add(s.middle, o.Shuffle(l.toMiddle.Apply(o, s.coarse, tensor.None), 1, 2, 2))
	h = l.atMiddle.apply(o, h)
	h = o.Add(s.fine, o.Shuffle(l.toFine.Apply(o, h, tensor.None), 1, 2, 2))
	h = l.atFine.apply(o, h)
	h = l.hidden.Apply(o, o.RMSNorm(h, nil), tensor.SiLU)
	return o.Shuffle(l.pixels.Apply(o, h, tensor.None), 1, 4, 4)
}

// A mask says of every pixel of a frame of a view whether an actor is seen there.
type mask [framePixels / 64]uint64

func (m *mask) set(i int) { m[i/64] |= 1 << (i % 64) }

func (m *mask) has(i int) bool { return m[i/64]>>(i%64)&1 != 0 }
