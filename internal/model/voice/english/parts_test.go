package english

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/backend"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
)

func TestNumbers(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{cardinal("0"), "zero"},
		{cardinal("007"), "seven"},
		{cardinal("19"), "nineteen"},
		{cardinal("80"), "eighty"},
		{cardinal("1001"), "one thousand and one"},
		{cardinal("1100"), "one thousand, one hundred"},
		{cardinal("1234567"), "one million, two hundred and thirty-four thousand, five hundred and sixty-seven"},
		{cardinal("1" + strings.Repeat("0", 33)), "one decillion"},
		{cardinal("1" + strings.Repeat("0", 36)), "one" + strings.Repeat(" zero", 36)},
		{ordinal("1"), "first"},
		{ordinal("20"), "twentieth"},
		{ordinal("112"), "one hundred and twelfth"},
		{ordinal("1000"), "one thousandth"},
		{year("1905"), "nineteen oh-five"},
		{year("1900"), "nineteen hundred"},
		{year("2000"), "two thousand"},
		{year("2005"), "two thousand and five"},
		{year("2024"), "twenty twenty-four"},
		{year("0050"), "fifty"},
		{decimal("3.140"), "three point one four"},
		{decimal("12.0"), "twelve"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, must be %q", tt.got, tt.want)
		}
	}
}

func TestNormalize(t *testing.T) {
	w := opened(t).words
	for _, tt := range []struct{ text, want string }{
		{"at 9:30am.", "at nine thirty A.M."},
		{"9:00 and 9:05:01", "nine o'clock and nine oh five and one second"},
		{"25:00 or 9:60", "25:00 or 9:60"},
		{"1:23:456", "one twenty-three:456"},
		{"2019-10-12", "October twelfth, 2019"},
		{"31/12/99, 1/1/30", "December thirty-first, 1999, January first, 2030"},
		{"on Jan. 5th, 2020", "on January fifth, 2020"},
		{"May 32 and May 5:30", "May 32 and May five thirty"},
		{"5 May. The 5 of June", "the fifth of May The the fifth of June"},
		{"5km 1 km -2kg 1,000 mph", "5 kilometers 1 kilometer -2 kilograms 1,000 miles per hour"},
		{"20°C 1° 3 °Fx", "20 degrees Celsius 1 degree 3 degrees Fx"},
		{"$3.2 billion £5k $5", "3.2 billion dollars 5 thousand pounds $5"},
		{"¥1 Rs. 5 USD 3m", "1 yen 5 rupees 3 million dollars"},
		{"99¢", "99 cents"},
		{"Dr. No on St. Paul St.", "Dr No on Saint Paul Street."},
		{"w/o a No. 5", "without a Number 5"},
		{"Chapter IV, Henry VIII, Part A", "Chapter 4, Henry the eighth, Part A"},
		{"Chapter IVX Chapter IC", "Chapter IVX Chapter IC"},
		{"800-555-0199", "8 0 0, 5 5 5, 0 1 9 9"},
		{"3/4 1/2 3/14 13/40", "3 quarters one half March fourteenth 13 slash 40"},
		{"2-3 2 – 3 2-3-4", "2 to 3 2 to 3 2-3-4"},
		{"#1 +5 a&#1", "number 1 plus 5 a& hashtag 1"},
		{"a = b =c x<y <z <", "a equals b equals c x less than y less than z <"},
		{"5 ± 1 • ©", "5 plus or minus 1 copyright"},
	} {
		if got := w.normalize(tt.text); got != tt.want {
			t.Errorf("%q: %q, must be %q", tt.text, got, tt.want)
		}
	}
}

func TestTokens(t *testing.T) {
	w := opened(t).words
	for _, tt := range []struct{ text, want string }{
		{"don't stop.", "do|n't|stop|."},
		{`("Hello,")`, `(|"|Hello|,|"|)`},
		{"U.S. a.m. 5.", "U.S.|a.m.|5|."},
		{"well-known and/or he/she 5-6", "well|-|known|and/or|he|/|she|5|-|6"},
		{"$5 5% 10km", "$|5|5|%|10|km"},
		{"foo@bar.com www.x.org/y z.com", "foo@bar.com|www.x.org/y|z.com"},
		{"one...two …", "one|...|two|…"},
		{"Sept. dogs' dog's", "Sept.|dogs|'|dog|'s"},
	} {
		var got []string
		for _, k := range w.tokens(tt.text) {
			got = append(got, k.text)
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%q: %s, must be %s", tt.text, s, tt.want)
		}
	}
}

func TestParts(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"McDonald", "Mc|Donald"},
		{"XMLHttpRequest", "XMLHttp|Request"},
		{"BCdef", "B|Cdef"},
		{"B2B", "B|2|B"},
		{"-1,234.5x", "-1,234.5|x"},
		{"''tis", "''|tis"},
		{"rock'n'roll", "rock'n'r|oll"},
		{"a_b--c", "a|_|b|--|c"},
		{"don'tStop", "don't|Stop"},
		{"", ""},
	} {
		if got := strings.Join(parts(tt.text), "|"); got != tt.want {
			t.Errorf("%q: %s, must be %s", tt.text, got, tt.want)
		}
	}
}

// TestTags: words that are spoken by their part of speech.
func TestTags(t *testing.T) {
	r := opened(t)
	for _, tt := range []struct{ text, want string }{
		{"I read it yesterday.", "ɹˈɛd"},
		{"I will read it.", "ɹˈid"},
		{"a close friend", "klˈOs"},
		{"close the door", "klˈOz"},
		{"a new record", "ɹˈɛkəɹd"},
		{"to record it", "ɹəkˈɔɹd"},
	} {
		if got := r.Phonemes(tt.text); !strings.Contains(got, tt.want) {
			t.Errorf("%q: %s, must contain %s", tt.text, got, tt.want)
		}
	}
}

func TestLinks(t *testing.T) {
	r := opened(t)
	for _, tt := range []struct{ text, want string }{
		{"Say [Kinora](/kɪnˈɔɹə/) now.", "sˈA kɪnˈɔɹə nˈW."},
		{"[one](two) [three](/", "wˈʌn θɹˈi slˈæʃ"},
		{"[](/x/) hi", ")(ˈɛks) hˈI"},
	} {
		if got := r.Phonemes(tt.text); got != tt.want {
			t.Errorf("%q: %q, must be %q", tt.text, got, tt.want)
		}
	}
}

// TestData unpacks all that the program carries.
func TestData(t *testing.T) {
	r := opened(t)
	for name, d := range map[string]*dictionary{"gold": r.lexicon.gold, "silver": r.lexicon.silver, "features": r.tagger.features, "tags": r.tagger.words} {
		if err := d.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v, ok := r.lexicon.gold.get("zebra"); !ok || v != "zˈibɹə" {
		t.Errorf("zebra is %q", v)
	}
	if _, ok := r.lexicon.gold.get("zebrax"); ok {
		t.Error("zebrax is there")
	}
}

// TestDamagedDictionary: whatever is cut or changed is seen, or harmless.
func TestDamagedDictionary(t *testing.T) {
	for n := range 200 {
		if _, err := openDictionary(tagsFile[:n]); !errors.Is(err, errDictionary) {
			t.Fatalf("%d bytes of a dictionary: %v", n, err)
		}
	}
	if _, err := openDictionary(append(slices.Clone(tagsFile), 0)); !errors.Is(err, errDictionary) {
		t.Errorf("a byte too many: %v", err)
	}
	damaged := slices.Clone(tagsFile)
	for i := len(damaged) - 40; i < len(damaged); i++ {
		damaged[i] ^= 0x55
	}
	d, err := openDictionary(damaged)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.check(); !errors.Is(err, errDictionary) {
		t.Errorf("a damaged block: %v", err)
	}
	last := d.blocks[len(d.blocks)-1].first
	if v, ok := d.get(last); ok {
		t.Errorf("a damaged block gives %q", v)
	}
}

// TestSpellerHidden runs the network on a backend that hides its memory.
func TestSpellerHidden(t *testing.T) {
	s, err := openSpeller()
	if err != nil {
		t.Fatal(err)
	}
	ids := []int32{27, 28, 29, 30, 31}
	want := func(b tensor.Backend) []float32 {
		return tensor.Values(b, s.forward(b, ids))
	}
	if a, b := want(backend.Exact()), want(tensortest.NewOpaque(backend.Exact())); !slices.Equal(a, b) {
		t.Error("the two backends differ")
	}
}
