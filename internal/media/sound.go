package media

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// sound is speech as espeak-ng wrote it, and its conversion to the wanted rate, pitch
// and volume.
type sound struct {
	file    *os.File
	start   int64   // offset of its samples: 16 bits, one channel
	given   int64   // how many samples there are
	step    float64 // input samples for one output sample
	samples int64   // output samples in each channel
	gain    float64
}

// openSound reads the header of a WAV file, whose samples will be played so many
// times as fast as they were spoken.
func openSound(file *os.File, faster float64, o SpeechOptions) (*sound, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("media: reading the speech: %w", err)
	}
	rate, start, err := wavHeader(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return nil, err
	}
	s := &sound{file: file, start: start, given: (info.Size() - start) / 2, step: faster * float64(rate) / float64(o.Rate), gain: o.Volume}
	if s.given == 0 {
		return nil, &BadSpeech{"text", "nothing in it can be spoken", "write words"}
	}
	s.samples = max(1, int64(math.Ceil(float64(s.given)/s.step)))
	if o.Volume > 1 {
		var peak float64
		if err := s.each(context.Background(), func(x []float32) error {
			for _, v := range x {
				peak = max(peak, math.Abs(float64(v)))
			}
			return nil
		}); err != nil {
			return nil, err
		}
		s.gain = max(1, min(o.Volume, math.MaxInt16/max(peak, 1)))
	}
	return s, nil
}

var errNoWAV = errors.New("media: espeak-ng gave no WAV that can be read: 16 bits, one channel")

// wavHeader reads a WAV file (Microsoft's RIFF WAVE) up to its samples, and returns
// the rate and the offset of the samples. They go to the end of the file: the size in
// the header is wrong if the file went through a pipe.
func wavHeader(r io.Reader) (rate int, start int64, err error) {
	const most = 1 << 16 // bytes before the samples
	b := bufio.NewReader(io.LimitReader(r, most))
	var riff [12]byte
	if _, err := io.ReadFull(b, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return 0, 0, errNoWAV
	}
	start = int64(len(riff))
	for {
		var head [8]byte
		if _, err := io.ReadFull(b, head[:]); err != nil {
			return 0, 0, errNoWAV
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		start += int64(len(head))
		switch string(head[:4]) {
		case "data":
			if rate == 0 {
				return 0, 0, errNoWAV
			}
			return rate, start, nil
		case "fmt ":
			var f [16]byte
			if _, err := io.ReadFull(b, f[:]); err != nil || size < int64(len(f)) {
				return 0, 0, errNoWAV
			}
			const pcm = 1
			le := binary.LittleEndian
			rate = int(le.Uint32(f[4:]))
			if le.Uint16(f[0:]) != pcm || le.Uint16(f[2:]) != 1 || le.Uint16(f[14:]) != 16 || rate < 4000 || rate > 192000 {
				return 0, 0, errNoWAV
			}
			start += int64(len(f))
			size -= int64(len(f))
		}
		size += size & 1
		if _, err := io.CopyN(io.Discard, b, size); err != nil {
			return 0, 0, errNoWAV
		}
		start += size
	}
}

// each yields the samples as they were spoken, some at a time.
func (s *sound) each(ctx context.Context, f func([]float32) error) error {
	const some = 1 << 14
	raw, x := make([]byte, 2*some), make([]float32, some)
	r := io.NewSectionReader(s.file, s.start, 2*s.given)
	for left := s.given; left > 0; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("media: writing speech was stopped: %w", context.Cause(ctx))
		}
		n := int(min(left, some))
		if _, err := io.ReadFull(r, raw[:2*n]); err != nil {
			return fmt.Errorf("media: reading the speech: %w", err)
		}
		for i := range n {
			x[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		}
		if err := f(x[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// samplesTo writes the samples as 16-bit PCM, the same in each channel.
func (s *sound) samplesTo(ctx context.Context, w io.Writer, channels int) error {
	out := bufio.NewWriterSize(w, 1<<16)
	left, one := s.samples, make([]byte, 2)
	put := func(x []float32) error {
		for _, v := range x {
			if left == 0 {
				break
			}
			left--
			y := int16(math.RoundToEven(min(max(s.gain*float64(v), math.MinInt16), math.MaxInt16)))
			for range channels {
				if _, err := out.Write(binary.LittleEndian.AppendUint16(one[:0], uint16(y))); err != nil {
					return fmt.Errorf("media: writing speech: %w", err)
				}
			}
		}
		return nil
	}
	r := newResampler(s.step)
	if err := s.each(ctx, func(x []float32) error { return put(r.feed(x)) }); err != nil {
		return err
	}
	if err := put(r.feed(make([]float32, r.reach+int(s.step)+2))); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("media: writing speech: %w", err)
	}
	return nil
}

// write writes the sound as WAV, or as samples without a header.
func (s *sound) write(ctx context.Context, w io.Writer, o SpeechOptions) error {
	if o.Format == "wav" {
		data := 2 * s.samples * int64(o.Channels)
		if data > math.MaxUint32-64 {
			return fmt.Errorf("media: writing speech: a WAV holds at most 4 GiB: %w", ErrTooLarge)
		}
		if _, err := w.Write(newWAVHeader(o.Rate, o.Channels, uint32(data))); err != nil {
			return fmt.Errorf("media: writing speech: %w", err)
		}
	}
	return s.samplesTo(ctx, w, o.Channels)
}

const wavHeaderSize = 44 // of the headers that newWAVHeader makes

// newWAVHeader returns the header of a WAV file of 16-bit samples.
func newWAVHeader(rate, channels int, data uint32) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("RIFF"), 36+data)
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(2*rate*channels))
	b = le.AppendUint16(b, uint16(2*channels))
	b = le.AppendUint16(b, 16)
	return le.AppendUint32(append(b, "data"...), data)
}

// resampler converts samples to another rate with a windowed sinc: each output sample
// is a weighted sum of the input samples around its time. It keeps the frequencies
// that both rates can hold.
type resampler struct {
	step  float64 // input samples for one output sample
	cut   float64 // share of the frequencies that is kept
	reach int     // samples on each side of a time that are summed
	table []float32
	// Where every so many output samples lie as the ones before do, their weights are
	// known: phases of 2·reach weights, and the sum of each.
	phases [][]float32
	sums   []float32
	buf    []float32 // input samples from number first on
	first  int64
	next   int64 // number of the sample that comes out next
	out    []float32
}

const (
	sincZeros = 16  // of the sinc on each side
	sincSteps = 128 // of the table between two zeros
	// sincPhases bounds the output samples whose weights are kept.
	sincPhases = 16
)

func newResampler(step float64) *resampler {
	r := &resampler{step: step, cut: min(1, 1/step)}
	r.reach = int(math.Ceil(sincZeros / r.cut))
	r.buf, r.first = make([]float32, r.reach), -int64(r.reach)
	r.table = make([]float32, sincZeros*sincSteps+2)
	for i := range r.table {
		x := float64(i) / sincSteps
		if x >= sincZeros {
			continue
		}
		window := 0.5 + 0.5*math.Cos(math.Pi*x/sincZeros)
		if x == 0 {
			r.table[i] = 1
			continue
		}
		r.table[i] = float32(window * math.Sin(math.Pi*x) / (math.Pi * x))
	}
	for period := 1; period <= sincPhases; period++ {
		if whole := step * float64(period); whole == math.Floor(whole) {
			r.know(period)
			break
		}
	}
	return r
}

// know computes the weights of a period of output samples.
func (r *resampler) know(period int) {
	for p := range period {
		_, frac := math.Modf(float64(p) * r.step)
		weights, sum := make([]float32, 2*r.reach), float32(0)
		for k := range weights {
			weights[k] = r.weight(float64(k+1-r.reach) - frac)
			sum += weights[k]
		}
		r.phases, r.sums = append(r.phases, weights), append(r.sums, sum)
	}
}

// feed takes the next input samples and returns the output samples that are complete,
// in a slice that is valid until the next call. To get the last ones, feed silence.
func (r *resampler) feed(x []float32) []float32 {
	if r.step == 1 {
		return x
	}
	r.buf = append(r.buf, x...)
	r.out = r.out[:0]
	end := r.first + int64(len(r.buf))
	for {
		at := float64(r.next) * r.step
		whole := int64(at)
		if whole+int64(r.reach) >= end {
			break
		}
		if i := int(whole - r.first); len(r.phases) > 0 && i+1 >= r.reach {
			r.out = append(r.out, r.phase(int(r.next)%len(r.phases), r.buf[i+1-r.reach:]))
		} else {
			r.out = append(r.out, r.at(at, i))
		}
		r.next++
	}
	if drop := int64(float64(r.next)*r.step) - int64(r.reach) - r.first; drop > 0 {
		drop = min(drop, int64(len(r.buf)))
		r.buf = append(r.buf[:0], r.buf[drop:]...)
		r.first += drop
	}
	return r.out
}

// at returns the weighted sum around a time; i is the index in buf of the sample
// before it.
func (r *resampler) at(t float64, i int) float32 {
	frac := t - math.Floor(t)
	var sum, weights float32
	for k := max(0, i-r.reach+1); k <= i+r.reach; k++ {
		w := r.weight(float64(k-i) - frac)
		sum += w * r.buf[k]
		weights += w
	}
	return sum / weights
}

// phase is at for an output sample whose weights are known; x are the input samples
// from the first one with a weight on.
func (r *resampler) phase(p int, x []float32) float32 {
	weights := r.phases[p]
	x = x[:len(weights)]
	var sum float32
	for k, w := range weights {
		sum += w * x[k]
	}
	return sum / r.sums[p]
}

// weight is that of an input sample so many samples away.
func (r *resampler) weight(away float64) float32 {
	x := math.Abs(away) * r.cut * sincSteps
	j := int(x)
	if j >= sincZeros*sincSteps {
		return 0
	}
	return r.table[j] + float32(x-float64(j))*(r.table[j+1]-r.table[j])
}

// WriteWAV writes samples, 16 bits each, little-endian, with the header of a WAV file.
func WriteWAV(w io.Writer, rate, channels int, pcm []byte) error {
	if len(pcm) > math.MaxUint32-64 {
		return fmt.Errorf("media: writing a WAV: it holds at most 4 GiB: %w", ErrTooLarge)
	}
	if _, err := w.Write(newWAVHeader(rate, channels, uint32(len(pcm)))); err != nil {
		return fmt.Errorf("media: writing a WAV: %w", err)
	}
	if _, err := w.Write(pcm); err != nil {
		return fmt.Errorf("media: writing a WAV: %w", err)
	}
	return nil
}

// Resampler brings sound of some channels, interleaved, to another rate.
type Resampler struct {
	each []*resampler
	mono []float32
	out  []float32
}

// NewResampler makes a Resampler for sound of rate from, to be of rate to.
func NewResampler(from, to, channels int) *Resampler {
	r := new(Resampler)
	for range channels {
		r.each = append(r.each, newResampler(float64(from)/float64(to)))
	}
	return r
}

// Feed takes the next samples of all channels and returns those that are complete,
// in a slice that is valid until the next call.
func (r *Resampler) Feed(x []float32) []float32 {
	channels := len(r.each)
	if channels == 1 {
		return r.each[0].feed(x)
	}
	for c, one := range r.each {
		r.mono = r.mono[:0]
		for i := c; i < len(x); i += channels {
			r.mono = append(r.mono, x[i])
		}
		y := one.feed(r.mono)
		if c == 0 {
			r.out = append(r.out[:0], make([]float32, channels*len(y))...)
		}
		for i, v := range y {
			r.out[channels*i+c] = v
		}
	}
	return r.out
}

// Rest returns the last samples.
func (r *Resampler) Rest() []float32 {
	one := r.each[0]
	if one.step == 1 {
		return nil
	}
	return r.Feed(make([]float32, len(r.each)*(one.reach+int(one.step)+2)))
}
