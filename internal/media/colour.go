package media

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
)

// colour says how the pixels of a video become 8-bit sRGB. The zero value leaves
// that to ffmpeg, which does it right for videos made for ordinary screens.
type colour struct {
	// matrix is the YUV matrix that ffmpeg is told to assume because the file
	// names none; "" if the file names one.
	matrix string
	alpha  bool // some of it may be transparent
	// wide says that the values do not mean sRGB: the primaries have more
	// colours, or the transfer function more brightness.
	wide      bool
	transfer  string
	primaries string
	peak      float64 // of HDR: the brightest light in the video, in nits
}

// HDR videos, as ITU-R BT.2100 and BT.2408 have them.
const (
	transferPQ  = "smpte2084"
	transferHLG = "arib-std-b67"

	paperWhite = 203.0  // nits of what is white on paper, and of white in sRGB here
	usualPeak  = 1000.0 // nits of the highlights, where a file does not say
	mostNits   = 10000.0
)

// colour reads how the stream's pixels become sRGB. A stream that cannot be drawn
// correctly is an error.
func (s probedStream) colour() (colour, error) {
	c := colour{transfer: s.Transfer, primaries: s.Primaries, peak: usualPeak}
	mastered := 0.0
	for _, d := range s.SideData {
		if d.Profile == 5 || s.Matrix == "ipt-c2" || s.Matrix == "ictcp" {
			return c, errors.New("is Dolby Vision without a picture for other players: convert it to SDR, to HDR10 or to HLG first")
		}
		if d.Highest > 0 {
			mastered = float64(d.Highest)
		} else if v := ratio(d.Brightest); v > 0 && mastered == 0 {
			mastered = v
		}
	}
	if mastered > 0 {
		c.peak = min(max(mastered, paperWhite), mostNits)
	}
	c.wide = c.transfer == transferPQ || c.transfer == transferHLG || gamuts[c.primaries] != nil
	for _, kind := range []string{"yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "pal8"} {
		c.alpha = c.alpha || strings.HasPrefix(s.PixFmt, kind)
	}
	yuv := strings.HasPrefix(s.PixFmt, "yuv") || strings.HasPrefix(s.PixFmt, "nv") || strings.HasPrefix(s.PixFmt, "p0")
	if unsaid := slices.Contains([]string{"", "unknown", "unspecified"}, s.Matrix); unsaid && yuv && (s.Width >= 1280 || s.Height > 576) {
		c.matrix = "bt709" // as players take high definition
	}
	return c, nil
}

// raw returns the pixel format that ffmpeg is asked for, and its bytes per pixel.
func (c colour) raw() (format string, bytes int) {
	switch {
	case c.wide:
		return "rgb48le", 6
	case c.alpha:
		return "rgba", 4
	}
	return "rgb24", 3
}

// converter returns what turns ffmpeg's pixels into those of a Frame.
func (c colour) converter() func(dst, src []byte) {
	switch {
	case c.wide:
		return newToneMap(c).convert
	case c.alpha:
		return layOverWhite
	}
	return func(dst, src []byte) { copy(dst, src) }
}

// layOverWhite takes [n, 4] bytes, colours already multiplied by their alpha.
func layOverWhite(dst, src []byte) {
	for i, j := 0, 0; i+4 <= len(src) && j+3 <= len(dst); i, j = i+4, j+3 {
		rest := int(255 - src[i+3])
		for k := range 3 {
			dst[j+k] = byte(min(255, int(src[i+k])+rest))
		}
	}
}

// gamuts are matrices from linear light of other primaries to that of sRGB (BT.709):
// rows of red, green and blue. BT.2020 is from ITU-R BT.2087, P3 with the white of D65 from
// SMPTE EG 432-1.
var gamuts = map[string]*[9]float32{
	"bt2020":   {1.660491, -0.587641, -0.072850, -0.124550, 1.132900, -0.008349, -0.018151, -0.100579, 1.118730},
	"smpte432": {1.224940, -0.224940, 0, -0.042057, 1.042057, 0, -0.019638, -0.078636, 1.098274},
}

// toneMap turns linear light into sRGB. In HDR, light below about half of paper white
// stays as it is, and brighter light, up to the video's peak, is compressed by the
// curve of ITU-R BT.2390. The curve is applied to the largest of red, green and
// blue, so that hues stay.
type toneMap struct {
	gamut *[9]float32 // nil for BT.709
	light []float32   // of each of 65,536 values; 1 is paper white
	hlg   bool
	curve []float32 // factors, indexed by the square root of light; nil for SDR
	top   float32   // the largest light in curve
	code  srgbTable
}

const curveSteps = 4096

func newToneMap(c colour) *toneMap {
	t := &toneMap{gamut: gamuts[c.primaries], hlg: c.transfer == transferHLG, code: srgbCodes()}
	switch c.transfer {
	case transferPQ:
		t.light = tableOf(func(v float64) float64 { return pqNits(v) / paperWhite })
		t.bend(c.peak)
	case transferHLG:
		t.light = tableOf(hlgScene)
		t.bend(usualPeak) // of the screen that HLG is drawn for here
	default:
		t.light = tableOf(fromSRGB)
	}
	return t
}

func tableOf(f func(float64) float64) []float32 {
	t := make([]float32, 1<<16)
	for i := range t {
		t[i] = float32(f(float64(i) / (1<<16 - 1)))
	}
	return t
}

// bend makes the curve for a video with a peak of so many nits.
func (t *toneMap) bend(peak float64) {
	t.top = mostNits / paperWhite
	t.curve = make([]float32, curveSteps+1)
	for i := range t.curve {
		x := float64(i) / curveSteps
		nits := max(x*x*float64(t.top)*paperWhite, 1e-4)
		t.curve[i] = float32(compress2390(nits, peak) / nits)
	}
}

// compress2390 maps light of up to peak nits to light of up to paper white, with
// the spline of ITU-R BT.2390 for a black of 0.
func compress2390(nits, peak float64) float64 {
	source := pqCode(peak)
	e := min(pqCode(nits)/source, 1)
	most := pqCode(paperWhite) / source
	knee := 1.5*most - 0.5
	if e > knee && knee < 1 {
		t := (e - knee) / (1 - knee)
		t2, t3 := t*t, t*t*t
		e = (2*t3-3*t2+1)*knee + (t3-2*t2+t)*(1-knee) + (3*t2-2*t3)*most
	}
	return pqNits(e * source)
}

// convert takes [n, 3] values of 16 bits, little-endian.
func (t *toneMap) convert(dst, src []byte) {
	code := t.code.of
	for i, j := 0, 0; i+6 <= len(src) && j+3 <= len(dst); i, j = i+6, j+3 {
		r := t.light[int(src[i])|int(src[i+1])<<8]
		g := t.light[int(src[i+2])|int(src[i+3])<<8]
		b := t.light[int(src[i+4])|int(src[i+5])<<8]
		if t.hlg {
			// The light of the scene becomes that of a screen of 1000 nits.
			y := 0.2627*r + 0.6780*g + 0.0593*b
			gain := float32(usualPeak/paperWhite) * float32(math.Pow(float64(y), 0.2))
			r, g, b = r*gain, g*gain, b*gain
		}
		if t.curve != nil {
			k := t.curve[int(float32(math.Sqrt(float64(min(max(r, g, b)/t.top, 1))))*curveSteps+0.5)]
			r, g, b = r*k, g*k, b*k
		}
		if m := t.gamut; m != nil {
			r, g, b = m[0]*r+m[1]*g+m[2]*b, m[3]*r+m[4]*g+m[5]*b, m[6]*r+m[7]*g+m[8]*b
		}
		dst[j], dst[j+1], dst[j+2] = code(r), code(g), code(b)
	}
}

// pqNits returns the light in nits of a value from 0 to 1 (SMPTE ST 2084).
func pqNits(v float64) float64 {
	const m1, m2, c1, c2, c3 = 2610.0 / 16384, 2523.0 / 32, 3424.0 / 4096, 2413.0 / 128, 2392.0 / 128
	p := math.Pow(v, 1/m2)
	return mostNits * math.Pow(max(p-c1, 0)/(c2-c3*p), 1/m1)
}

// pqCode is the inverse of pqNits.
func pqCode(nits float64) float64 {
	const m1, m2, c1, c2, c3 = 2610.0 / 16384, 2523.0 / 32, 3424.0 / 4096, 2413.0 / 128, 2392.0 / 128
	p := math.Pow(nits/mostNits, m1)
	return math.Pow((c1+c2*p)/(1+c3*p), m2)
}

// hlgScene returns the light of the scene, from 0 to 1, of a value (ITU-R BT.2100).
func hlgScene(v float64) float64 {
	const a, b, c = 0.17883277, 1 - 4*0.17883277, 0.55991073
	if v <= 0.5 {
		return v * v / 3
	}
	return (math.Exp((v-c)/a) + b) / 12
}

// fromSRGB returns the linear light of a value from 0 to 1 (IEC 61966-2-1).
func fromSRGB(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// srgbTable holds the bytes of sRGB for light from 0 to 1.
type srgbTable []byte

// of returns the byte for some light, which may be out of range.
func (t srgbTable) of(light float32) byte {
	return t[int(min(max(light, 0), 1)*float32(len(t)-1)+0.5)]
}

var srgbCodes = sync.OnceValue(func() srgbTable {
	codes := make(srgbTable, 1<<14)
	for i := range codes {
		v := float64(i) / float64(len(codes)-1)
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		codes[i] = byte(math.Round(255 * v))
	}
	return codes
})
