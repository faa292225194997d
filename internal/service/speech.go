package service

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/text"
)

// Limits of what upstreams answer.
const (
	MaxSpeechText  = 10_000   // characters
	maxSpeechBytes = 64 << 20 // of an upstream's answer
	// speechesAtOnce are made at the same time, each in memory; others wait.
	speechesAtOnce = 8
)

// ask posts JSON to an upstream. requestID is the id of the request that it is
// for, or "".
func (s *Service) ask(ctx context.Context, u *egress.Upstream, requestID, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if requestID != "" {
		req.Header.Set("X-Request-Id", requestID)
	}
	resp, err := u.Do(ctx, req)
	switch {
	case errors.Is(err, egress.ErrTimeout):
		return nil, &job.Error{Code: job.Timeout, Message: "the upstream service took too long: try again", RetryAfter: 5 * time.Second, Err: err}
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, &job.Error{Code: job.Unavailable, Message: "the upstream service cannot be reached: try again later", RetryAfter: 10 * time.Second, Err: err}
	}
	return resp, nil
}

// Speak makes speech by the configured upstream, or here: English by the voice inside
// the program, the rest by espeak-ng. Sound that has gone to r.Live is charged, also
// if whoever asked leaves before the end.
func (s *Service) Speak(ctx context.Context, who auth.Principal, r SpeechRequest) (SpeechResult, error) {
	r.Text = text.Unmarked(r.Text)
	n := utf8.RuneCountInString(r.Text)
	if strings.TrimSpace(r.Text) == "" || n > MaxSpeechText {
		return SpeechResult{}, job.Errorf(job.Invalid, "text", "the text has %d characters: 1 to %d", n, MaxSpeechText)
	}
	if err := s.moderate(ctx, who, r.Text); err != nil {
		return SpeechResult{}, err
	}
	if err := s.speeches.Acquire(ctx, 1); err != nil {
		return SpeechResult{}, err
	}
	defer s.speeches.Release(1)
	charge, err := s.Meter.Hold(ctx, meter.Speech{Project: who.Project.ID, Key: who.Key.ID, Model: r.Model, API: job.MiniMaxV1, Characters: n})
	if err != nil {
		return SpeechResult{}, err
	}
	live := &media.Counter{W: r.Live}
	if r.Live != nil {
		r.Live = live
	}
	out, err := s.speak(ctx, r)
	if err == nil && r.Keep {
		if out.File, err = s.AddFile(ctx, who, NewFile{Purpose: PurposeSpeech, Name: "speech." + strings.ToLower(out.Format)}, bytes.NewReader(out.Data)); err != nil {
			out.File = store.File{} // it is not there
		}
	}
	if err == nil {
		err = ctx.Err() // whoever asked has gone, and gets nothing
	}
	late := context.WithoutCancel(ctx)
	if err != nil && ctx.Err() != nil && live.N > 0 {
		return SpeechResult{}, errors.Join(err, charge.Settle(late))
	}
	if err != nil {
		return SpeechResult{}, errors.Join(err, s.unkeep(late, who, out.File), charge.Refund(late))
	}
	if err := charge.Settle(late); err != nil { // then what is held goes back later
		return SpeechResult{}, errors.Join(err, s.unkeep(late, who, out.File))
	}
	out.Characters = n
	return out, nil
}

// PurposeSpeech is the purpose of files of speech.
const PurposeSpeech = "t2a"

// unkeep removes the file of speech that nobody is told of.
func (s *Service) unkeep(ctx context.Context, who auth.Principal, f store.File) error {
	if f.ID == 0 {
		return nil
	}
	return s.DeleteFile(ctx, who, f.ID)
}

// speak makes speech, whatever it costs.
func (s *Service) speak(ctx context.Context, r SpeechRequest) (SpeechResult, error) {
	if s.Speech != nil {
		return s.speakUpstream(ctx, r)
	}
	voice, language, notes, err := localVoice(r)
	if err != nil {
		return SpeechResult{}, err
	}
	var sound bytes.Buffer
	speech := kinora.Speech{
		Text: r.Text, Voice: voice, Speed: r.Speed, Pitch: float64(r.Pitch), Volume: r.Volume, Language: language,
		Format: cmp.Or(r.Format, "wav"), Rate: r.SampleRate, Bitrate: r.BitRate, Channels: r.Channels, Live: r.Live != nil,
	}
	to := io.Writer(&sound)
	if speech.Live {
		to = r.Live
	}
	got, err := kinora.Speak(ctx, to, speech)
	if err != nil {
		return SpeechResult{}, unspoken(err, r.Voice, voice)
	}
	return SpeechResult{
		Data: sound.Bytes(), Format: speech.Format, Duration: got.Duration, Size: got.Bytes, Voice: got.Voice, Speaker: got.Speaker,
		SampleRate: got.Rate, Channels: got.Channels, BitRate: r.BitRate, Notes: notes,
	}, nil
}

// unspoken says why nothing was spoken with a voice, which was asked for by a name.
func unspoken(err error, asked, voice string) error {
	switch bad, ok := errors.AsType[*media.BadSpeech](err); {
	case ok && bad.Field == "voice" && voice != "":
		return noVoice(asked)
	case ok:
		return &job.Error{Code: job.Invalid, Message: fmt.Sprintf("the %s: %s: %s", bad.Field, bad.Why, bad.Hint), Err: err}
	case cannotSpeak(err):
		return noSpeech(err)
	}
	return err
}

// cannotSpeak says whether a program is missing on this machine.
func cannotSpeak(err error) bool {
	return errors.Is(err, media.ErrNoSpeech) || errors.Is(err, media.ErrNoFFmpeg)
}

// noSpeech says that a program is missing. That is no mistake in the request, and
// may be mended: the same request works then.
func noSpeech(err error) error {
	return &job.Error{Code: job.Unavailable, Message: "this server cannot speak now: " + media.Plain(err).Error(), RetryAfter: time.Minute, Err: err}
}

// maxVoices is how much of an upstream's list of voices is read, in bytes.
const maxVoices = 4 << 20

// Voices are what Speak speaks with: the upstream's, or the one inside the program
// and espeak-ng's, and the names of MiniMax's for whose language there is one.
func (s *Service) Voices(ctx context.Context, requestID string) (Voices, error) {
	if s.Speech != nil {
		return s.upstreamVoices(ctx, requestID)
	}
	local, err := kinora.Voices(ctx)
	if err != nil {
		return Voices{}, err
	}
	return Voices{System: miniMaxVoices(local)}, nil
}

// upstreamVoices asks a service that speaks MiniMax's get_voice.
func (s *Service) upstreamVoices(ctx context.Context, requestID string) (out Voices, err error) {
	resp, err := s.ask(ctx, s.Speech, requestID, "get_voice", []byte(`{"voice_type":"all"}`))
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	var answer struct {
		Voices
		Base struct {
			Code    int    `json:"status_code"`
			Message string `json:"status_msg"`
		} `json:"base_resp"`
	}
	data, err := egress.ReadAll(resp.Body, maxVoices)
	if err == nil {
		err = text.JSON(data, &answer)
	}
	if err == nil && (resp.StatusCode != http.StatusOK || answer.Base.Code != 0) {
		err = fmt.Errorf("the speech upstream answered %d: %s", resp.StatusCode, Shorten(answer.Base.Message, maxUpstreamError))
	}
	if err != nil {
		return out, &job.Error{Code: job.Unavailable, Message: "the speech service did not list its voices: try again later", RetryAfter: 10 * time.Second, Err: err}
	}
	return answer.Voices, nil
}

// speakUpstream asks a service that speaks MiniMax's t2a_v2.
func (s *Service) speakUpstream(ctx context.Context, r SpeechRequest) (SpeechResult, error) {
	body, err := json.Marshal(map[string]any{
		"model": r.Model, "text": r.Text, "output_format": "hex", "language_boost": r.Language,
		"voice_setting": map[string]any{"voice_id": r.Voice, "speed": r.Speed, "vol": r.Volume, "pitch": r.Pitch},
		"audio_setting": map[string]any{"format": r.Format, "sample_rate": r.SampleRate, "bitrate": r.BitRate, "channel": r.Channels},
	})
	if err != nil {
		return SpeechResult{}, err
	}
	resp, err := s.ask(ctx, s.Speech, r.RequestID, "t2a_v2", body)
	if err != nil {
		return SpeechResult{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Audio string `json:"audio"`
		} `json:"data"`
		Extra struct {
			Length   int64 `json:"audio_length"`
			Rate     int   `json:"audio_sample_rate"`
			BitRate  int   `json:"bitrate"`
			Channels int   `json:"audio_channel"`
		} `json:"extra_info"`
	}
	data, err := egress.ReadAll(io.Reader(resp.Body), maxSpeechBytes)
	if err == nil {
		err = text.JSON(data, &answer)
	}
	sound, hexErr := hex.DecodeString(answer.Data.Audio)
	if err != nil || hexErr != nil || len(sound) == 0 {
		return SpeechResult{}, &job.Error{Code: job.Unavailable, Message: "the speech service did not answer with sound: try again later", RetryAfter: 10 * time.Second, Err: errors.Join(err, hexErr)}
	}
	return SpeechResult{
		Data: sound, Size: int64(len(sound)), Format: r.Format, Duration: time.Duration(answer.Extra.Length) * time.Millisecond,
		SampleRate: answer.Extra.Rate, Channels: answer.Extra.Channels, BitRate: answer.Extra.BitRate,
	}, nil
}
