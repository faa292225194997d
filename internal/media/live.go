package media

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
)

// live is a sink whose sound goes out as it is made. A WAV says in its header that
// its length is unknown. What is to be louder is so, sentence by sentence, as far as
// nothing is clipped.
type live struct {
	out      *bufio.Writer
	ffmpeg   *process  // nil where the samples themselves go out
	in       io.Closer // of ffmpeg
	r        *resampler
	channels int
	volume   float64
	gain     float64 // of what is written
	given    int64   // samples at the voice's rate
	made     int64   // samples of each channel
	broken   bool    // ffmpeg took no more
}

// liveArgs are ffmpeg's arguments for sound that comes and goes by pipes, without
// waiting.
func liveArgs(o SpeechOptions) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "pipe",
		"-fflags", "+nobuffer", "-probesize", "32", "-analyzeduration", "0",
		"-f", "s16le", "-ar", strconv.Itoa(o.Rate), "-ac", strconv.Itoa(o.Channels), "-i", "pipe:0", "-vn",
		"-metadata", "comment=AI-generated speech. Made with Kinora.", "-flush_packets", "1",
	}
	if o.Format == "mp3" { // Xing's header would state a length
		args = append(args, "-c:a", "libmp3lame", "-b:a", strconv.Itoa(o.Bitrate), "-write_xing", "0")
	} else {
		args = append(args, "-c:a", "flac")
	}
	return append(args, "-f", o.Format, "pipe:1")
}

func newLive(ctx context.Context, w io.Writer, o SpeechOptions, rate int) (*live, error) {
	l := &live{r: newResampler(float64(rate) / float64(o.Rate)), channels: o.Channels, volume: o.Volume}
	if needsFFmpeg(o.Format) {
		tool, err := FFmpeg()
		if err != nil {
			return nil, err
		}
		l.ffmpeg = newProcess(ctx, tool, liveArgs(o)...)
		in, err := l.ffmpeg.cmd.StdinPipe()
		if err != nil {
			return nil, fmt.Errorf("media: opening a pipe to ffmpeg: %w", err)
		}
		l.ffmpeg.pipe, l.in, l.ffmpeg.cmd.Stdout = in, in, w
		if err := l.ffmpeg.start(); err != nil {
			return nil, err
		}
		w = in
	}
	l.out = bufio.NewWriterSize(w, 1<<16)
	if o.Format == "wav" {
		if _, err := l.out.Write(newWAVHeader(o.Rate, o.Channels, math.MaxUint32-wavHeaderSize)); err != nil {
			return nil, fmt.Errorf("media: writing speech: %w", err)
		}
	}
	return l, nil
}

// loudness is how many times as loud x becomes.
func (l *live) loudness(x []float32) float64 {
	if l.volume <= 1 {
		return l.volume
	}
	var peak float64
	for _, v := range x {
		peak = max(peak, math.Abs(float64(v)))
	}
	if peak <= unheardBy && l.gain > 0 { // silence ends what was said before it
		return l.gain
	}
	return max(1, min(l.volume, math.MaxInt16/max(peak, 1)))
}

func (l *live) write(x []float32) error {
	l.given += int64(len(x))
	l.gain = l.loudness(x)
	return l.put(l.r.feed(x), math.MaxInt64)
}

// put writes samples at the rate that is wanted, until there are so many in all.
func (l *live) put(x []float32, most int64) error {
	var two [2]byte
	for _, v := range x {
		if l.made == most {
			break
		}
		l.made++
		y := int16(math.RoundToEven(min(max(l.gain*float64(v), math.MinInt16), math.MaxInt16)))
		for range l.channels {
			_, _ = l.out.Write(binary.LittleEndian.AppendUint16(two[:0], uint16(y))) // Flush returns its error
		}
	}
	if err := l.out.Flush(); err != nil {
		l.broken = l.ffmpeg != nil
		return fmt.Errorf("media: writing speech: %w", err)
	}
	return nil
}

func (l *live) close(why error) (int64, error) {
	if why == nil && l.r.step != 1 {
		why = l.put(l.r.feed(make([]float32, l.r.reach+int(l.r.step)+2)), int64(math.Ceil(float64(l.given)/l.r.step)))
	}
	if l.ffmpeg == nil {
		return l.made, why
	}
	defer l.ffmpeg.cancel(nil)
	l.in.Close()
	switch {
	case l.broken:
		why = l.ffmpeg.explain("writing speech", why)
	case why != nil:
		l.ffmpeg.kill(why)
	default:
		if err := l.ffmpeg.within(speechTime, "writing speech", l.ffmpeg.wait); err != nil {
			why = l.ffmpeg.explain("writing speech", err)
		}
	}
	return l.made, why
}
