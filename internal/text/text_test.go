package text

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// foreign are bytes that are not UTF-8 text, with what the error has to name.
var foreign = []struct{ in, want string }{
	{"\xff\xfea\x00 \x00c\x00", "UTF-16, little-endian"},
	{"\xfe\xff\x00a\x00 ", "UTF-16, big-endian"},
	{"a\x00 \x00c\x00a\x00t\x00", "UTF-16, little-endian"},
	{"\x00a\x00 \x00c\x00a\x00t", "UTF-16, big-endian"},
	{"\xff\xfe\x00\x00a\x00\x00\x00", "UTF-32, little-endian"},
	{"\x00\x00\xfe\xff\x00\x00\x00a", "UTF-32, big-endian"},
	{"\x84\x31\x95\x33abc", "GB18030"},
	{"a\nun caf\xe9 noir", "line 2 holds the byte 0xE9"},
	{"a\nb\n\xb9\xb7", "line 3 holds the byte 0xB9"},
	{"a cat that walks along\x00 the beach", "zero bytes"},
	{"\xe4\xb8", "line 1 holds the byte 0xE4"}, // half a character
}

var native = []struct{ in, want string }{
	{"", ""},
	{"a", "a"},
	{Mark, ""},
	{Mark + "a cat\r\n", "a cat\r\n"},
	{Mark + Mark + "一只猫", "一只猫"},
	{"a " + Mark + "cat", "a " + Mark + "cat"}, // inside, it belongs to the text
	{"قطة 🐶", "قطة 🐶"},
	{strings.Repeat("一", 3000), strings.Repeat("一", 3000)},
}

func TestDecode(t *testing.T) {
	for _, tt := range native {
		if got, err := Decode([]byte(tt.in)); err != nil || string(got) != tt.want {
			t.Errorf("%.40q: %.40q, %v, want %.40q", tt.in, got, err, tt.want)
		}
	}
	for _, tt := range foreign {
		got, err := Decode([]byte(tt.in))
		if e := (*Error)(nil); got != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %q, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

// TestReader: a stream gives what Decode gives, however its bytes arrive.
func TestReader(t *testing.T) {
	for how, slow := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "early end": iotest.DataErrReader,
	} {
		for _, tt := range native {
			got, err := io.ReadAll(NewReader(slow(strings.NewReader(tt.in))))
			if err != nil || string(got) != tt.want {
				t.Errorf("%s, %.40q: %.40q, %v, want %.40q", how, tt.in, got, err, tt.want)
			}
		}
		for _, tt := range foreign {
			if _, err := io.ReadAll(NewReader(slow(strings.NewReader(tt.in)))); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %q: %v, want %s", how, tt.in, err, tt.want)
			}
		}
		long := strings.Repeat("a\n", 5000) + "\xe9" + strings.Repeat("a", 5000)
		got, err := io.ReadAll(NewReader(slow(strings.NewReader(long))))
		if len(got) != 10_000 || err == nil || !strings.Contains(err.Error(), "line 5001 holds the byte 0xE9") {
			t.Errorf("%s: %d bytes, %v", how, len(got), err)
		}
	}
	broken := errors.New("broken")
	for _, in := range []string{"abc", "abc\xe4\xb8", strings.Repeat("a", 100) + "\xe4"} { // also within a character
		r := NewReader(iotest.DataErrReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken))))
		if _, err := io.ReadAll(r); !errors.Is(err, broken) {
			t.Errorf("%.5q: an error of the stream became %v", in, err)
		}
	}
}

func TestRead(t *testing.T) {
	if got, err := Read(strings.NewReader(Mark+"abc"), 6); got != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Read(strings.NewReader("abcd"), 3); err == nil || !strings.Contains(err.Error(), "larger than 3 bytes") {
		t.Errorf("%v", err)
	}
}

func TestLines(t *testing.T) {
	got := slices.Collect(Lines(" a red ball\r\n\r\n" + Mark + "a cat \n\t" + Mark + "\nb"))
	if want := []string{"a red ball", "a cat", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	var v struct{ A int }
	if err := JSON([]byte(Mark+`{"a":7}`), &v); err != nil || v.A != 7 {
		t.Errorf("%v, %v", v, err)
	}
	if err := JSON([]byte("\xff\xfe{\x00}\x00"), &v); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	for _, tt := range slices.Concat(native, foreign) {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want, werr := Decode(in)
		got, gerr := io.ReadAll(NewReader(iotest.HalfReader(strings.NewReader(string(in)))))
		if (werr == nil) != (gerr == nil) || werr == nil && string(got) != string(want) {
			t.Errorf("%q: Decode %q, %v; NewReader %q, %v", in, want, werr, got, gerr)
		}
	})
}
