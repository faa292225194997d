package meter

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Dollars is an amount of money in millionths of a dollar, written as dollars.
type Dollars = store.Dollars

// DefaultRates is the key of the rates for models that have none of their own.
const DefaultRates = "default"

// AnyResolution is the key of the price for resolutions larger than those named.
const AnyResolution = "any"

// Rates are the prices of a model. A missing rate is that of DefaultRates.
type Rates struct {
	// Clips are prices of whole videos, by resolution and seconds. A length
	// between two costs as much as the longer one. A length beyond the longest
	// costs the longest's price in proportion.
	Clips map[string]map[int]Dollars `yaml:"clips,omitempty" json:"clips,omitempty"`
	// Seconds are prices per second, by resolution.
	Seconds map[string]Dollars `yaml:"seconds,omitempty" json:"seconds,omitempty"`
	// Image is the price of an image.
	Image *Dollars `yaml:"image,omitempty" json:"image,omitempty"`
	// Characters is the price of a million characters of speech.
	Characters *Dollars `yaml:"characters,omitempty" json:"characters,omitempty"`
	// Request is the price of expanding a prompt.
	Request *Dollars `yaml:"request,omitempty" json:"request,omitempty"`
	// TokensIn and TokensOut are the prices of a million tokens of a conversation,
	// and of answers, by a language model of this server.
	TokensIn  *Dollars `yaml:"tokens_in,omitempty" json:"tokens_in,omitempty"`
	TokensOut *Dollars `yaml:"tokens_out,omitempty" json:"tokens_out,omitempty"`
}

// MaxRate is the largest price of one video, second, image or request, or of a million
// characters or tokens.
const MaxRate = Dollars(1_000_000 * store.Micro)

// MaxModels is how many models may have rates.
const MaxModels = 1000

func price(micros int64) *Dollars { d := Dollars(micros); return &d }

// BuiltIn returns the rates that apply without a configuration: MiniMax's price
// list for its models, and our own defaults for all others.
func BuiltIn() map[string]Rates {
	hailuo := map[string]map[int]Dollars{"768P": {6: 280_000, 10: 560_000}, "1080P": {6: 490_000}}
	hailuo02 := map[string]map[int]Dollars{"512P": {6: 100_000, 10: 150_000}}
	for r, clips := range hailuo {
		hailuo02[r] = clips
	}
	return map[string]Rates{
		"MiniMax-Hailuo-2.3":      {Clips: hailuo},
		"MiniMax-Hailuo-2.3-Fast": {Clips: map[string]map[int]Dollars{"768P": {6: 190_000, 10: 320_000}, "1080P": {6: 330_000}}},
		"MiniMax-Hailuo-02":       {Clips: hailuo02},
		"MiniMax-H3":              {Seconds: map[string]Dollars{"768P": 80_000, "2K": 130_000}},
		"MiniMax-H3-Max":          {Seconds: map[string]Dollars{"480P": 50_000, "768P": 80_000}},
		DefaultRates: {
			Seconds: map[string]Dollars{AnyResolution: 50_000},
			Image:   price(3_500), Characters: price(60_000_000), Request: price(0),
			TokensIn: price(100_000), TokensOut: price(400_000),
		},
	}
}

// lines is the height that a resolution's name means, in pixels of the shorter
// side.
func lines(resolution string) (int, bool) {
	switch s := strings.ToUpper(strings.TrimSpace(resolution)); s {
	case strings.ToUpper(AnyResolution):
		return math.MaxInt, true
	case "2K":
		return 1440, true
	case "4K":
		return 2160, true
	case "8K":
		return 4320, true
	default:
		digits, ok := strings.CutSuffix(s, "P")
		n, err := strconv.Atoi(digits)
		return n, ok && err == nil && n > 0 && n < 100_000
	}
}

// linesOf is the height that a spec asks for, or 0 for the model's own.
func linesOf(s *job.Spec) int {
	if n, ok := lines(s.Resolution); ok && n != math.MaxInt {
		return n
	}
	return min(s.Width, s.Height)
}

// at returns the price for a height: that of the next larger named resolution, or
// of the largest.
func at[T any](byResolution map[string]T, height int) (found T, ok bool) {
	best := -1
	for r, v := range byResolution {
		n, known := lines(r)
		if !known {
			continue
		}
		better := best < 0 || n >= height && (best < height || n < best) || n < height && best < height && n > best
		if better {
			best, found, ok = n, v, true
		}
	}
	return found, ok
}

// Prices is a checked table of rates.
type Prices struct{ rates map[string]Rates }

// NewPrices makes a table of the built-in rates and those that replace them, by
// public model name; an entry for DefaultRates may leave rates as they are.
func NewPrices(replace map[string]Rates) (*Prices, error) {
	p := &Prices{rates: BuiltIn()}
	if len(replace) > MaxModels {
		return nil, fmt.Errorf("prices: there are %d models, more than %d", len(replace), MaxModels)
	}
	for model, r := range replace {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("prices: %s: %w", model, err)
		}
		if model == DefaultRates {
			r = r.or(p.rates[DefaultRates])
		}
		p.rates[model] = r
	}
	return p, nil
}

// or fills in missing rates from other.
func (r Rates) or(other Rates) Rates {
	if len(r.Clips) == 0 && len(r.Seconds) == 0 {
		r.Clips, r.Seconds = other.Clips, other.Seconds
	}
	if r.Image == nil {
		r.Image = other.Image
	}
	if r.Characters == nil {
		r.Characters = other.Characters
	}
	if r.Request == nil {
		r.Request = other.Request
	}
	if r.TokensIn == nil {
		r.TokensIn = other.TokensIn
	}
	if r.TokensOut == nil {
		r.TokensOut = other.TokensOut
	}
	return r
}

func (r Rates) check() error {
	inRange := func(what string, d Dollars) error {
		if d < 0 || d > MaxRate {
			return fmt.Errorf("%s: $%v is out of range: 0 to %v", what, d, MaxRate)
		}
		return nil
	}
	resolution := func(name string) error {
		if _, ok := lines(name); !ok {
			return fmt.Errorf("%q is no resolution: write 768P, 2K, …, or %s", name, AnyResolution)
		}
		return nil
	}
	for name, clips := range r.Clips {
		if err := resolution(name); err != nil {
			return err
		}
		if len(clips) == 0 {
			return fmt.Errorf("clips of %s: it has no price", name)
		}
		for seconds, d := range clips {
			if seconds < 1 || seconds > 3600 {
				return fmt.Errorf("clips of %s: %d seconds is out of range: 1 to 3600", name, seconds)
			}
			if err := inRange("clips of "+name, d); err != nil {
				return err
			}
		}
	}
	for name, d := range r.Seconds {
		if err := resolution(name); err != nil {
			return err
		}
		if err := inRange("a second of "+name, d); err != nil {
			return err
		}
	}
	for what, d := range map[string]*Dollars{"image": r.Image, "characters": r.Characters, "request": r.Request, "tokens_in": r.TokensIn, "tokens_out": r.TokensOut} {
		if d != nil {
			if err := inRange(what, *d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Of returns the rates of a model, with none missing.
func (p *Prices) Of(model string) Rates { return p.rates[model].or(p.rates[DefaultRates]) }

// Quote returns the price of a job, in micros.
func (p *Prices) Quote(s job.Spec) (int64, error) {
	r := p.Of(s.Model)
	switch s.Kind {
	case job.Video:
		price, err := r.video(&s)
		if err != nil || s.Narration == nil {
			return price, err
		}
		speech, err := p.QuoteSpeech(s.Model, s.Narration.Characters)
		return price + speech, err
	case job.Image:
		if s.Count < 1 || s.Count > job.MaxImages {
			return 0, job.Errorf(job.Invalid, "n", "%d images is out of range: 1 to %d", s.Count, job.MaxImages)
		}
		return int64(*r.Image) * int64(s.Count), nil
	case job.Expansion:
		return int64(*r.Request), nil
	}
	return 0, job.Errorf(job.Internal, "", "there is no price for a job of kind %q", s.Kind)
}

// QuoteSpeech returns the price of speech, in micros.
func (p *Prices) QuoteSpeech(model string, characters int) (int64, error) {
	if characters < 0 || characters > 1_000_000_000 {
		return 0, job.Errorf(job.Invalid, "text", "%d characters is out of range", characters)
	}
	return share(int64(*p.Of(model).Characters), int64(characters), 1_000_000), nil
}

// QuoteChat returns the price of an answer to a conversation of so many tokens, in
// micros.
func (p *Prices) QuoteChat(model string, in, out int) (int64, error) {
	if min(in, out) < 0 || max(in, out) > 1_000_000_000 {
		return 0, job.Errorf(job.Invalid, "messages", "%d and %d tokens are out of range", in, out)
	}
	r := p.Of(model)
	return share(int64(*r.TokensIn), int64(in), 1_000_000) + share(int64(*r.TokensOut), int64(out), 1_000_000), nil
}

func (r Rates) video(s *job.Spec) (int64, error) {
	if !(s.Seconds > 0 && s.Seconds <= 24*60*60) {
		return 0, job.Errorf(job.Invalid, "seconds", "%v seconds is out of range", s.Seconds)
	}
	ms := int64(math.Ceil(s.Seconds * 1000))
	height := linesOf(s)
	if clips, ok := at(r.Clips, height); ok {
		return clip(clips, ms), nil
	}
	if second, ok := at(r.Seconds, height); ok {
		return share(int64(second), ms, 1000), nil
	}
	return 0, job.Errorf(job.Internal, "", "the model %s has no price", s.Model)
}

// clip is the price of a video of ms milliseconds.
func clip(clips map[int]Dollars, ms int64) int64 {
	lengths := make([]int, 0, len(clips))
	for s := range clips {
		lengths = append(lengths, s)
	}
	slices.Sort(lengths)
	for _, s := range lengths {
		if ms <= int64(s)*1000 {
			return int64(clips[s])
		}
	}
	longest := lengths[len(lengths)-1]
	return share(int64(clips[longest]), ms, int64(longest)*1000)
}

// share is n of d parts of an amount, rounded up.
func share(amount, n, d int64) int64 {
	whole, rest := amount/d, amount%d // so that no product overflows
	return whole*n + (rest*n+d-1)/d
}
