//go:build !amd64

package quant

// codesOf takes whole blocks apart, at least one.
func codesOf(t Type, q []int8, scale, min []float32, b []byte) { codesGo(t, q, scale, min, b) }
