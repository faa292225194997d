package nn

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora/internal/tensor"
)

// Parts are the parts of a model that run one after another, such as its
// blocks. Those that do not stay in memory are read from the disk while the
// part before them runs, and let go of after their turn: a model larger than
// memory has two of them in memory at a time. The results are the same.
type Parts struct {
	// Ran, if not nil, is told which part has run.
	Ran func(i int)

	params *Params
	names  []string
	stay   int
	formed []bool // by part: what products take was made, and the stored bytes released
}

// NewParts returns parts of p, each named by what the names of its parameters
// begin with. All stay in memory.
func NewParts(p *Params, names ...string) *Parts {
	return &Parts{params: p, names: names, stay: len(names), formed: make([]bool, len(names))}
}

// Len is the number of parts.
func (p *Parts) Len() int { return len(p.names) }

// Bytes is the size of part i as it is stored.
func (p *Parts) Bytes(i int) int {
	n := 0
	p.params.each(p.names[i], func(t *tensor.Tensor) { n += len(t.Stored().Bytes) })
	return n
}

// Stay sets how many parts stay in memory once they have run: the first n. No
// pass may be running.
func (p *Parts) Stay(n int) {
	p.stay = min(max(n, 0), len(p.names))
	for i, name := range p.names[p.stay:] {
		p.params.LetGo(name)
		p.formed[p.stay+i] = false
	}
}

// Run calls f for the parts from lo to hi, in order, with their parameters
// ready. It ends early with an error if ctx is done or a part cannot be read.
func (p *Parts) Run(ctx context.Context, b tensor.Backend, lo, hi int, f func(i int)) error {
	var coming chan error // says when the next part is ready; nil if it stays
	defer func() {
		if coming != nil { // f has panicked: nothing may read the weights any more
			<-coming //nolint:errcheck // the panic says more
		}
	}()
	fetch := func(i int) {
		if i < hi && i >= p.stay {
			coming = make(chan error, 1)
			go func(done chan<- error) {
				p.params.Prefetch(p.names[i])
				done <- p.params.Ready(b, p.names[i])
			}(coming)
		}
	}
	fetch(lo)
	for i := lo; i < hi; i++ {
		if coming != nil {
			err := <-coming
			coming = nil
			if err != nil {
				return fmt.Errorf("reading %q: %w", p.names[i], err)
			}
		}
		if err := ctx.Err(); err != nil {
			p.letGo(i)
			return err
		}
		fetch(i + 1)
		f(i)
		p.letGo(i)
		if p.Ran != nil {
			p.Ran(i)
		}
	}
	return nil
}

// letGo gives up part i after its turn or, if it stays, the bytes in the file that
// products do not need any more.
func (p *Parts) letGo(i int) {
	switch {
	case i >= p.stay:
		p.params.LetGo(p.names[i])
		p.formed[i] = false
	case !p.formed[i]:
		p.params.ReleaseFormed(p.names[i])
		p.formed[i] = true
	}
}
