package wan

import (
	"context"
	"math"

	"github.com/kinora-video/kinora/internal/tensor"
)

// stepCache leaves out all blocks but the first where the first one changes its
// tokens nearly as at the step before: what the other blocks added there is added
// again. The blocks that matter most then run at fewer steps (the first-block cache
// of Chengzeyi's ParaAttention, after Liu et al., "Timestep Embedding Tells: It's
// Time to Cache", TeaCache, 2024).
//
// The prompt decides for itself and for the negative prompt, so a step is taken
// whole or not, whether the two run side by side or not.
type stepCache struct {
	threshold float64
	// before is what the first block added for the prompt when the rest last ran.
	before []float32
	// rest is what the other blocks added then, by branch.
	rest    []*tensor.Tensor
	skip    bool // the step at hand
	steps   int
	skipped int
	worst   float64 // change of what the first block adds, of the steps that were skipped
	sum     float64
}

// blocks takes tokens x [B, tokens, Width] through the blocks of a pass.
func (s *stepCache) blocks(ctx context.Context, b tensor.Backend, p *Pass, branch int, x *tensor.Tensor, layers int) (*tensor.Tensor, error) {
	first, err := p.Blocks(ctx, x, 0, 1)
	if err != nil {
		return nil, err
	}
	if branch == 0 {
		s.decide(tensor.Values(b, b.Sub(b.Narrow(first, 0, 0, 1), b.Narrow(x, 0, 0, 1))))
	}
	if s.skip {
		return b.Add(first, s.rest[branch]), nil
	}
	last, err := p.Blocks(ctx, first, 1, layers)
	if err != nil {
		return nil, err
	}
	rest := b.Keep(b.Sub(last, first))
	if branch == len(s.rest) {
		s.rest = append(s.rest, rest)
	} else {
		b.Free(s.rest[branch])
		s.rest[branch] = rest
	}
	return last, nil
}

// decide finds whether the step may be skipped, by what the first block adds.
func (s *stepCache) decide(added []float32) {
	s.steps++
	change := math.Inf(1)
	if s.before != nil {
		var diff, size float64
		for i, v := range s.before {
			diff += math.Abs(float64(added[i]) - float64(v))
			size += math.Abs(float64(v))
		}
		change = diff / size
	}
	// The comparison is with the last whole step, so many small changes add up.
	if s.skip = change < s.threshold; s.skip {
		s.skipped++
		s.worst, s.sum = max(s.worst, change), s.sum+change
		return
	}
	s.before = added
}

// forget drops what belongs to one expert.
func (s *stepCache) forget(b tensor.Backend) {
	if s == nil {
		return
	}
	for _, t := range s.rest {
		b.Free(t)
	}
	s.rest, s.before = nil, nil
}

// tell says what the cache has saved, and at what cost.
func (s *stepCache) tell(m *model) {
	switch {
	case s == nil:
	case s.skipped == 0:
		m.note("the step cache saved nothing: no step differed from the one before by less than %g", float32(s.threshold))
	default:
		m.note("the step cache took most of %d of %d steps from the steps before: what the first block does had changed by %.1f %% there on average, by %.1f %% at most",
			s.skipped, s.steps, 100*s.sum/float64(s.skipped), 100*s.worst)
	}
}
