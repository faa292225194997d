package engine

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestPick(t *testing.T) {
	native := Sizes{Native: []Size{{832, 480}, {480, 832}, {1280, 720}}}
	free := Sizes{Native: []Size{{768, 512}}, Multiple: 32, Min: 256, Max: 1280, Pixels: 1280 * 768}
	for _, tt := range []struct {
		name       string
		sizes      Sizes
		want, pick Size
	}{
		{"its own", native, Size{832, 480}, Size{832, 480}},
		{"upright", native, Size{720, 1280}, Size{480, 832}},
		{"large and wide", native, Size{1920, 1080}, Size{1280, 720}},
		{"small and wide", native, Size{320, 180}, Size{1280, 720}},
		{"square: the first of two that lose the same", native, Size{400, 400}, Size{832, 480}},
		{"drawn as it is", free, Size{1024, 576}, Size{1024, 576}},
		{"no multiple", free, Size{1000, 576}, Size{768, 512}},
		{"a side too short", free, Size{1024, 128}, Size{768, 512}},
		{"too many pixels", free, Size{1280, 1280}, Size{768, 512}},
	} {
		if got := tt.sizes.Pick(tt.want); got != tt.pick {
			t.Errorf("%s: %v is made of %v, want %v", tt.name, tt.want, got, tt.pick)
		}
	}
	sizes := Sizes{Native: []Size{{640, 360}, {320, 180}, {1280, 720}}}
	for want, pick := range map[Size]Size{{160, 90}: {320, 180}, {500, 280}: {640, 360}, {1920, 1080}: {1280, 720}} {
		if got := sizes.Pick(want); got != pick {
			t.Errorf("of one shape: %v is made of %v, want %v", want, got, pick)
		}
	}
}

func TestFit(t *testing.T) {
	c := Capabilities{Sizes: Sizes{Native: []Size{{256, 160}}}, Rates: []int{24, 16}}
	for _, tt := range []struct {
		w, h          int
		cut, enlarged bool
	}{
		{0, 0, false, false},
		{256, 160, false, false},
		{128, 80, false, false},
		{512, 320, false, true},
		{854, 534, false, true}, // the same shape, but for rounding
		{90, 160, true, false},
		{320, 320, true, true},
	} {
		if cut, enlarged := c.Fit(tt.w, tt.h); cut != tt.cut || enlarged != tt.enlarged {
			t.Errorf("%d×%d: cut %v, enlarged %v", tt.w, tt.h, cut, enlarged)
		}
	}
	if c.Rate(16) != 16 || c.Rate(30) != 24 || c.Rate(0) != 24 {
		t.Errorf("rates %d, %d, %d", c.Rate(16), c.Rate(30), c.Rate(0))
	}
}

func TestInWords(t *testing.T) {
	for got, want := range map[string]string{
		Range[int]{Default: 4, Min: 1, Max: 50}.String():    "1 to 50",
		Range[int]{Default: 4, Min: 4, Max: 4}.String():     "it is always 4",
		Lengths{Max: 3600}.String():                         "more than 0, at most 3600",
		Lengths{Min: 4, Max: 15}.String():                   "4 to 15",
		(&Refusal{Field: "prompt", Why: "is long"}).Error(): "prompt: is long",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestLease: who waits gets the cores in the order of asking, and who gives up
// waiting loses the place alone.
func TestLease(t *testing.T) {
	l := NewLease()
	if err := l.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 2)
	asked := func(ctx context.Context, name string) {
		begun := make(chan bool)
		go func() {
			close(begun)
			if err := l.Take(ctx); err != nil {
				order <- name + " " + err.Error()
				return
			}
			order <- name
			l.Release()
		}()
		<-begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked(ctx, "gone")
	cancel()
	if got := <-order; !strings.Contains(got, "canceled") {
		t.Errorf("one that was cancelled: %q", got)
	}
	asked(t.Context(), "next")
	select {
	case got := <-order:
		t.Fatalf("%s has the cores beside the holder", got)
	default:
	}
	l.Release()
	if got := <-order; got != "next" {
		t.Errorf("%q had the cores", got)
	}
	if err := l.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("taken after the end: %v", err)
	}
}

// TestOptions: a model refuses what it has no use for, and says what it takes.
func TestOptions(t *testing.T) {
	plain := Capabilities{Name: "plain", Cost: Cost{Memory: 3e8}}
	able := Capabilities{Name: "able", Extras: Extras{
		Memory: true, LoRA: true, Experts: []string{"high", "low"}, Decoders: []Decoder{FullDecoder, TinyDecoder}, StepCache: true,
	}}
	lora := func(l ...LoRA) Options { return Options{LoRAs: l} }
	for _, tt := range []struct {
		name string
		o    Options
		c    Capabilities
		want string // "" for no refusal
	}{
		{"nothing", Options{}, plain, ""},
		{"everything", Options{Memory: 1 << 30, LoRAs: []LoRA{{"a", 1, ""}, {"b", -0.5, "low"}}, Decoder: TinyDecoder}, able, ""},
		{"memory", Options{Memory: 1}, plain, "memory: the model plain keeps within no limit"},
		{"less than none", Options{Memory: -1}, able, "less than none"},
		{"lora", lora(LoRA{"a", 1, ""}), plain, "LoRA: the model plain takes none"},
		{"too many", lora(make([]LoRA, 17)...), able, "there are 17"},
		{"too strong", lora(LoRA{"a", 1e9, ""}), able, "strength 1e+09 is out of range"},
		{"no number", lora(LoRA{"a", math.NaN(), ""}), able, "out of range"},
		{"expert", lora(LoRA{"a", 1, "middle"}), able, `expert "middle"`},
		{"no experts", lora(LoRA{"a", 1, "low"}), Capabilities{Name: "one", Extras: Extras{LoRA: true}}, "one has no experts"},
		{"decoder", Options{Decoder: TinyDecoder}, plain, "has only one"},
		{"unknown decoder", Options{Decoder: "fast"}, able, `none of the name "fast"`},
	} {
		err := tt.o.Check(tt.c)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if got := able.Extras.String(); got != "a limit on its memory; LoRAs; decoders: full, tiny; a step cache" {
		t.Errorf("the options are %q", got)
	}
	if got := plain.Extras.String(); got != "none" {
		t.Errorf("no options are %q", got)
	}
}
