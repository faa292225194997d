package media

import (
	"bytes"
	"testing"
)

// mp4Box4 makes a box.
func mp4Box4(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	n := len(body) + 8
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), kind[0], kind[1], kind[2], kind[3]}, body...)
}

// smallMP4 is an MP4 of 64×48 pixels, 12 frames in half a second, with settings.
func smallMP4() []byte {
	tkhd := append(make([]byte, 76), 0, 64, 0, 0, 0, 48, 0, 0)
	tkhd[15] = 1
	mdhd := append(make([]byte, 12), 0, 0, 0, 24, 0, 0, 0, 12, 0, 0, 0, 0)
	stsz := append(make([]byte, 8), 0, 0, 0, 12)
	data := func(s string) []byte { return mp4Box4("data", make([]byte, 8), []byte(s)) }
	return bytes.Join([][]byte{
		mp4Box4("ftyp", []byte("isom")),
		mp4Box4("moov",
			mp4Box4("trak", mp4Box4("tkhd", tkhd), mp4Box4("mdia", mp4Box4("mdhd", mdhd),
				mp4Box4("hdlr", make([]byte, 8), []byte("vide")), mp4Box4("minf", mp4Box4("stbl", mp4Box4("stsz", stsz))))),
			mp4Box4("udta", mp4Box4("meta", make([]byte, 4), mp4Box4("ilst",
				mp4Box4("\xa9cmt", data("AI-generated video. Model: m. Seed: 7. Made with Kinora.")),
				mp4Box4("ldes", data(`{"version":1}`)))))),
	}, nil)
}

func TestMP4Header(t *testing.T) {
	file := smallMP4()
	h, err := mp4Header(t.Context(), bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if h.W != 64 || h.H != 48 || h.Frames != 12 || h.FPS != 24 || h.Sound || h.Meta.Seed != 7 || h.Meta.Settings != `{"version":1}` {
		t.Errorf("%+v", h)
	}
	for n := range len(file) {
		if h, err := mp4Header(t.Context(), bytes.NewReader(file[:n]), int64(n)); err == nil && h.Meta.Settings != "" {
			t.Errorf("cut to %d bytes it gives %+v", n, h)
		}
	}
}

func FuzzMP4Header(f *testing.F) {
	f.Add(smallMP4())
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := mp4Header(t.Context(), bytes.NewReader(file), int64(len(file)))
		if err == nil && (h.W < 1 || h.H < 1 || h.Frames < 0 || len(h.Meta.Settings) > MaxSettings) {
			t.Errorf("%+v", h)
		}
	})
}
