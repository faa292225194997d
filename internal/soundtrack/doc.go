// Package soundtrack makes the sound of a video from a narration, a track such as
// music, and the sound that the model made: it fits each to the length of the video,
// lowers what is heard under the narration, and brings the sum to a loudness.
//
// Loudness and true peaks are measured as ITU-R BS.1770-5 says, which EBU R 128
// takes over. All sound is Rate samples a second; a sum is stereo.
//
// The package opens no file and starts no program: sound comes as Pieces, and a
// narration from a function that speaks.
package soundtrack

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// The form of all sound here.
const (
	Rate     = 48000 // samples a second in each channel
	Channels = 2     // of a sum
)

// Piece is some sound: 16 bits a sample, little-endian, channels interleaved, Rate
// samples a second in each channel.
type Piece struct {
	R        io.ReaderAt
	Frames   int // samples in each channel
	Channels int // 1 or 2
}

// Seconds is how long the piece plays.
func (p *Piece) Seconds() float64 { return float64(p.Frames) / Rate }

// read adds gain times the piece, from frame at on, to the stereo samples dst. gain
// has one number for each frame of dst, and a nil gain is 1. Frames before the
// piece's first and after its last are silent.
func (p *Piece) read(dst []float32, at int, gain []float32) error {
	const some = 1 << 13 // frames at a time
	var raw [2 * 2 * some]byte
	first := max(0, -at)
	last := min(len(dst)/Channels, p.Frames-at)
	for first < last {
		n := min(some, last-first)
		b := raw[:2*p.Channels*n]
		if _, err := p.R.ReadAt(b, int64(2*p.Channels)*int64(at+first)); err != nil {
			return fmt.Errorf("soundtrack: reading sound: %w", err)
		}
		for i := range n {
			l := float32(int16(binary.LittleEndian.Uint16(b[2*p.Channels*i:]))) / math.MaxInt16
			r := l
			if p.Channels == 2 {
				r = float32(int16(binary.LittleEndian.Uint16(b[4*i+2:]))) / math.MaxInt16
			}
			g := float32(1)
			if gain != nil {
				g = gain[first+i]
			}
			dst[2*(first+i)] += g * l
			dst[2*(first+i)+1] += g * r
		}
		first += n
	}
	return nil
}
