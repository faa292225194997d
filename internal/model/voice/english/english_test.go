package english

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/simd"
)

func opened(t testing.TB) *Reader {
	t.Helper()
	r, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readAll(r *Reader, text string) []string {
	var out []string
	for s := range r.Read(text) {
		out = append(out, s.Phonemes)
	}
	return out
}

// TestGolden reads 200 varied texts as hibari-tts 0.2.1 did, on every instruction
// set: tools/reference/voice_text.py made the file.
func TestGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/phonemes.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Text     string
		Phonemes []string
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 200 {
		t.Fatalf("the golden has %d texts", len(list))
	}
	for _, level := range simd.Levels() {
		t.Run(level.String(), func(t *testing.T) {
			restore, ok := simd.Use(level)
			if !ok {
				t.Fatal("the level is not there")
			}
			defer restore()
			r, err := open() // its weights lie as this level wants them
			if err != nil {
				t.Fatal(err)
			}
			equal := 0
			for _, one := range list {
				if got := readAll(r, one.Text); slices.Equal(got, one.Phonemes) {
					equal++
				} else {
					t.Logf("%s\nwant %q\n got %q", one.Text, one.Phonemes, got)
				}
			}
			t.Logf("%d of %d texts equal", equal, len(list))
			if equal < 198 {
				t.Errorf("%d of %d texts have the package's phonemes", equal, len(list))
			}
		})
	}
}

func TestSentences(t *testing.T) {
	r := opened(t)
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \n\t \n", nil},
		{"One. Two! Three? Four… Five", []string{"One.", "Two!", "Three?", "Four…", "Five"}},
		{"Dr. Smith and J. K. Rowling met. then they left", []string{"Dr. Smith and J. K. Rowling met. then they left"}},
		{"“Go!” He went. (Far.) Home", []string{"“Go!", "He went.", "(Far.", "Home"}},
		{"First line\n\nSecond line\nthird", []string{"First line", "Second line", "third"}},
		{"3.5 is a number. 4 too.", []string{"3.5 is a number.", "4 too."}},
	} {
		if got := slices.Collect(r.words.sentences(tt.text)); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, must be %q", tt.text, got, tt.want)
		}
	}
}

// TestLong cuts what is too long where it hurts least, and loses no word.
func TestLong(t *testing.T) {
	r := opened(t)
	for name, text := range map[string]string{
		"clauses":  strings.Repeat("a word and another, ", 100),
		"no marks": strings.Repeat("word ", 700),
		"one word": strings.Repeat("xyz", 2000),
		"marks":    strings.Repeat("(", 3000),
	} {
		list := readAll(r, text)
		for _, ps := range list {
			if n := utf8.RuneCountInString(ps); n == 0 || n > MaxPhonemes {
				t.Errorf("%s: a part of %d phonemes", name, n)
			}
			if n := utf8.RuneCountInString(ps); name == "clauses" && n > MaxClauses {
				t.Errorf("%s: a part of %d phonemes could have been cut at a comma", name, n)
			}
		}
		if got := strings.Count(strings.Join(list, " "), "wˈɜɹd"); name == "no marks" && got != 700 {
			t.Errorf("%s: %d of 700 words are left", name, got)
		}
	}
	if got := readAll(r, strings.Repeat("(", 3000)); len(got) != 5 {
		t.Errorf("3000 brackets are read in %d parts", len(got))
	}
}

// TestTogether has several goroutines read at once.
func TestTogether(t *testing.T) {
	r := opened(t)
	texts := []string{"The snorglewump zimbled at 9:30pm.", "Florbinated $5 wugs, I read."}
	want := [][]string{readAll(r, texts[0]), readAll(r, texts[1])}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				if got := readAll(r, texts[i%2]); !slices.Equal(got, want[i%2]) {
					t.Errorf("%q, alone it was %q", got, want[i%2])
				}
			}
		})
	}
	wg.Wait()
}

// FuzzRead: no text makes the reader panic, and none makes it say more than its
// length allows.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"Hello, world.", "12/25/1987 at 9:30 p.m., $3.2b (5km, -20°C)", "[a](/b/) [c](d) [](/x/) [[x]](/y/", "'''’’--__..,,",
		"\x00\xff\xfe", "ABCdefGHI'x'Y 2", "$1,2,3.4.5th £.5s -'s #1+1=2", "İIıßﬁ½²³①٣४५ Ⅷ 京", "No.5 Nos. 7 Rs.5 USD", "a\u0301\u0301\u200d b\u2028c\u0085d",
		"Chapter CMXCIX. Henry IIII", "1st2nd3rd 00:00:00 99:99 1-2-3 555-555-5555", "…… ... U.S.A. a.b.c. 1.1.1.1", "99999999999999999999999999999999999999999999999th",
	} {
		f.Add(s)
	}
	r := opened(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		total := 0
		for s := range r.Read(text) {
			n := utf8.RuneCountInString(s.Phonemes)
			if n == 0 || n > MaxPhonemes || !utf8.ValidString(s.Phonemes) {
				t.Errorf("%q: a part of %d phonemes, %q", text, n, s.Phonemes)
			}
			total += n
		}
		if most := 100 + 40*utf8.RuneCountInString(text); total > most {
			t.Errorf("%q: %d phonemes, more than %d", text, total, most)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	r := opened(b)
	for b.Loop() {
		readAll(r, "On the 3rd of March 2024, 1,250 people paid $9.99 each to hear it read at 7:30 pm.")
	}
}
