package media

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// orientation returns how an image has to be turned, from 1, which is upright, to
// 8, by its Exif data (tag 0x0112 of the first directory, CIPA DC-008), wherever the
// format keeps them.
func (i imageFormat) orientation(data []byte) int {
	switch i.name {
	case "JPEG":
		for name, body := range jpegSegments(data) {
			if tiff, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); ok && name == 0xe1 {
				return tiffOrientation(tiff)
			}
		}
	case "PNG":
		for name, body := range pngChunks(data) {
			if name == "eXIf" {
				return tiffOrientation(body)
			}
		}
	case "WebP":
		for name, body := range webpChunks(data) {
			if name == "EXIF" {
				// Some writers keep the header that Exif data have in a JPEG.
				return tiffOrientation(bytes.TrimPrefix(body, []byte("Exif\x00\x00")))
			}
		}
	}
	return 1
}

// tiffOrientation reads the orientation from a TIFF structure.
func tiffOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > len(tiff) {
		return 1
	}
	entries := int(order.Uint16(tiff[at:]))
	for at += 2; entries > 0 && at+12 <= len(tiff); entries, at = entries-1, at+12 {
		const orientation, short = 0x0112, 3
		if order.Uint16(tiff[at:]) == orientation && order.Uint16(tiff[at+2:]) == short {
			if v := int(order.Uint16(tiff[at+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// jpegSegments visits the segments of a JPEG up to its first scan.
func jpegSegments(jpeg []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		const startOfScan = 0xda
		for at := 2; at+4 <= len(jpeg) && jpeg[at] == 0xff; {
			marker := jpeg[at+1]
			if marker == 0xff { // padding
				at++
				continue
			}
			size := int(binary.BigEndian.Uint16(jpeg[at+2:]))
			if marker == startOfScan || size < 2 || at+2+size > len(jpeg) || !yield(marker, jpeg[at+4:at+2+size]) {
				return
			}
			at += 2 + size
		}
	}
}

// pngChunks visits the chunks of a PNG.
func pngChunks(png []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		const signature, around = 8, 12 // bytes: of the file, and of a chunk beside its body
		for at := signature; at+around <= len(png); {
			size := int64(binary.BigEndian.Uint32(png[at:]))
			if size > int64(len(png)-at-around) || !yield(string(png[at+4:at+8]), png[at+8:at+8+int(size)]) {
				return
			}
			at += around + int(size)
		}
	}
}

// animated says whether an image file holds more than one picture.
func (i imageFormat) animated(data []byte) bool {
	switch i.name {
	case "WebP":
		p, ok, err := findPicture(data)
		return ok && err == nil && p.animated
	case "PNG":
		for name, body := range pngChunks(data) {
			switch name {
			case "acTL": // of an animated PNG: how many pictures it has
				return len(body) >= 4 && binary.BigEndian.Uint32(body) > 1
			case "IDAT":
				return false
			}
		}
	case "GIF":
		return gifPictures(data) > 1
	}
	return false
}

// gifPictures counts the pictures of a GIF up to the second (GIF89a
// specification, section "GIF grammar").
func gifPictures(gif []byte) int {
	// skip passes over a number of bytes, and over the colour table that the last
	// of them announces.
	at := 0
	skip := func(n, flags int) bool {
		if at+n > len(gif) {
			return false
		}
		colours := 0
		if f := gif[at+flags]; flags > 0 && f&0x80 != 0 {
			colours = 3 << (1 + f&7)
		}
		at += n + colours
		return at < len(gif)
	}
	blocks := func() bool { // data blocks up to the empty one
		for at < len(gif) && gif[at] > 0 {
			at += 1 + int(gif[at])
		}
		at++
		return at < len(gif)
	}
	const image, extension = 0x2c, 0x21
	n := 0
	for ok := skip(13, 10); ok && n < 2; {
		switch gif[at] {
		case image:
			n++
			ok = skip(10, 9) && skip(1, 0) && blocks()
		case extension:
			ok = skip(2, 0) && blocks()
		default:
			return n
		}
	}
	return n
}
