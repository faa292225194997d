package voice

import "testing"

// long is a sentence of six seconds.
const long = "ˌɔn ðə θˈɜɹd ʌv mˈɑɹʧ, wˈʌn θˈWzᵊnd pˈipᵊl pˈAd nˈIn dˈɑləɹz ˈiʧ tə hˈɪɹ ɪt ɹˈɛd æt hˈæf pˈæst sˈɛvən."

// BenchmarkSpeak is a sentence with all that it takes; tools/bench/voice.py compares
// it with the package.
func BenchmarkSpeak(b *testing.B) {
	v, seconds := opened(b), 0.0
	for b.Loop() {
		x, err := v.Speak(b.Context(), long, Settings{})
		if err != nil {
			b.Fatal(err)
		}
		seconds += float64(len(x)) / SampleRate
	}
	b.ReportMetric(seconds/b.Elapsed().Seconds(), "×realtime")
}

// BenchmarkFirst is a short sentence of a voice that is opened for it.
func BenchmarkFirst(b *testing.B) {
	for b.Loop() {
		v, err := Parse(heart)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.Speak(b.Context(), hello, Settings{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSynthesis is the signal processing of a second.
func BenchmarkSynthesis(b *testing.B) {
	f0 := make([]float32, 80)
	for i := range f0 {
		f0[i] = 200
	}
	given := make([]float32, piece*parts*bins)
	for b.Loop() {
		s := newSynthesis(f0, 1, 0)
		s.add(given, given, 0, piece)
		s.add(given, given, piece, 80)
		if _, err := s.sound(); err != nil {
			b.Fatal(err)
		}
	}
}
