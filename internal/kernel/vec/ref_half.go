package vec

import "math"

func toBF16Go(dst []uint16, src []float32) {
	for i := range dst {
		b := math.Float32bits(src[i])
		if b&0x7fffffff > 0x7f800000 {
			dst[i] = uint16(b>>16) | 0x40 // quiet, so that truncation cannot make it infinite
			continue
		}
		dst[i] = uint16((b + 0x7fff + b>>16&1) >> 16)
	}
}

func fromBF16Go(dst []float32, src []uint16) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(src[i]) << 16)
	}
}

func toF16Go(dst []uint16, src []float32) {
	for i := range dst {
		dst[i] = half(src[i])
	}
}

func fromF16Go(dst []float32, src []uint16) {
	for i := range dst {
		dst[i] = single(src[i])
	}
}

// F16 widens one IEEE 754 binary16.
func F16(h uint16) float32 { return single(h) }

// F16Bits rounds one number to IEEE 754 binary16, ties to even.
func F16Bits(f float32) uint16 { return half(f) }

// half rounds f to IEEE 754 binary16, ties to even.
func half(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: keep the top of the payload, quiet
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= 0x477ff000: // 65520 and above round to infinity
		return sign | 0x7c00
	case b >= 0x38800000: // normal: rebias the exponent by 112 and round away 13 bits
		b += 0xfff + b>>13&1
		return sign | uint16((b-112<<23)>>13)
	default: // subnormal: adding 0.5 aligns the last half-precision bit with the last bit of the sum
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
}

// single widens IEEE 754 binary16. Signalling NaNs become quiet, as with the machine's instruction.
func single(h uint16) float32 {
	sign, e, m := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case e == 31:
		if m != 0 {
			m |= 0x200
		}
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	case e == 0:
		f := float32(m) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(f))
	default:
		return math.Float32frombits(sign | (e+112)<<23 | m<<13)
	}
}
