package kinora

import (
	"image"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/tensor"
)

// scaler brings RGB frames of one size to another: it cuts the largest centred
// part that has the target's shape, enlarges it by a network where there is one,
// and resizes that (Catmull-Rom, widened when it shrinks).
type scaler struct {
	src          media.Frame // its size only
	x, y         int         // where the part begins
	part, out    media.Frame
	enlarged     media.Frame     // what the network makes of the part
	network      engine.Enlarger // or nil
	resizer      *media.Resizer  // nil when that is what is wanted
	whole, equal bool            // the part is the source; nothing is to be done
}

// newScaler returns a scaler from sw×sh to dw×dh. Frames are enlarged by a
// network where there is one.
func newScaler(sw, sh, dw, dh int, network enlarging) (*scaler, error) {
	s := &scaler{src: media.Frame{W: sw, H: sh}, equal: sw == dw && sh == dh}
	if s.equal {
		return s, nil
	}
	cw, ch := sw, sh
	if sw*dh > sh*dw {
		cw = max(1, (sh*dw+dh/2)/dh)
	} else {
		ch = max(1, (sw*dh+dw/2)/dw)
	}
	s.x, s.y, s.whole = (sw-cw)/2, (sh-ch)/2, cw == sw && ch == sh
	if !s.whole {
		s.part = media.NewFrame(cw, ch)
	}
	var err error
	if network != nil {
		if s.network, err = network(cw, ch); err != nil {
			return nil, err
		}
		cw, ch = s.network.Size()
		s.enlarged = media.NewFrame(cw, ch)
	}
	if cw == dw && ch == dh {
		return s, nil
	}
	s.out = media.NewFrame(dw, dh)
	s.resizer, err = media.NewResizer(media.Bicubic, cw, ch, dw, dh)
	return s, err
}

// apply returns the frame in the new size, valid until the next call or until
// rgb changes.
func (s *scaler) apply(rgb []byte) ([]byte, error) {
	if s.equal {
		return rgb, nil
	}
	part := media.Frame{W: s.src.W, H: s.src.H, Pix: rgb}
	if !s.whole {
		row := 3 * s.part.W
		for i := range s.part.H {
			copy(s.part.Pix[i*row:][:row], rgb[3*((s.y+i)*s.src.W+s.x):])
		}
		part = s.part
	}
	if s.network != nil {
		if err := s.network.Frame(s.enlarged.Pix, part.Pix); err != nil {
			return nil, err
		}
		part = s.enlarged
	}
	if s.resizer == nil {
		return part.Pix, nil
	}
	return s.out.Pix, s.resizer.ResizeInto(s.out, part)
}

// firstFrame cuts and scales an image to w×h: [h, w, 3] in [-1, 1].
func firstFrame(img image.Image, w, h int) ([]float32, error) {
	fitted, err := media.Fit(media.FromImage(img), w, h)
	if err != nil {
		return nil, err
	}
	out := make([]float32, 3*w*h)
	tensor.FromPixels(out, fitted.Pix)
	return out, nil
}
