//go:build !amd64

package gemm

// isFused reports whether products with w are fused.
func (x *fewRows) isFused(Numbers) bool { return false }

func (x *fewRows) fillPairs() {}

// fused writes products, if it can.
func (x *fewRows) fused([]float32, Numbers, int, int) bool { return false }
