package terminal

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scene is a sky that becomes a beach, with a red ball.
func scene(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{byte(40 + 180*y/h), byte(90 + 110*x/w), byte(220 - 150*y/h), 255}
			if dx, dy := x-w/2, y-h/2; dx*dx+dy*dy < h*h/16 {
				c = color.RGBA{210, 30, 40, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// off is the root of the mean square of what two pictures differ by, in boxes of 4×4
// pixels where dithering evens out.
func off(t *testing.T, a, b image.Image) float64 {
	t.Helper()
	size := a.Bounds().Size()
	if size != b.Bounds().Size() {
		t.Fatalf("%v and %v", a.Bounds(), b.Bounds())
	}
	small := size.Div(4)
	x, y := scale(a, small), scale(b, small)
	var sum float64
	for i := range x.Pix {
		d := float64(x.Pix[i]) - float64(y.Pix[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(x.Pix)))
}

// keep writes a picture for people into the folder that KINORA_LOOK names.
func keep(t *testing.T, name string, img image.Image) {
	t.Helper()
	if dir := os.Getenv("KINORA_LOOK"); dir != "" {
		var b bytes.Buffer
		_ = png.Encode(&b, img)
		if err := os.WriteFile(dir+"/"+name+".png", b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// unsixel draws sixels.
func unsixel(t *testing.T, s string) *image.RGBA {
	t.Helper()
	m := regexp.MustCompile(`^\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\$`).FindStringSubmatch(s)
	if m == nil {
		t.Fatalf("%.80q is no picture", s)
	}
	w, _ := strconv.Atoi(m[1])
	h, _ := strconv.Atoi(m[2])
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	palette := map[int]color.RGBA{}
	var c color.RGBA
	x, y, repeat := 0, 0, 1
	for _, token := range regexp.MustCompile(`#\d+(;2;\d+;\d+;\d+)?|!\d+|[-$]|[?-~]`).FindAllString(m[3], -1) {
		switch token[0] {
		case '#':
			var n, r, g, b int
			if k, _ := fmt.Sscanf(token, "#%d;2;%d;%d;%d", &n, &r, &g, &b); k == 4 {
				palette[n] = color.RGBA{byte(r * 255 / 100), byte(g * 255 / 100), byte(b * 255 / 100), 255}
			}
			c = palette[n]
		case '!':
			repeat, _ = strconv.Atoi(token[1:])
		case '$':
			x = 0
		case '-':
			x, y = 0, y+6
		default:
			for ; repeat > 0; repeat-- {
				for bit := range 6 {
					if (token[0]-'?')>>bit&1 == 1 {
						if !image.Pt(x, y+bit).In(img.Rect) {
							t.Fatalf("a pixel at %d,%d", x, y+bit)
						}
						img.SetRGBA(x, y+bit, c)
					}
				}
				x++
			}
			repeat = 1
		}
	}
	return img
}

// unblock draws half blocks of 24-bit colours, or of 256.
func unblock(t *testing.T, s string, columns, rows int) *image.RGBA {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, columns, 2*rows))
	lines := strings.Split(s, "\x1b[1B")
	if len(lines) != rows {
		t.Fatalf("%d rows, not %d", len(lines), rows)
	}
	for y, line := range lines {
		var c [2]color.RGBA
		x := 0
		for _, token := range regexp.MustCompile(`\x1b\[[0-9;]*m|▀`).FindAllString(line, -1) {
			var v [6]int
			var i, j int
			switch {
			case token == "▀":
				img.SetRGBA(x, 2*y, c[0])
				img.SetRGBA(x, 2*y+1, c[1])
				x++
			case scan(token, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]):
				c[0], c[1] = color.RGBA{byte(v[0]), byte(v[1]), byte(v[2]), 255}, color.RGBA{byte(v[3]), byte(v[4]), byte(v[5]), 255}
			case scan(token, "\x1b[38;5;%d;48;5;%dm", &i, &j):
				c[0], c[1] = xterm(i), xterm(j)
			}
		}
		if x != columns {
			t.Fatalf("row %d has %d cells", y, x)
		}
	}
	return img
}

func scan(s, format string, to ...any) bool {
	n, err := fmt.Sscanf(s, format, to...)
	return err == nil && n == len(to)
}

func xterm(i int) color.RGBA {
	if i >= 232 {
		v := byte(8 + 10*(i-232))
		return color.RGBA{v, v, v, 255}
	}
	i -= 16
	return color.RGBA{byte(level(i / 36)), byte(level(i / 6 % 6)), byte(level(i % 6)), 255}
}

// TestEncode draws what was written again, and compares it with the picture.
func TestEncode(t *testing.T) {
	img := scene(320, 200)
	s := Size{Columns: 120, Rows: 50, CellWidth: 8, CellHeight: 16}
	columns, rows := s.Box(img.Rect.Size())
	if columns != 80 || rows != 25 {
		t.Fatalf("the box is %d×%d", columns, rows)
	}
	write := func(p Protocol, c Colours) string {
		var b bytes.Buffer
		if err := Encode(&b, p, img, s, columns, rows, c); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	check := func(name string, got image.Image, most float64) {
		t.Helper()
		keep(t, name, got)
		want := scale(img, got.Bounds().Size())
		if d := off(t, want, got); d > most {
			t.Errorf("%s is off by %.2f", name, d)
		}
	}
	check("sixel", unsixel(t, write(Sixel, 0)), 3)
	check("blocks", unblock(t, write(Blocks, TrueColour), columns, rows), 1)
	check("blocks256", unblock(t, write(Blocks, Colours256), columns, rows), 20)

	var data string
	kitty := write(Kitty, 0)
	for _, m := range regexp.MustCompile(`\x1b_G([^;]*);([^\x1b]*)\x1b\\`).FindAllStringSubmatch(kitty, -1) {
		if data += m[2]; len(m[2]) > 4096 {
			t.Errorf("a piece of %d", len(m[2]))
		}
	}
	if !strings.Contains(kitty, "c=80,r=25,") || strings.Count(kitty, "m=0;") != 1 {
		t.Errorf("kitty is told %.100q", kitty)
	}
	iterm := regexp.MustCompile(`^\x1b\]1337;File=inline=1;size=(\d+);width=80;height=25;[^:]*:([^\a]*)\a$`).FindStringSubmatch(write(ITerm, 0))
	if iterm == nil {
		t.Fatal("iTerm2 is told something else")
	}
	for name, text := range map[string]string{"kitty": data, "iterm": iterm[2]} {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		check(name, got, 0.01)
	}
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		env    string
		want   Protocol
		colour Colours
		sure   bool
	}{
		{"TERM=xterm-kitty KITTY_WINDOW_ID=1", Kitty, TrueColour, true},
		{"TERM=tmux-256color TMUX=x KITTY_WINDOW_ID=1 COLORTERM=truecolor", Blocks, TrueColour, true},
		{"TERM=screen.xterm STY=x", Blocks, Colours256, true},
		{"TERM=xterm-256color TERM_PROGRAM=iTerm.app", ITerm, TrueColour, true},
		{"TERM=xterm-256color WEZTERM_PANE=0", ITerm, TrueColour, true},
		{"TERM=foot", Sixel, TrueColour, true},
		{"TERM=dumb", None, Colours256, true},
		{"TERM=xterm-256color COLORTERM=truecolor", Blocks, TrueColour, false},
	} {
		env := map[string]string{}
		for _, kv := range strings.Fields(tt.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		if p, c, sure := Detect(func(k string) string { return env[k] }); p != tt.want || c != tt.colour || sure != tt.sure {
			t.Errorf("%s: %q, %d, %v", tt.env, p, c, sure)
		}
	}
	for reply, want := range map[string]Protocol{
		"\x1b_Gi=31;OK\x1b\\\x1b[?62;c": Kitty, "\x1b[?62;4;22c": Sixel, "\x1b[?4;1c": Blocks, "\x1b[?1;2c": Blocks,
	} {
		if p, whole := answered([]byte(reply)); p != want || !whole {
			t.Errorf("%q: %q, %v", reply, p, whole)
		}
	}
	if _, whole := answered([]byte("\x1b[?62;4")); whole {
		t.Error("half an answer is whole")
	}
}

// TestStage: the picture stays in its place, and at the end nothing is left.
func TestStage(t *testing.T) {
	var b bytes.Buffer
	s := NewStage(&b, Blocks, TrueColour, func() Size { return Size{Columns: 40, Rows: 20} })
	s.Show(scene(64, 40))
	s.Line("half")
	if _, err := s.Write([]byte("a note\n")); err != nil {
		t.Error(err)
	}
	s.Close()
	got := b.String()
	if strings.Count(got, "\x1b7") != strings.Count(got, "\x1b8") || strings.Contains(got, "?25l") {
		t.Errorf("the cursor is lost in %.200q", got)
	}
	if !strings.HasSuffix(got, "\x1b[J\x1b[?2026l") {
		t.Errorf("the end is %q", got[max(0, len(got)-40):])
	}
	if before, _, ok := strings.Cut(got, "a note\n"); !ok || !strings.HasSuffix(before, "\x1b[J") {
		t.Errorf("a note is written over the picture: %.200q", got)
	}
	if strings.Count(got, "\x1b[10A") != 2*strings.Count(got, "\x1b7") && strings.Contains(got, "\x1b7") {
		t.Errorf("the picture of 10 rows is not removed in %.200q", got)
	}
}
