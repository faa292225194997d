package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/soundtrack"
	"github.com/kinora-video/kinora/internal/text"
)

// Limits of what is heard in a video.
const (
	MaxNarration  = 2000     // characters
	MaxTrackBytes = 50 << 20 // of a sound file that is not uploaded; an upload has its own limit
	// tracksAtOnce are decoded at the same time; others wait.
	tracksAtOnce = 2
)

// SoundRequest asks for what is heard in a video.
type SoundRequest struct {
	Narration *NarrationRequest
	Track     *TrackRequest
	OwnSound  string // "mix", "off", or "" for the usual
	// Seconds says that the request names the length of the video, so that a
	// narration is fitted to it.
	Seconds   bool
	RequestID string // for the log of a speech upstream
}

// NarrationRequest asks for a narration.
type NarrationRequest struct {
	Text                 string // "" is the prompt
	Voice, Language, Fit string
}

// TrackRequest asks for a track.
type TrackRequest struct {
	Param  string  // the field that names the file
	Ref    string  // a URL, or file: and the id of a file
	Start  float64 // seconds
	Volume float64 // 0 is 1
}

// Sounds speaks the narration and keeps the track that a request asks for, and
// writes both into a complete spec, whose length a narration may change. Who submits
// the spec pays for the speech; if it is not submitted, DropInputs takes back what
// was kept.
func (s *Service) Sounds(ctx context.Context, who auth.Principal, sp *job.Spec, r SoundRequest) error {
	sp.OwnSound = r.OwnSound
	if r.Narration == nil && r.Track == nil {
		return nil
	}
	can, ok := s.Engines[sp.Engine]
	if !ok {
		return job.Errorf(job.Internal, "", "the model %s has no engine here", sp.Model)
	}
	if err := checkModel(sp, can); err != nil { // before anything is spoken
		return err
	}
	if err := media.CanWriteSound(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &job.Error{Code: job.Unavailable, Message: "this server cannot write videos with sound now: " + media.Plain(err).Error(), RetryAfter: time.Minute, Err: err}
	}
	if err := s.CheckRoom(); err != nil {
		return err
	}
	if n := r.Narration; n != nil {
		if err := s.narrate(ctx, who, sp, can, r); err != nil {
			return err
		}
	}
	if t := r.Track; t != nil {
		if err := s.track(ctx, who, sp, t); err != nil {
			s.DropInputs(ctx, sp)
			return err
		}
	}
	return nil
}

// DropInputs deletes what was kept for a spec that no job has.
func (s *Service) DropInputs(ctx context.Context, sp *job.Spec) {
	for _, key := range sp.Inputs() {
		s.dropUnknown(ctx, key)
	}
}

// narrate speaks the narration of a spec.
func (s *Service) narrate(ctx context.Context, who auth.Principal, sp *job.Spec, can kinora.Capabilities, r SoundRequest) error {
	n := r.Narration
	words := wordsOf(n.Text, sp.Prompt)
	count := utf8.RuneCountInString(words)
	if strings.TrimSpace(words) == "" || count > MaxNarration || !utf8.ValidString(words) {
		return job.Errorf(job.Invalid, "narration.text", "narration.text: there are %d characters to speak: 1 to %d", count, MaxNarration)
	}
	if err := s.moderate(ctx, who, words); err != nil {
		return err
	}
	if err := s.speeches.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.speeches.Release(1)
	length := soundtrack.Length{Usual: sp.Seconds, Least: can.Lengths.Min, Most: min(can.Lengths.Max, float64(s.Seconds))}
	if r.Seconds {
		length.Asked = sp.Seconds
	}
	made, err := soundtrack.Narrate(ctx, s.speaker(n, r.RequestID, words), soundtrack.Words{Text: words, Fit: soundtrack.Fit(n.Fit)}, length)
	if err != nil {
		return notNarrated(n, err)
	}
	key, err := s.keepSound(ctx, 1, made.PCM)
	if err != nil {
		return err
	}
	sp.Seconds = made.VideoSeconds
	sp.Notes = append(sp.Notes, made.Notes()...)
	sp.Narration = &job.Narration{
		Text: text.Unmarked(n.Text), Voice: n.Voice, Language: n.Language, Fit: n.Fit,
		Key: key, SpokenBy: made.Voice, Seconds: made.Piece().Seconds(), Characters: count,
	}
	return nil
}

// wordsOf is what a narration says: its text, or the prompt.
func wordsOf(words, prompt string) string {
	if words = text.Unmarked(words); words != "" {
		return words
	}
	return kinora.SpokenPrompt(text.Unmarked(prompt))
}

// Spoken is how many characters a narration is charged for.
func Spoken(words, prompt string) int { return utf8.RuneCountInString(wordsOf(words, prompt)) }

// speaker speaks as Speak does: by the upstream, or here.
func (s *Service) speaker(n *NarrationRequest, requestID, words string) soundtrack.Speak {
	if s.Speech == nil {
		return func(ctx context.Context, w io.Writer, o media.SpeechOptions) (media.SpeechInfo, error) {
			var err error
			if o.Voice, o.Language, _, err = localVoice(SpeechRequest{Voice: n.Voice, Language: n.Language, Text: words}); err != nil {
				return media.SpeechInfo{}, err
			}
			return kinora.Speak(ctx, w, o)
		}
	}
	return func(ctx context.Context, w io.Writer, o media.SpeechOptions) (media.SpeechInfo, error) {
		said, err := s.speakUpstream(ctx, SpeechRequest{
			Model: upstreamSpeech, Text: o.Text, Voice: n.Voice, Speed: o.Speed, Volume: 1, Language: n.Language,
			Format: "mp3", SampleRate: 32000, BitRate: 128000, Channels: 1, RequestID: requestID,
		})
		if err != nil {
			return media.SpeechInfo{}, err
		}
		pcm, err := decoded(ctx, bytes.NewReader(said.Data), maxSpeechBytes, media.SoundPart{Length: maxSpoken}, 1)
		if err != nil {
			return media.SpeechInfo{}, &job.Error{Code: job.Unavailable, Message: "the speech service did not answer with sound: try again later", RetryAfter: 10 * time.Second, Err: err}
		}
		_, err = w.Write(pcm)
		return media.SpeechInfo{Voice: n.Voice}, err
	}
}

const (
	// upstreamSpeech is the model that an upstream is asked for.
	upstreamSpeech = "speech-2.8-hd"
	// maxSpoken is the longest narration that is read of an upstream: MaxNarration
	// characters, spoken slowly.
	maxSpoken = 15 * time.Minute
)

// notNarrated says why nothing was narrated.
func notNarrated(n *NarrationRequest, err error) error {
	const param = "narration"
	if long, ok := errors.AsType[*soundtrack.TooLong](err); ok {
		return &job.Error{Code: job.Invalid, Param: param, Message: fmt.Sprintf("%s: %v: make it shorter, or the video longer", param, err), Err: long}
	}
	if e, ok := errors.AsType[*job.Error](err); ok && e.Param == "voice_setting.voice_id" {
		err = nil
	}
	if bad, ok := errors.AsType[*media.BadSpeech](err); ok && bad.Field != "voice" {
		return &job.Error{Code: job.Invalid, Param: param + "." + bad.Field, Message: fmt.Sprintf("%s.%s: %s: %s", param, bad.Field, bad.Why, bad.Hint), Err: err}
	} else if ok || err == nil {
		return job.Errorf(job.Invalid, param+".voice", "narration.voice: there is no voice %q for this text", Shorten(n.Voice, maxNotedWords))
	}
	if cannotSpeak(err) {
		return noSpeech(err)
	}
	return err
}

// track keeps the part of a sound file that a video needs.
func (s *Service) track(ctx context.Context, who auth.Principal, sp *job.Spec, t *TrackRequest) error {
	r, most, err := s.openSound(ctx, who, t)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := s.tracks.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.tracks.Release(1)
	part := media.SoundPart{Start: time.Duration(t.Start * float64(time.Second)), Length: time.Duration(sp.Seconds * float64(time.Second))}
	pcm, err := decoded(ctx, r, most, part, soundtrack.Channels)
	switch bad, ok := errors.AsType[*media.BadSound](err); {
	case ok:
		return &job.Error{Code: job.Invalid, Param: t.Param, Message: fmt.Sprintf("%s: %s: %s", t.Param, bad.Why, bad.Hint), Err: err}
	case cannotSpeak(err):
		return &job.Error{Code: job.Unavailable, Message: "this server cannot read sound now: " + media.Plain(err).Error(), RetryAfter: time.Minute, Err: err}
	case err != nil:
		return err
	}
	if got := float64(len(pcm)) / (2 * soundtrack.Channels * soundtrack.Rate); got < leastTrack && got < sp.Seconds {
		return job.Errorf(job.Invalid, t.Param, "%s: there are %.3f s of sound: what is repeated has to last %v s at least", t.Param, got, leastTrack)
	}
	key, err := s.keepSound(ctx, soundtrack.Channels, pcm)
	if err != nil {
		return err
	}
	sp.Sound = &job.Sound{Key: key, Start: t.Start, Volume: t.Volume}
	if t.Volume == 0 {
		sp.Sound.Volume = 1
	}
	return nil
}

// leastTrack is how many seconds a track has at least.
const leastTrack = 0.1

// openSound opens the file that a request names, and returns how many bytes it may
// have.
func (s *Service) openSound(ctx context.Context, who auth.Principal, t *TrackRequest) (io.ReadCloser, int64, error) {
	id, ours := strings.CutPrefix(t.Ref, "file:")
	if !ours {
		got, err := s.Fetch.FetchURL(ctx, t.Ref, egress.Limits{MaxBytes: MaxTrackBytes, Accept: []string{"audio/", "video/", "application/octet-stream", "application/ogg"}})
		if err != nil {
			return nil, 0, fetchError(t.Param, err)
		}
		return io.NopCloser(bytes.NewReader(got.Data)), MaxTrackBytes, nil
	}
	n, ok := ParseFileID(id)
	if !ok {
		return nil, 0, job.Errorf(job.Invalid, t.Param, "%s: %.40q names no file: give the id of one that was uploaded", t.Param, id)
	}
	f, err := s.DB.File(ctx, who.Project.ID, n)
	switch {
	case err != nil && job.CodeOf(err) == job.NotFound:
		return nil, 0, job.Errorf(job.Invalid, t.Param, "%s: there is no file %d: upload it first", t.Param, n)
	case err != nil:
		return nil, 0, err
	}
	r, size, err := s.OpenBlob(ctx, f.Key)
	return r, size, err
}

// decoded writes a customer's sound into a temporary file, which ffmpeg reads, and
// returns a part of it as samples of one or two channels.
func decoded(ctx context.Context, r io.Reader, most int64, p media.SoundPart, channels int) ([]byte, error) {
	f, err := scratch.Create(os.TempDir())
	if err != nil {
		return nil, StorageError(err)
	}
	defer f.Discard()
	if _, err := io.Copy(f, io.LimitReader(r, most)); err != nil {
		return nil, StorageError(err)
	}
	if _, err := media.ProbeSound(ctx, f.Name()); err != nil {
		return nil, err
	}
	var pcm []byte
	_, err = media.ReadSound(ctx, f.Name(), p, func(samples []float32) error {
		for i := 0; i+1 < len(samples); i += 2 {
			if channels == 1 {
				pcm = sample(pcm, (samples[i]+samples[i+1])/2)
				continue
			}
			pcm = sample(sample(pcm, samples[i]), samples[i+1])
		}
		return nil
	})
	return pcm, err
}

func sample(pcm []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint16(pcm, uint16(int16(math.Round(float64(v)*math.MaxInt16))))
}

// soundType is the media type of the sounds that are kept for jobs.
const soundType = "audio/wav"

// keepSound stores samples as a WAV.
func (s *Service) keepSound(ctx context.Context, channels int, pcm []byte) (string, error) {
	var b bytes.Buffer
	if err := media.WriteWAV(&b, soundtrack.Rate, channels, pcm); err != nil {
		return "", err
	}
	key, err := blob.NewKey(blob.KindSound, soundType)
	if err != nil {
		return "", err
	}
	if _, err := s.Blobs.Put(ctx, key, &b, blob.Meta{ContentType: soundType}); err != nil {
		return "", StorageError(err)
	}
	return key, nil
}
