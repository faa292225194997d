package meter_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
)

// TestPriceList: prices of MiniMax's list, and those between and beyond its
// lines.
func TestPriceList(t *testing.T) {
	p, err := meter.NewPrices(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		model, resolution string
		seconds           float64
		want              string
	}{
		{"MiniMax-Hailuo-2.3", "768P", 6, "0.28"},
		{"MiniMax-Hailuo-2.3", "768P", 10, "0.56"},
		{"MiniMax-Hailuo-2.3", "1080P", 6, "0.49"},
		{"MiniMax-Hailuo-2.3-Fast", "768P", 6, "0.19"},
		{"MiniMax-Hailuo-2.3-Fast", "768P", 10, "0.32"},
		{"MiniMax-Hailuo-2.3-Fast", "1080P", 6, "0.33"},
		{"MiniMax-Hailuo-02", "512P", 6, "0.10"},
		{"MiniMax-Hailuo-02", "512P", 10, "0.15"},
		{"MiniMax-Hailuo-02", "768P", 6, "0.28"},
		{"MiniMax-Hailuo-02", "1080P", 6, "0.49"},
		{"MiniMax-H3", "768P", 5, "0.40"},
		{"MiniMax-H3", "2K", 15, "1.95"},
		{"MiniMax-H3-Max", "480P", 4, "0.20"},
		{"T2V-01", "720P", 6, "0.30"}, // a model without a price of its own
		{"sora-2", "", 4, "0.20"},
		{"reel", "", 0.5, "0.025"},

		{"MiniMax-Hailuo-2.3", "768P", 1, "0.28"},      // shorter than the shortest
		{"MiniMax-Hailuo-2.3", "768P", 6.001, "0.56"},  // between two lengths
		{"MiniMax-Hailuo-2.3", "768P", 20, "1.12"},     // beyond the longest, in proportion
		{"MiniMax-Hailuo-2.3", "720P", 6, "0.28"},      // the next larger resolution
		{"MiniMax-Hailuo-2.3", "", 6, "0.28"},          // the model's own size
		{"MiniMax-Hailuo-2.3", "4K", 6, "0.49"},        // beyond the largest
		{"MiniMax-H3", "768p", 1.0001, "0.08008"},      // rounded up to a millisecond
		{"MiniMax-H3", "nonsense", 1, "0.08"},          // not a height
		{"MiniMax-H3", "any", 1, "0.08"},               // not a height either
		{"MiniMax-Hailuo-02", "100000P", 6, "0.10"},    // not a height either
		{"minimax-hailuo-02", "512P", 6, "0.30"},       // names are exact
		{"default", "512P", 6, "0.30"},                 // this one too
		{"MiniMax-Hailuo-02", "1080P", 3600, "294.00"}, // an hour
	} {
		got, err := p.Quote(job.Spec{Kind: job.Video, Model: tt.model, Resolution: tt.resolution, Seconds: tt.seconds})
		if err != nil || meter.Dollars(got).String() != tt.want {
			t.Errorf("%s %s %v s: $%v, %v, want $%s", tt.model, tt.resolution, tt.seconds, meter.Dollars(got), err, tt.want)
		}
	}
	if got, _ := p.Quote(job.Spec{Kind: job.Video, Model: "MiniMax-H3", Width: 1440, Height: 2560, Seconds: 1}); got != 130_000 {
		t.Errorf("a tall size costs %d", got)
	}
	if got, err := p.Quote(job.Spec{Kind: job.Image, Model: "image-01", Count: 3}); err != nil || got != 10_500 {
		t.Errorf("three images: %d, %v", got, err)
	}
	if got, err := p.Quote(job.Spec{Kind: job.Expansion, Model: "MiniMax-H3"}); err != nil || got != 0 {
		t.Errorf("an expanded prompt: %d, %v", got, err)
	}
	if got, err := p.QuoteSpeech("speech-02-hd", 1001); err != nil || got != 60_060 {
		t.Errorf("speech: %d, %v", got, err)
	}
}

func TestQuoteRefuses(t *testing.T) {
	p, _ := meter.NewPrices(nil)
	for _, s := range []job.Spec{
		{Kind: job.Video, Seconds: 0},
		{Kind: job.Video, Seconds: -1},
		{Kind: job.Video, Seconds: math.NaN()},
		{Kind: job.Video, Seconds: math.Inf(1)},
		{Kind: job.Image, Count: 0},
		{Kind: job.Image, Count: 1 << 40},
		{Kind: "opera"},
	} {
		if got, err := p.Quote(s); err == nil {
			t.Errorf("%+v: %d", s, got)
		}
	}
	if _, err := p.QuoteSpeech("x", -1); err == nil {
		t.Error("speech of -1 characters has a price")
	}
}

// TestQuoteGrows: a longer video never costs less, nor does a larger one of the
// built-in list, and everything costs something.
func TestQuoteGrows(t *testing.T) {
	p, _ := meter.NewPrices(nil)
	rapid.Check(t, func(t *rapid.T) {
		s := job.Spec{
			Kind: job.Video, Model: rapid.SampledFrom([]string{"MiniMax-Hailuo-2.3", "MiniMax-Hailuo-02", "MiniMax-H3", "reel"}).Draw(t, "model"),
			Resolution: rapid.SampledFrom([]string{"", "512P", "768P", "1080P", "2K"}).Draw(t, "resolution"),
			Seconds:    rapid.Float64Range(0.01, 60).Draw(t, "seconds"),
		}
		short, err := p.Quote(s)
		s.Seconds += rapid.Float64Range(0, 60).Draw(t, "more")
		long, err2 := p.Quote(s)
		if err != nil || err2 != nil || short <= 0 || long < short {
			t.Fatalf("%+v: %d, then %d (%v, %v)", s, short, long, err, err2)
		}
	})
}

// TestPricesFromYAML: quotes follow the configuration.
func TestPricesFromYAML(t *testing.T) {
	const text = `
plan: club
prices:
  MiniMax-Hailuo-2.3:
    clips:
      768P: {6: 0.10, 10: 0.2}
      any: {6: 1}
  MiniMax-H3: {seconds: {768P: 0.0835}}
  image-01: {image: 0.02}
  speech-02-hd: {characters: 100}
  default: {seconds: {any: 0.01}}
plans:
  club: {credits: 2.50, sponsored: true, max_in_flight: 2}
  firm: {postpaid: true, limit: 500, weight: 8}
`
	var c meter.Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	m, err := meter.New(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		spec job.Spec
		want int64
	}{
		{job.Spec{Kind: job.Video, Model: "MiniMax-Hailuo-2.3", Resolution: "768P", Seconds: 6}, 100_000},
		{job.Spec{Kind: job.Video, Model: "MiniMax-Hailuo-2.3", Resolution: "768P", Seconds: 10}, 200_000},
		{job.Spec{Kind: job.Video, Model: "MiniMax-Hailuo-2.3", Resolution: "1080P", Seconds: 6}, 1_000_000},
		{job.Spec{Kind: job.Video, Model: "MiniMax-H3", Resolution: "2K", Seconds: 2}, 167_000},
		{job.Spec{Kind: job.Video, Model: "reel", Seconds: 3}, 30_000},
		{job.Spec{Kind: job.Video, Model: "MiniMax-Hailuo-02", Resolution: "512P", Seconds: 6}, 100_000}, // as built in
		{job.Spec{Kind: job.Image, Model: "image-01", Count: 2}, 40_000},
		{job.Spec{Kind: job.Image, Model: "reel", Count: 2}, 7_000},
	} {
		if got, err := m.Quote(tt.spec); err != nil || got != tt.want {
			t.Errorf("%+v: %d, %v, want %d", tt.spec, got, err, tt.want)
		}
	}
	if got, _ := m.QuoteSpeech("speech-02-hd", 1000); got != 100_000 {
		t.Errorf("speech: %d", got)
	}
	p, err := m.NewProject("x", "")
	if err != nil || p.Plan != "club" || p.MaxInFlight != 2 || !p.Sponsored || p.Weight != 1 || p.Postpaid {
		t.Errorf("a project of the club: %+v, %v", p, err)
	}
	if p, err := m.NewProject("x", "firm"); err != nil || !p.Postpaid || p.CreditLimit != 500_000_000 || p.Weight != 8 {
		t.Errorf("a firm: %+v, %v", p, err)
	}
	if _, err := m.NewProject("x", "none"); job.CodeOf(err) != job.Invalid || !strings.Contains(err.Error(), "club, firm, free, payg, subscription, unlimited") {
		t.Errorf("no such plan: %v", err)
	}
}

// TestConfigInDocs: the configurations that docs/keys-and-billing.md shows are
// accepted.
func TestConfigInDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "keys-and-billing.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 3 {
		t.Fatalf("the page shows %d configurations, want 3", len(blocks))
	}
	for _, b := range blocks {
		var c struct {
			Billing  meter.Config    `yaml:"billing"`
			Sponsors []meter.Sponsor `yaml:"sponsors"`
		}
		if err := yaml.UnmarshalWithOptions(b[1], &c, yaml.Strict()); err != nil {
			t.Errorf("%s\n%v", b[1], err)
		}
		if _, err := meter.New(nil, c.Billing); err != nil {
			t.Errorf("%s\n%v", b[1], err)
		}
		if err := meter.CheckSponsors(c.Sponsors); err != nil {
			t.Errorf("%s\n%v", b[1], err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for text, want := range map[string]string{
		`plan: gold`:                           "no plan",
		`prices: {m: {seconds: {HD: 1}}}`:      "no resolution",
		`prices: {m: {seconds: {768P: -1}}}`:   "out of range",
		`prices: {m: {clips: {768P: {}}}}`:     "no price",
		`prices: {m: {clips: {768P: {0: 1}}}}`: "0 seconds",
		`prices: {m: {image: 9000000}}`:        "out of range",
		`prices: {m: {seconds: {768P: 1e-3}}}`: "no amount",
		`prices: {m: {second: {768P: 1}}}`:     "unknown field",
		`plans: {Gold: {}}`:                    "lower-case",
		`plans: {gold: {weight: 2000}}`:        "weight",
		`plans: {gold: {limit: 5}}`:            "postpaid",
		`plans: {gold: {credits: -5}}`:         "at least 0",
	} {
		var c meter.Config
		err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict())
		if err == nil {
			_, err = meter.New(nil, c)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestCheckSponsors(t *testing.T) {
	good := meter.Sponsor{ID: "acme", Line: "Brought to you by Acme", Link: "https://acme.example/"}
	if err := meter.CheckSponsors([]meter.Sponsor{good}); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*meter.Sponsor){
		"no id": func(s *meter.Sponsor) { s.ID = "" }, "id": func(s *meter.Sponsor) { s.ID = "a b" },
		"no line": func(s *meter.Sponsor) { s.Line = "" }, "two lines": func(s *meter.Sponsor) { s.Line = "a\nb" },
		"long": func(s *meter.Sponsor) { s.Line = strings.Repeat("é", 201) }, "script": func(s *meter.Sponsor) { s.Link = "javascript:alert(1)" },
		"no host": func(s *meter.Sponsor) { s.Image = "https:///x.png" },
	} {
		s := good
		change(&s)
		if err := meter.CheckSponsors([]meter.Sponsor{s}); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if err := meter.CheckSponsors([]meter.Sponsor{good, good}); err == nil {
		t.Error("twice: taken")
	}
}

func TestSponsorOf(t *testing.T) {
	all := []meter.Sponsor{{ID: "a"}, {ID: "b"}}
	seen := map[string]int{}
	for id := job.MinID; id < job.MinID+10; id++ {
		j := job.Job{ID: id, Sponsor: true}
		s, ok := meter.SponsorOf(all, &j)
		again, _ := meter.SponsorOf(all, &j)
		if !ok || s != again {
			t.Errorf("job %v: %v, then %v", id, s, again)
		}
		seen[s.ID]++
		j.Sponsor = false
		if _, ok := meter.SponsorOf(all, &j); ok {
			t.Error("a job that is not sponsored has a sponsor")
		}
	}
	if seen["a"] != 5 || seen["b"] != 5 {
		t.Errorf("turns: %v", seen)
	}
	if _, ok := meter.SponsorOf(nil, &job.Job{ID: job.MinID, Sponsor: true}); ok {
		t.Error("a sponsor of none")
	}
}
