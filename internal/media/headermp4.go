package media

import (
	"encoding/binary"
	"unicode/utf8"
)

// movie reads a box in moov (ISO/IEC 14496-12).
func (m *mp4Reader) movie(b mp4Box) error {
	switch b.kind {
	case "trak":
		m.tracks = append(m.tracks, mp4Track{})
		return m.inside(b, func(b mp4Box) error { return m.track(&m.tracks[len(m.tracks)-1], b) })
	case "mvex":
		return m.inside(b, func(b mp4Box) error {
			if b.kind != "trex" {
				return nil
			}
			p, err := m.bytes(b, 0, 16)
			if err != nil {
				return err
			}
			if t := m.named(binary.BigEndian.Uint32(p[4:])); t != nil {
				t.each = binary.BigEndian.Uint32(p[12:])
			}
			return nil
		})
	case "udta":
		return m.inside(b, func(b mp4Box) error {
			if b.kind != "meta" || b.size < 4 {
				return nil
			}
			b.at, b.size = b.at+4, b.size-4 // version and flags
			return m.inside(b, func(b mp4Box) error {
				if b.kind != "ilst" {
					return nil
				}
				return m.inside(b, m.tag)
			})
		})
	}
	return nil
}

// track reads a box in trak, or in one of the boxes that it is made of.
func (m *mp4Reader) track(t *mp4Track, b mp4Box) error {
	be := binary.BigEndian
	in := func(b mp4Box) error { return m.track(t, b) }
	switch b.kind {
	case "mdia", "minf", "stbl":
		return m.inside(b, in)
	case "tkhd":
		version, err := m.bytes(b, 0, 1)
		if err != nil {
			return err
		}
		at := int64(12) // of the track's number
		if version[0] == 1 {
			at = 20
		}
		id, err := m.bytes(b, at, 4)
		if err != nil {
			return err
		}
		size, err := m.bytes(b, b.size-8, 8)
		if err != nil {
			return err
		}
		t.id, t.w, t.h = be.Uint32(id), be.Uint32(size)>>16, be.Uint32(size[4:])>>16
	case "mdhd":
		p, err := m.bytes(b, 0, min(b.size, 32))
		switch {
		case err != nil:
			return err
		case len(p) >= 32 && p[0] == 1:
			t.scale, t.length = be.Uint32(p[20:]), be.Uint64(p[24:])
		case len(p) >= 20:
			t.scale, t.length = be.Uint32(p[12:]), uint64(be.Uint32(p[16:]))
		}
	case "hdlr":
		p, err := m.bytes(b, 8, 4)
		t.kind = string(p)
		return err
	case "stsd":
		p, err := m.bytes(b, 0, min(b.size, 16))
		if err == nil && len(p) == 16 {
			t.codec = string(p[12:])
		}
		return err
	case "stsz":
		p, err := m.bytes(b, 8, 4)
		if err == nil {
			t.frames = uint64(be.Uint32(p))
		}
		return err
	}
	return nil
}

// named returns the track of a number, or nil.
func (m *mp4Reader) named(id uint32) *mp4Track {
	for i := range m.tracks {
		if m.tracks[i].id == id {
			return &m.tracks[i]
		}
	}
	return nil
}

// mp4Tags are the names of the metadata (those of iTunes) as ffmpeg has them.
var mp4Tags = map[string]string{
	"\xa9nam": "title", "desc": "description", "\xa9cmt": "comment", "\xa9ART": "artist", "ldes": settingsTag,
}

// tag reads a box in ilst.
func (m *mp4Reader) tag(b mp4Box) error {
	name := mp4Tags[b.kind]
	if name == "" {
		return nil
	}
	return m.inside(b, func(b mp4Box) error {
		const head = 8 // type and language
		if b.kind != "data" || b.size < head || b.size-head > maxTag {
			return nil
		}
		p, err := m.bytes(b, head, b.size-head)
		if err == nil && utf8.Valid(p) {
			m.tags[name] = string(p)
		}
		return err
	})
}

// mp4Fragment is the traf box that is being read.
type mp4Fragment struct {
	track *mp4Track
	each  uint32
}

// fragment reads a box in traf: it counts the frames of fragments, and their time.
func (m *mp4Reader) fragment(f *mp4Fragment, b mp4Box) error {
	const (
		hasBase, hasDescription, hasDuration = 1, 2, 8   // of tfhd
		hasOffset, hasFirst, hasDurations    = 1, 4, 256 // of trun
	)
	be := binary.BigEndian
	p, err := m.bytes(b, 0, min(b.size, maxRuns))
	if err != nil || len(p) < 8 {
		return err
	}
	flags := be.Uint32(p) & 0xffffff
	switch b.kind {
	case "tfhd":
		if f.track = m.named(be.Uint32(p[4:])); f.track == nil {
			return nil
		}
		f.each = f.track.each
		at := 8
		if flags&hasBase != 0 {
			at += 8
		}
		if flags&hasDescription != 0 {
			at += 4
		}
		if flags&hasDuration != 0 && len(p) >= at+4 {
			f.each = be.Uint32(p[at:])
		}
	case "trun":
		if f.track == nil {
			return nil
		}
		n := be.Uint32(p[4:])
		f.track.frames += uint64(n)
		if flags&hasDurations == 0 {
			f.track.length += uint64(n) * uint64(f.each)
			return nil
		}
		at := 8
		for _, flag := range []uint32{hasOffset, hasFirst} {
			if flags&flag != 0 {
				at += 4
			}
		}
		stride := 4 // of a frame's record, in which its duration comes first
		for _, flag := range []uint32{0x200, 0x400, 0x800} {
			if flags&flag != 0 {
				stride += 4
			}
		}
		for ; n > 0 && at+4 <= len(p); n-- {
			f.track.length += uint64(be.Uint32(p[at:]))
			at += stride
		}
	}
	return nil
}
