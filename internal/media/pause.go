package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits on the pauses in a text.
const (
	MinPause = 10 * time.Millisecond
	MaxPause = 99*time.Second + 990*time.Millisecond
	// MaxPauses bounds their number: each begins a phrase, for which espeak-ng is
	// started again.
	MaxPauses = 200
	// MaxPauseTime bounds how long they last in all.
	MaxPauseTime = 10 * time.Minute
)

// phrase is a part of a text between two pauses.
type phrase struct {
	text  string        // "" if the text begins with a pause
	pause time.Duration // silence after it
}

// pauseMark is a pause in a text as MiniMax's speech API writes it: <#0.5#>,
// in seconds.
var pauseMark = regexp.MustCompile(`<#([0-9]+(?:\.[0-9]*)?)#>`)

// phrases cuts a text at its pauses. Consecutive pauses become one.
func phrases(text string) ([]phrase, error) {
	marks := pauseMark.FindAllStringSubmatchIndex(text, MaxPauses+1)
	if len(marks) > MaxPauses {
		return nil, &BadSpeech{"text", fmt.Sprintf("it has more than %d pauses", MaxPauses), "speak it in parts"}
	}
	var list []phrase
	var all time.Duration
	from := 0
	for _, m := range marks {
		seconds, err := strconv.ParseFloat(text[m[2]:m[3]], 64)
		if err != nil || seconds < MinPause.Seconds() || seconds > MaxPause.Seconds() {
			return nil, &BadSpeech{
				"text", fmt.Sprintf("it has a pause of %.20s seconds", text[m[2]:m[3]]),
				fmt.Sprintf("%v to %v", MinPause.Seconds(), MaxPause.Seconds()),
			}
		}
		pause := time.Duration(seconds * float64(time.Second))
		if all += pause; all > MaxPauseTime {
			return nil, &BadSpeech{"text", fmt.Sprintf("its pauses last longer than %v", MaxPauseTime), "speak it in parts"}
		}
		said := text[from:m[0]]
		from = m[1]
		if blank(said) && len(list) > 0 {
			list[len(list)-1].pause += pause
			continue
		}
		if blank(said) {
			said = ""
		}
		list = append(list, phrase{text: said, pause: pause})
	}
	if said := text[from:]; !blank(said) {
		list = append(list, phrase{text: said})
	}
	if len(list) == 0 || len(list) == 1 && list[0].text == "" {
		return nil, &BadSpeech{"text", "it is empty", "say what should be spoken"}
	}
	return list, nil
}

func blank(text string) bool { return strings.TrimSpace(speakable(text)) == "" }

// speakPhrases has espeak-ng speak all phrases into a temporary WAV file, whose
// samples go to the end of the file.
func speakPhrases(ctx context.Context, voice string, d delivery, list []phrase) (*target, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, speechTime, fmt.Errorf("it took longer than %v", speechTime))
	defer cancel()
	if len(list) == 1 && list[0].pause == 0 {
		return speakRaw(ctx, voice, d, list[0].text)
	}
	t, err := newTemporary()
	if err != nil {
		return nil, err
	}
	s := &sequence{to: t.temp.File, faster: d.faster}
	for _, p := range list {
		if err = s.speak(ctx, voice, d, p); err != nil {
			t.discard()
			return nil, err
		}
	}
	return t, nil
}

// sequence writes a WAV of spoken phrases and the silence between them.
type sequence struct {
	to      *os.File
	faster  float64 // how many times as fast it will be played
	rate    int     // 0 before the first phrase
	size    int64
	waiting time.Duration // silence that is not written yet
}

func (s *sequence) speak(ctx context.Context, voice string, d delivery, p phrase) error {
	if p.text != "" {
		raw, err := speakRaw(ctx, voice, d, p.text)
		if err != nil {
			return err
		}
		defer raw.discard()
		if err := s.add(raw.temp.File, p); err != nil {
			return err
		}
	}
	if s.waiting += p.pause; s.rate == 0 {
		return nil // the rate, and so the number of samples, is not known yet
	}
	return s.silence()
}

// silence writes the waiting silence: a hole in the file, on systems that have
// holes.
func (s *sequence) silence() error {
	n := int64(math.Round(s.waiting.Seconds() * float64(s.rate) * s.faster))
	s.waiting = 0
	if err := s.room(2 * n); err != nil {
		return err
	}
	s.size += 2 * n
	if err := s.to.Truncate(s.size); err != nil {
		return fmt.Errorf("media: writing speech: %w", err)
	}
	return nil
}

func (s *sequence) room(n int64) error {
	if s.size+n > speechBytes {
		return errors.New("media: speaking: it is too long")
	}
	return nil
}

// add appends the samples of a WAV that espeak-ng wrote. Next to a pause it cuts the
// silence at their end, because the pause states the whole length of the silence.
func (s *sequence) add(from *os.File, p phrase) error {
	info, err := from.Stat()
	if err != nil {
		return fmt.Errorf("media: reading the speech: %w", err)
	}
	rate, start, err := wavHeader(io.NewSectionReader(from, 0, info.Size()))
	if err != nil {
		return err
	}
	if s.rate == 0 {
		s.rate = rate
		head := newWAVHeader(rate, 1, 0)
		if _, err := s.to.WriteAt(head, 0); err != nil {
			return fmt.Errorf("media: writing speech: %w", err)
		}
		s.size = int64(len(head))
		if err := s.silence(); err != nil {
			return err
		}
	}
	if rate != s.rate {
		return errNoWAV
	}
	first, end := start, start+(info.Size()-start)&^1
	if s.size > wavHeaderSize { // after a pause
		if first, err = loud(from, first, end, false); err != nil {
			return err
		}
	}
	if p.pause > 0 {
		if end, err = loud(from, first, end, true); err != nil {
			return err
		}
	}
	if err := s.room(end - first); err != nil {
		return err
	}
	if _, err := io.Copy(io.NewOffsetWriter(s.to, s.size), io.NewSectionReader(from, first, end-first)); err != nil {
		return fmt.Errorf("media: writing speech: %w", err)
	}
	s.size += end - first
	return nil
}

// loud returns where in a file of samples the first audible one begins or, from the
// end, where the last audible one ends.
func loud(file *os.File, first, end int64, fromEnd bool) (int64, error) {
	const unheard = 4 // of 32767
	b := make([]byte, 1<<14)
	for first < end {
		n := min(end-first, int64(len(b)))
		at := first
		if fromEnd {
			at = end - n
		}
		if _, err := file.ReadAt(b[:n], at); err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("media: reading the speech: %w", err)
		}
		for i := int64(0); i < n; i += 2 {
			j := i
			if fromEnd {
				j = n - 2 - i
			}
			if v := int16(binary.LittleEndian.Uint16(b[j:])); v > unheard || v < -unheard {
				if fromEnd {
					return at + j + 2, nil
				}
				return at + j, nil
			}
		}
		if fromEnd {
			end -= n
		} else {
			first += n
		}
	}
	return first, nil
}
