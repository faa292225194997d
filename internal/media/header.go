package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// Header is what a video file says of itself.
type Header struct {
	Format   Format
	W, H     int           // pixels of a frame
	Frames   int           // 0 where unknown
	Duration time.Duration // 0 where unknown
	FPS      float64       // average frames a second, 0 where unknown
	Codec    string        // as the file names it, such as avc1
	Sound    bool          // there is sound beside the pictures
	Meta     Meta          // what this package wrote; zero for a video of another origin
}

// ErrNoVideo is the cause of an error about a file that is neither an MP4 nor an
// animated WebP.
var ErrNoVideo = errors.New("it is neither an MP4 nor an animated WebP")

// ReadHeader reads the header of an untrusted MP4 or animated WebP. It needs no
// ffmpeg, and reads no pictures.
func ReadHeader(ctx context.Context, path string) (Header, error) {
	video, err := openWebP(ctx, path)
	switch {
	case err != nil:
		return Header{}, err
	case video != nil:
		defer video.file.Close()
		i := video.info()
		return Header{Format: WebP, W: i.W, H: i.H, Frames: i.Frames, Duration: i.Duration, FPS: i.FPS, Codec: i.Codec, Meta: video.meta}, nil
	}
	f, err := os.Open(path) // a regular file, as openWebP has seen
	if err != nil {
		return Header{}, fmt.Errorf("media: opening a video: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Header{}, fmt.Errorf("media: opening a video: %w", err)
	}
	h, err := mp4Header(ctx, f, info.Size())
	if err != nil {
		return Header{}, fmt.Errorf("media: reading %s: %w", path, err)
	}
	return h, checkVideoSize(path, h.W, h.H)
}

// Limits on an MP4 whose header is read.
const (
	// maxBoxes bounds the work on a file of tiny boxes (ISO/IEC 14496-12). An hour in
	// fragments of two seconds has some 30,000.
	maxBoxes = 1 << 18
	// maxTag bounds a value of the metadata.
	maxTag = 2 * MaxSettings
	// maxRuns bounds how many bytes of a fragment's list of frames are read.
	maxRuns = 1 << 20
)

// mp4Reader reads the boxes of an MP4.
type mp4Reader struct {
	ctx    context.Context
	r      io.ReaderAt
	boxes  int
	tags   map[string]string
	tracks []mp4Track
}

// mp4Track is one trak box, with what fragments add to it.
type mp4Track struct {
	id, w, h uint32
	kind     string // vide, soun
	codec    string
	scale    uint32 // units of time in a second
	length   uint64 // in these units
	frames   uint64
	each     uint32 // how long a frame of a fragment lasts, unless that says otherwise
}

// mp4Box is a box: where its content lies in the file.
type mp4Box struct {
	kind     string
	at, size int64
}

var errBoxes = errors.New("it is damaged, or no MP4")

// mp4Header reads an MP4 of some bytes.
func mp4Header(ctx context.Context, r io.ReaderAt, size int64) (Header, error) {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[4:]) != "ftyp" {
		return Header{}, ErrNoVideo
	}
	m := &mp4Reader{ctx: ctx, r: r, tags: map[string]string{}}
	err := m.each(0, size, func(b mp4Box) error {
		switch b.kind {
		case "moov":
			return m.inside(b, m.movie)
		case "moof":
			return m.inside(b, func(b mp4Box) error {
				if b.kind != "traf" {
					return nil
				}
				var f mp4Fragment
				return m.inside(b, func(b mp4Box) error { return m.fragment(&f, b) })
			})
		}
		return nil
	})
	if err != nil {
		return Header{}, err
	}
	return m.header()
}

// header sums up what was read.
func (m *mp4Reader) header() (Header, error) {
	h := Header{Format: MP4, Meta: metaOfTags(m.tags)}
	for _, t := range m.tracks {
		switch {
		case t.kind == "soun":
			h.Sound = true
		case t.kind == "vide" && h.W == 0:
			h.W, h.H, h.Codec = int(t.w), int(t.h), clean(t.codec, 4)
			h.Frames = int(min(t.frames, math.MaxInt32))
			seconds := float64(t.length) / float64(max(t.scale, 1))
			if seconds > 0 && seconds < math.MaxInt32 {
				h.Duration = time.Duration(seconds * float64(time.Second))
				h.FPS = nearWhole(float64(h.Frames) / seconds)
			}
		}
	}
	if h.W == 0 || h.H == 0 {
		return h, errors.New("it is an MP4 without pictures")
	}
	return h, nil
}

// nearWhole rounds a rate that is whole but for the rounding of times.
func nearWhole(x float64) float64 {
	if whole := math.Round(x); math.Abs(x-whole) < 0.005 {
		return whole
	}
	return x
}

// each calls f with the boxes between two places.
func (m *mp4Reader) each(from, to int64, f func(mp4Box) error) error {
	for at := from; at < to; {
		if m.boxes++; m.boxes > maxBoxes {
			return fmt.Errorf("it has more than %d parts: %w", maxBoxes, ErrTooLarge)
		}
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		var head [16]byte
		if to-at < 8 {
			return errBoxes
		}
		if _, err := m.r.ReadAt(head[:min(16, to-at)], at); err != nil {
			return err
		}
		size, skip := int64(binary.BigEndian.Uint32(head[:])), int64(8)
		switch size {
		case 0: // to the end
			size = to - at
		case 1:
			size, skip = int64(min(binary.BigEndian.Uint64(head[8:]), math.MaxInt64)), 16
		}
		if size < skip || size > to-at {
			return errBoxes
		}
		if err := f(mp4Box{string(head[4:8]), at + skip, size - skip}); err != nil {
			return err
		}
		at += size
	}
	return nil
}

// inside calls f with the boxes in a box.
func (m *mp4Reader) inside(b mp4Box, f func(mp4Box) error) error {
	return m.each(b.at, b.at+b.size, f)
}

// bytes reads the beginning of a box: n bytes from an offset on. Bytes beyond its
// end are an error.
func (m *mp4Reader) bytes(b mp4Box, from, n int64) ([]byte, error) {
	if from+n > b.size {
		return nil, errBoxes
	}
	p := make([]byte, n)
	if _, err := m.r.ReadAt(p, b.at+from); err != nil {
		return nil, err
	}
	return p, nil
}
