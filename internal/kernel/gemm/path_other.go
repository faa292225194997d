//go:build !amd64

package gemm

import "github.com/kinora-video/kinora/internal/simd"

// pathsAt returns the paths for a precision that the CPU can run at a level,
// the preferred one last.
func pathsAt(p Precision, _ simd.Level) []*path {
	if p == BF16 {
		return []*path{&goBF16}
	}
	return []*path{&goF32}
}

func (b *PackedInt8) arrange() {}

func (b *PackedInt8) multiply(pr *product) { b.multiplyDots(pr, dotsGo) }

// codePathNow chooses the kernels for products of codes.
func codePathNow() *codePath { return &goCodes }
