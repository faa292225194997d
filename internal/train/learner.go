package train

import (
	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/model/reel"
)

// flowBatch is a micro-batch: the transformer's inputs, its targets, and the
// weight of each latent in the loss.
type flowBatch struct {
	in      reel.Batch // without its latents
	prompts [][]int32
	shape   []int     // of z and target: [B, G, H, W, Latent]
	z       []float32 // noisy
	target  []float32
	weight  []float32 // [B·G·H·W]
}

// A learner is the step of every task that trains a transformer.
type learner struct {
	flow  *reel.Flow
	lanes *lanes
	aux   []reel.Routing // one per lane
}

func newLearner(m *reel.Model) learner {
	return learner{flow: m.Flow, lanes: newLanes(m.FlowParams), aux: make([]reel.Routing, laneCount)}
}

// step runs forward and backward over the micro-batches.
func (l *learner) step(_ int, batch []flowBatch) (float64, map[string]float64) {
	losses := make([]float64, len(batch))
	l.lanes.run(len(batch), func(o *autograd.Tape, lane, i int) {
		b := batch[i]
		in := b.in
		in.Z = o.Upload(b.z, b.shape...)
		y := l.flow.Forward(o, in, l.flow.Encode(o, b.prompts), nil, &l.aux[lane])
		l.aux[lane].Count(o.Backend())
		loss := o.MSE(y, o.Upload(b.target, b.shape...), o.Upload(b.weight, len(b.weight)))
		losses[i] = number(o, loss)
		o.Backward(loss, 1/float32(len(batch)))
	})
	var total float64
	for _, v := range losses {
		total += v / float64(len(batch))
	}
	for i := range l.aux[1:] {
		l.aux[0].Merge(&l.aux[i+1])
	}
	return total, map[string]float64{"experts": l.aux[0].Balance(1e-3)}
}
