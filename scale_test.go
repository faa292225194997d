package kinora

import (
	"bytes"
	"testing"
)

func picture(w, h int, at func(x, y int) byte) []byte {
	rgb := make([]byte, 0, w*h*3)
	for y := range h {
		for x := range w {
			v := at(x, y)
			rgb = append(rgb, v, 255-v, v/2)
		}
	}
	return rgb
}

func scale(t *testing.T, rgb []byte, sw, sh, dw, dh int) []byte {
	t.Helper()
	s, err := newScaler(sw, sh, dw, dh, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.apply(rgb)
	if err != nil || len(out) != dw*dh*3 {
		t.Fatalf("%d×%d to %d×%d: %d bytes, %v", sw, sh, dw, dh, len(out), err)
	}
	return out
}

func TestScaleKeepsFlatColours(t *testing.T) {
	for _, size := range [][4]int{{8, 6, 64, 48}, {64, 48, 8, 6}, {7, 5, 30, 30}, {1, 1, 16, 16}, {300, 2, 16, 16}, {2, 300, 18, 40}, {256, 160, 1280, 720}, {256, 160, 160, 160}, {9, 9, 9, 9}} {
		for _, v := range []byte{0, 127, 255} {
			src := picture(size[0], size[1], func(int, int) byte { return v })
			out := scale(t, src, size[0], size[1], size[2], size[3])
			for i := 0; i < len(out); i += 3 {
				if !bytes.Equal(out[i:i+3], src[:3]) {
					t.Fatalf("%v: pixel %d is %v, want %v", size, i/3, out[i:i+3], src[:3])
				}
			}
		}
	}
}

// TestScaleCovers: a wide picture on a square keeps its middle, a tall one too.
func TestScaleCovers(t *testing.T) {
	inside := func(i int) byte {
		if i >= 20 && i < 40 {
			return 200
		}
		return 0
	}
	wide := picture(60, 20, func(x, _ int) byte { return inside(x) })
	tall := picture(20, 60, func(_, y int) byte { return inside(y) })
	for _, side := range []int{10, 20, 40} {
		for _, out := range [][]byte{scale(t, wide, 60, 20, side, side), scale(t, tall, 20, 60, side, side)} {
			for i := 0; i < len(out); i += 3 {
				if out[i] != 200 {
					t.Fatalf("%d×%d: pixel %d is %d", side, side, i/3, out[i])
				}
			}
		}
	}
}

// TestScaleMoves nothing: the centre of mass of a spot stays where it was.
func TestScaleMovesNothing(t *testing.T) {
	src := picture(32, 20, func(x, y int) byte {
		if x == 9 && y == 13 {
			return 255
		}
		return 0
	})
	out := scale(t, src, 32, 20, 128, 80)
	var sx, sy, sum float64
	for y := range 80 {
		for x := range 128 {
			v := float64(out[(y*128+x)*3])
			sx, sy, sum = sx+v*(float64(x)+0.5), sy+v*(float64(y)+0.5), sum+v
		}
	}
	if x, y := sx/sum/4, sy/sum/4; x < 9.45 || x > 9.55 || y < 13.45 || y > 13.55 {
		t.Errorf("the spot at 9.5, 13.5 is at %.2f, %.2f", x, y)
	}
}
