package tensor

import (
	"fmt"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
)

// LowRank is Factor·B·A, which is added to a stored matrix [N, K] where that is
// read: B [N, Rank], A [Rank, K]. So an adapter of large weights takes no more
// memory than itself (Hu et al. 2021, "LoRA").
type LowRank struct {
	B, A   Stored
	Rank   int
	Factor float32
}

// check panics unless the halves fit a matrix of n numbers.
func (l LowRank) check(n int) {
	b, a := l.B.len(), l.A.len()
	if l.Rank < 1 || a == 0 || b%l.Rank != 0 || a%l.Rank != 0 || b/l.Rank*(a/l.Rank) != n {
		panic(fmt.Sprintf("tensor: %d numbers, to which a product of %d and %d numbers of rank %d is added", n, b, a, l.Rank))
	}
}

// len is the number of numbers.
func (s *Stored) len() int {
	numbers, bytes := s.DType.Block()
	return len(s.Bytes) / bytes * numbers
}

// summed are stored numbers to which products are added.
type summed struct {
	gemm.Numbers
	plus  []LowRank
	first int // the numbers before these in the matrix
}

// Widen implements gemm.Numbers.
func (s summed) Widen(dst []float32, at int) {
	s.Numbers.Widen(dst, at)
	for _, p := range s.plus {
		p.add(dst, s.first+at)
	}
}

// The pieces in which the halves of a product are widened.
const (
	pieceRank = 64
	pieceCols = 1024
)

type pieces struct {
	b [pieceRank]float32
	a [pieceCols]float32
}

var piecesPool = sync.Pool{New: func() any { return new(pieces) }}

// add adds the product to the numbers of the matrix from number at on.
func (l LowRank) add(dst []float32, at int) {
	p := piecesPool.Get().(*pieces)
	defer piecesPool.Put(p)
	b, a := l.B.numbers(0, l.B.len()), l.A.numbers(0, l.A.len())
	k := l.A.len() / l.Rank
	for len(dst) > 0 {
		row, col := at/k, at%k
		n := min(len(dst), k-col)
		for r0 := 0; r0 < l.Rank; r0 += pieceRank {
			factors := p.b[:min(pieceRank, l.Rank-r0)]
			b.Widen(factors, row*l.Rank+r0)
			for i, f := range factors {
				for c := 0; c < n; c += pieceCols {
					piece := p.a[:min(pieceCols, n-c)]
					a.Widen(piece, (r0+i)*k+col+c)
					vec.AddScaled(dst[c:c+len(piece)], piece, f*l.Factor)
				}
			}
		}
		dst, at = dst[n:], at+n
	}
}
