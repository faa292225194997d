package vec

import "math"

// maxAbsGo: a NaN wins over everything.
func maxAbsGo(x []float32) float32 {
	var top float32
	for _, v := range x {
		if a := abs(v); a > top || a != a {
			top = a
		}
	}
	return top
}

// RoundInt8 rounds x to the nearest integer, ties to even, within ±127.
func RoundInt8(x float32) int8 {
	return int8(max(min(math.RoundToEven(float64(x)), 127), -127))
}

func toInt8Go(dst []int8, src []float32, s float32) {
	for i := range dst {
		dst[i] = RoundInt8(src[i] * s)
	}
}

func fromInt8Go(dst []float32, src []int8, s float32) {
	for i := range dst {
		dst[i] = float32(src[i]) * s
	}
}
