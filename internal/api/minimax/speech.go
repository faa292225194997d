package minimax

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// Defaults of POST /v1/t2a_v2.
const (
	defaultRate    = 32000  // samples a second
	defaultBitRate = 128000 // bits a second
	defaultSound   = "mp3"
	// speechChunk is how many bytes of sound one event of a stream has.
	speechChunk = 32 << 10
)

// Statuses of data in the answer.
const (
	soundMore = 1 // of a stream: there is more
	soundLast = 2
)

type speechAnswer struct {
	Data    speechData   `json:"data"`
	Extra   *speechExtra `json:"extra_info,omitempty"` // with the last event of a stream
	TraceID string       `json:"trace_id"`
	Notes   []string     `json:"notes,omitempty"`
	Base    baseResp     `json:"base_resp"`
}

type speechData struct {
	Audio  string `json:"audio"` // hex, or with output_format url a link
	Status int    `json:"status"`
}

type speechExtra struct {
	Length     int64  `json:"audio_length"` // milliseconds
	SampleRate int    `json:"audio_sample_rate"`
	Size       int    `json:"audio_size"` // bytes
	BitRate    int    `json:"bitrate"`
	Format     string `json:"audio_format"`
	Channels   int    `json:"audio_channel"`
	Characters int    `json:"usage_characters"`
	Words      int    `json:"word_count"`
	Voice      string `json:"voice_id,omitempty"` // which spoke, of this server's
	Speaker    string `json:"speaker,omitempty"`  // kinora or espeak-ng
}

func (a *V1) speech(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	body, err := readBody(r)
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	v, err := speechForm.read(body)
	if err == nil && v.yes("stream", false) && v.text("output_format") == "url" {
		err = job.Errorf(job.Invalid, "output_format", "output_format: a stream is hex; a url is for answers that come at once")
	}
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	ask := speechOf(v, web.RequestID(r.Context()))
	if v.yes("stream", false) {
		a.streamSpeech(w, r, who, v, ask)
		return
	}
	said, err := a.service.Speak(r.Context(), who, ask)
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	out := speechAnswerOf(v, &said, ask.RequestID)
	traced(w, r)
	if v.text("output_format") == "url" {
		out.Data.Audio = linkFor(r, a.service.FileURL(web.BaseOf(r.Context()), said.File, imageTime))
	} else {
		out.Data.Audio = hex.EncodeToString(said.Data)
	}
	writeJSON(w, http.StatusOK, out)
}

// speechAnswerOf is what is said of speech, without its sound.
func speechAnswerOf(v fieldValues, said *service.SpeechResult, id string) speechAnswer {
	return speechAnswer{
		Data: speechData{Status: soundLast}, Extra: extraOf(v.text("text"), said), TraceID: id,
		Notes: append(said.Notes, speechNotes(v)...), Base: success,
	}
}

func speechOf(v fieldValues, requestID string) service.SpeechRequest {
	voice, sound := v.object("voice_setting"), v.object("audio_setting")
	format := sound.text("format")
	if format == "" {
		format = defaultSound
	}
	return service.SpeechRequest{
		Model: v.text("model"), Text: v.text("text"), Voice: voice.text("voice_id"),
		Speed: voice.number("speed", 1), Volume: voice.number("vol", 1), Pitch: int(voice.whole("pitch", 0)),
		Language: v.text("language_boost"), Format: format, SampleRate: int(sound.whole("sample_rate", defaultRate)),
		BitRate: int(sound.whole("bitrate", defaultBitRate)), Channels: int(sound.whole("channel", 1)),
		Keep: v.text("output_format") == "url", RequestID: requestID,
	}
}

// speechNotes say what clients send as a matter of course and the local voices
// do not have.
func speechNotes(v fieldValues) []string {
	if e := v.object("voice_setting").text("emotion"); e != "" && e != "neutral" && e != "calm" {
		return []string{fmt.Sprintf("voice_setting.emotion %q has no counterpart here: the voice is neutral", e)}
	}
	return nil
}

func extraOf(text string, s *service.SpeechResult) *speechExtra {
	return &speechExtra{
		Length: s.Duration.Milliseconds(), SampleRate: s.SampleRate, Size: int(s.Size), BitRate: s.BitRate,
		Format: s.Format, Channels: s.Channels, Characters: s.Characters, Words: len(strings.Fields(text)),
		Voice: s.Voice, Speaker: s.Speaker,
	}
}

// streamSpeech answers with server-sent events: pieces of the sound as soon as they
// are made, and last an event that says what it was. The official CLI writes whatever
// sound an event has, so the last one repeats the whole only for those who ask. A WAV
// states its length at the beginning, so it is made before its first event.
func (a *V1) streamSpeech(w http.ResponseWriter, r *http.Request, who auth.Principal, v fieldValues, ask service.SpeechRequest) {
	events := &speechEvents{
		w: w, flush: http.NewResponseController(w), id: ask.RequestID, begin: func() { traced(w, r) },
		keep: !v.object("stream_options").yes("exclude_aggregated_audio", true),
	}
	if ask.Format != "wav" {
		ask.Live = events
	}
	said, err := a.service.Speak(r.Context(), who, ask)
	if err == nil {
		_, err = events.Write(said.Data)
	}
	switch {
	case err != nil && !events.begun:
		a.Fail(w, r, err)
	case r.Context().Err() != nil: // who asked has gone
	case err != nil:
		e := web.Report(r, err)
		_ = events.send(speechAnswer{Data: speechData{Status: soundLast}, TraceID: ask.RequestID, Base: baseResp{codeFor(r, e).number, messageOf(e)}})
	default:
		last := speechAnswerOf(v, &said, ask.RequestID)
		last.Data.Audio = hex.EncodeToString(events.whole)
		_ = events.send(last)
	}
}

// speechEvents sends what is written to it as events.
type speechEvents struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	id    string
	begin func() // before the first event
	begun bool
	keep  bool // what is sent
	whole []byte
}

// Write implements io.Writer.
func (e *speechEvents) Write(sound []byte) (int, error) {
	for rest := sound; len(rest) > 0; {
		n := min(speechChunk, len(rest))
		if err := e.send(speechAnswer{Data: speechData{hex.EncodeToString(rest[:n]), soundMore}, TraceID: e.id, Base: success}); err != nil {
			return len(sound) - len(rest), err
		}
		rest = rest[n:]
	}
	if e.keep {
		e.whole = append(e.whole, sound...)
	}
	return len(sound), nil
}

func (e *speechEvents) send(v any) error {
	if !e.begun {
		e.begun = true
		e.begin()
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.Header().Set("Cache-Control", "no-store")
		e.w.WriteHeader(http.StatusOK)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, "data: %s\n\n", data); err != nil {
		return err
	}
	return e.flush.Flush()
}
