package egress

import (
	"bytes"
	"net/http"
	"strings"
)

const unknownType = "application/octet-stream"

// brands are the major brands of ISO base media files (ISO/IEC 14496-12) that
// net/http does not know: four bytes at offset 8.
var brands = map[string]string{
	"qt  ": "video/quicktime",
	"M4A ": "audio/mp4",
	"M4B ": "audio/mp4",
	"avif": "image/avif",
	"avis": "image/avif",
	"heic": "image/heic",
	"heix": "image/heic",
	"mif1": "image/heif",
}

// sniff returns the media type that a file's first bytes show, without
// parameters. It is net/http's, which follows the WHATWG standard, extended by
// the sounds and videos that cameras and phones make.
func sniff(head []byte) string {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		if t, ok := brands[string(head[8:12])]; ok {
			return t
		}
		return "video/mp4"
	}
	if t := sound(head); t != "" {
		return t
	}
	t, _, _ := strings.Cut(http.DetectContentType(head), ";")
	if t == "audio/wave" {
		return "audio/wav" // the name that APIs use
	}
	return t
}

// sound detects sounds without a container by their headers. An MPEG frame
// (ISO/IEC 11172-3, 13818-7) has few fixed bits; fields with forbidden values
// distinguish it from UTF-16's mark and from noise.
func sound(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("fLaC")):
		return "audio/flac"
	case len(head) < 4 || head[0] != 0xff || head[1]&0xe0 != 0xe0:
		return ""
	case head[1]&0xf6 == 0xf0: // layer 0: ADTS
		if head[2]>>2&0xf < 13 {
			return "audio/aac"
		}
	case head[1]>>3&3 != 1 && head[1]>>1&3 == 1 && head[2]>>4 != 0 && head[2]>>4 != 15 && head[2]>>2&3 != 3: // layer III
		return "audio/mpeg"
	}
	return ""
}
