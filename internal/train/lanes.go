package train

import (
	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
)

// laneCount is the number of micro-batches that run in parallel. It is fixed
// and not the number of processors: the order in which gradients are added is
// part of the result.
const laneCount = 2

// lanes run micro-batches in parallel, each on one thread with its own tape:
// whole forward and backward passes are better units of work than the small
// operations inside them.
type lanes struct {
	params *nn.Params
	tapes  [laneCount]*autograd.Tape
}

func newLanes(p *nn.Params) *lanes {
	l := &lanes{params: p}
	for i := range l.tapes {
		l.tapes[i] = autograd.NewLocalTape(backend.Training())
	}
	return l
}

// number returns the only element of a loss.
func number(o *autograd.Tape, loss *tensor.Tensor) float64 {
	return float64(tensor.Values(o.Backend(), loss)[0])
}

// run calls f for micro-batches 0 ≤ i < n, i on lane i mod laneCount, and then
// adds the lanes' gradients to the parameters.
func (l *lanes) run(n int, f func(o *autograd.Tape, lane, i int)) {
	simd.Tasks(laneCount, func(lane int) {
		for i := lane; i < n; i += laneCount {
			f(l.tapes[lane], lane, i)
			l.tapes[lane].Reset()
		}
	})
	for _, name := range l.params.Names() {
		for _, tape := range l.tapes {
			tape.Flush(l.params.Get(name))
		}
	}
}
