package lm

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// errNotFinite says that logits are NaN or infinite.
var errNotFinite = errors.New("logits are not finite")

// A picker chooses tokens by their logits.
type picker struct {
	logits  []float32 // of the next token, changed while it is chosen
	o       Options
	seen    []int32 // the tokens of prompt and answer, each once
	isSeen  []bool
	weights []float32
	likely  []int32
	drawn   uint64 // tokens
}

func newPicker(vocabulary int, o Options, prompt []int32) *picker {
	p := &picker{logits: make([]float32, vocabulary), o: o}
	if o.Temperature > 0 {
		p.weights = make([]float32, vocabulary)
	}
	if o.RepetitionPenalty != 0 && o.RepetitionPenalty != 1 {
		p.isSeen = make([]bool, vocabulary)
		for _, id := range prompt {
			p.see(id)
		}
	}
	return p
}

// see enters a token as one that is there.
func (p *picker) see(id int32) {
	if p.isSeen != nil && !p.isSeen[id] {
		p.isSeen[id] = true
		p.seen = append(p.seen, id)
	}
}

// next chooses a token. Repetition is punished first, then the mask forbids, then
// temperature, TopK, TopP and MinP limit what is drawn from, as transformers does it.
func (p *picker) next(mask Mask) (int32, error) {
	var zero float32 // NaN if any logit is not finite
	for _, l := range p.logits {
		zero += l - l
	}
	if zero != 0 {
		return 0, errNotFinite
	}
	penalty := float32(p.o.RepetitionPenalty)
	for _, id := range p.seen {
		if l := &p.logits[id]; *l > 0 {
			*l /= penalty
		} else {
			*l *= penalty
		}
	}
	id := int32(-1)
	if c, ok := mask.(Checker); ok {
		if id = p.choose(); !c.Allows(id) {
			id = -1
		}
	}
	if id < 0 {
		if mask != nil {
			mask.Limit(p.logits)
		}
		id = p.choose()
	}
	if math.IsInf(float64(p.logits[id]), -1) {
		return 0, ErrNoToken
	}
	p.drawn++
	p.see(id)
	return id, nil
}

// choose returns the likeliest token, the first of equals, or draws one.
func (p *picker) choose() int32 {
	top := slices.Max(p.logits)
	if p.o.Temperature == 0 || math.IsInf(float64(top), -1) {
		return int32(slices.Index(p.logits, top))
	}
	// Weights are e^((l-top)/temperature); they are not normalised.
	inverse := float32(1 / p.o.Temperature)
	var sum float64
	for i, l := range p.logits {
		w := exp(inverse * (l - top))
		p.weights[i] = w
		sum += float64(w)
	}
	ids := p.keep(sum)
	sum = 0
	for _, id := range ids {
		sum += float64(p.weights[id])
	}
	rng := rand.New(rand.NewPCG(p.o.Seed, p.drawn))
	at := rng.Float64() * sum
	for _, id := range ids {
		if at -= float64(p.weights[id]); at < 0 {
			return id
		}
	}
	return ids[0]
}

// exp is e^x for x ≤ 0 with a relative error below 1e-6, quicker than math.Exp; 0 for
// what is below 1e-34.
func exp(x float32) float32 {
	if !(x > -78) {
		return 0
	}
	// e^x = 2^n·e^r with |r| ≤ ln 2/2: the first terms of e^r.
	n := math.Floor(float64(x)*math.Log2E + 0.5)
	r := float32(float64(x) - n*math.Ln2)
	e := 1 + r*(1+r*(1.0/2+r*(1.0/6+r*(1.0/24+r*(1.0/120+r*(1.0/720))))))
	return e * math.Float32frombits(uint32(int32(n)+127)<<23)
}

// keep returns the tokens that may be drawn, likeliest first and equals by number.
// sum is that of all weights, of which the greatest is 1.
func (p *picker) keep(sum float64) []int32 {
	k := len(p.logits)
	if p.o.TopK > 0 {
		k = min(k, p.o.TopK)
	}
	most := 1.0
	if p.o.TopP > 0 {
		most = p.o.TopP
	}
	// Those above a floor are enough if there are k of them, or if they have the
	// probability that is wanted; else the floor is lowered.
	for floor := float32(1e-3); ; floor *= 1e-3 {
		if floor < 1e-30 {
			floor = 0
		}
		p.likely = p.likely[:0]
		var have float64
		for id, w := range p.weights {
			if w > floor {
				p.likely = append(p.likely, int32(id))
				have += float64(w)
			}
		}
		enough := floor == 0 || len(p.likely) >= k || most < 1 && have >= most*sum || float64(floor) <= p.o.MinP && p.o.MinP > 0
		if enough {
			break
		}
	}
	slices.SortFunc(p.likely, func(a, b int32) int {
		switch wa, wb := p.weights[a], p.weights[b]; {
		case wa > wb:
			return -1
		case wa < wb:
			return 1
		}
		return int(a - b)
	})
	ids := p.likely[:min(k, len(p.likely))]
	return p.cut(ids, most, sum)
}

// cut applies TopP and MinP to tokens, likeliest first. After TopK, probabilities are
// those among what it left.
func (p *picker) cut(ids []int32, most, sum float64) []int32 {
	if p.o.TopK > 0 {
		sum = 0
		for _, id := range ids {
			sum += float64(p.weights[id])
		}
	}
	var have float64
	for i, id := range ids {
		w := float64(p.weights[id])
		if i > 0 && (most < 1 && have >= most*sum || w < p.o.MinP*float64(p.weights[ids[0]])) {
			return ids[:i]
		}
		have += w
	}
	return ids
}
