package gemm

import (
	"github.com/kinora-video/kinora/internal/simd"
)

// pathsAt returns the paths for a precision that the CPU can run at a level,
// the preferred one last.
func pathsAt(p Precision, l simd.Level) []*path {
	all := []*path{&goF32, &avx2F32, &avx512F32}
	if p == BF16 {
		all = []*path{&goBF16, &avx2BF16, &avx512Rounded}
	}
	all = all[:min(l, simd.AVX512)+1]
	if p == BF16 && l >= simd.AVX512 && simd.BF16() {
		all = append(all, &avx512BF16)
	}
	if p == BF16 && l >= simd.AMX {
		all = append(all, &amxBF16)
	}
	return all
}
