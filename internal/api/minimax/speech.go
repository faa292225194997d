package minimax

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
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
	var said service.SpeechResult
	if err == nil {
		said, err = a.service.Speak(r.Context(), who, speechOf(v, web.RequestID(r.Context())))
	}
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	out := speechAnswer{Data: speechData{Status: soundLast}, Extra: extraOf(v.text("text"), &said), TraceID: web.RequestID(r.Context()), Notes: append(said.Notes, speechNotes(v)...), Base: success}
	traced(w, r)
	switch {
	case v.yes("stream", false):
		whole := !v.object("stream_options").yes("exclude_aggregated_audio", true)
		streamSpeech(w, out, said.Data, whole)
		return
	case v.text("output_format") == "url":
		out.Data.Audio = linkFor(r, a.service.FileURL(web.BaseOf(r.Context()), said.File, imageTime))
	default:
		out.Data.Audio = hex.EncodeToString(said.Data)
	}
	writeJSON(w, http.StatusOK, out)
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
		Length: s.Duration.Milliseconds(), SampleRate: s.SampleRate, Size: len(s.Data), BitRate: s.BitRate,
		Format: s.Format, Channels: s.Channels, Characters: s.Characters, Words: len(strings.Fields(text)),
	}
}

// streamSpeech answers with server-sent events: pieces of the sound, and last an
// event that says what it was. The official CLI writes whatever sound an event
// has, so the last one repeats the whole only for those who ask.
func streamSpeech(w http.ResponseWriter, last speechAnswer, sound []byte, whole bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	for rest := sound; len(rest) > 0; {
		n := min(speechChunk, len(rest))
		piece := speechAnswer{Data: speechData{hex.EncodeToString(rest[:n]), soundMore}, TraceID: last.TraceID, Base: success}
		if sendEvent(w, flush, piece) != nil {
			return // who asked has gone
		}
		rest = rest[n:]
	}
	if whole {
		last.Data.Audio = hex.EncodeToString(sound)
	}
	_ = sendEvent(w, flush, last)
}

func sendEvent(w io.Writer, flush *http.ResponseController, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
		return err
	}
	return flush.Flush()
}
