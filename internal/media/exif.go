package media

import "encoding/binary"

// exifOrientation returns the orientation that the Exif part of a JPEG states
// (tag 0x0112 of its first directory, CIPA DC-008), or 1, which is upright.
func exifOrientation(jpeg []byte) int {
	tiff := exifPart(jpeg)
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

// exifPart walks the segments of a JPEG up to its first scan and returns the
// TIFF structure of the Exif one, or nil.
func exifPart(jpeg []byte) []byte {
	const app1, startOfScan = 0xe1, 0xda
	for at := 2; at+4 <= len(jpeg) && jpeg[at] == 0xff; {
		marker := jpeg[at+1]
		if marker == 0xff { // padding
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(jpeg[at+2:]))
		if marker == startOfScan || size < 2 || at+2+size > len(jpeg) {
			return nil
		}
		body := jpeg[at+4 : at+2+size]
		if marker == app1 && len(body) > 6 && string(body[:6]) == "Exif\x00\x00" {
			return body[6:]
		}
		at += 2 + size
	}
	return nil
}
