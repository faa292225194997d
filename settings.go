package kinora

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/media"
)

// SettingsVersion is the version of Settings that this program writes. It reads
// later ones too, and ignores what it does not know.
const SettingsVersion = 1

// MaxSettingsBytes bounds Settings as JSON. A video with longer ones is written
// without them.
const MaxSettingsBytes = media.MaxSettings

// Settings are all that a video was made with. Save and Write put them, as JSON, into
// the metadata of the file: ReadVideo reads them. They name no folder.
//
// A file that holds only a part of a video (FromFrame), or several videos one after
// another, has none.
type Settings struct {
	Version int    `json:"version"`
	Program string `json:"program,omitempty"` // the version of Kinora that wrote the file
	Model   string `json:"model"`
	Weights string `json:"weights,omitempty"` // see Model.WeightsDigest

	Prompt         string  `json:"prompt"`
	NegativePrompt string  `json:"negative_prompt,omitempty"`
	Seed           uint64  `json:"seed"`
	Steps          int     `json:"steps"`
	Guidance       float32 `json:"guidance"`
	StepCache      float32 `json:"step_cache,omitempty"`
	LoRAs          []Added `json:"loras,omitempty"`
	FirstFrame     bool    `json:"first_frame,omitempty"` // a picture was given for it
	LastFrame      bool    `json:"last_frame,omitempty"`
	References     int     `json:"references,omitempty"` // images, videos and sounds that were given

	Seconds   float64   `json:"seconds"`
	Width     int       `json:"width"` // pixels
	Height    int       `json:"height"`
	FPS       int       `json:"fps"`
	Upscale   Upscaling `json:"upscale,omitempty"` // as the request had it
	Decoder   Decoder   `json:"decoder,omitempty"` // likewise
	Watermark string    `json:"watermark,omitempty"`

	Narration *NarrationSettings `json:"narration,omitempty"`
	Sound     *SoundSettings     `json:"sound,omitempty"`
	OwnSound  OwnSound           `json:"own_sound,omitempty"` // as the request had it
}

// NarrationSettings are a narration in Settings.
type NarrationSettings struct {
	Text     string       `json:"text,omitempty"`  // "" is the prompt
	Voice    string       `json:"voice,omitempty"` // as the request had it
	Language string       `json:"language,omitempty"`
	Fit      NarrationFit `json:"fit,omitempty"`
	SpokenBy string       `json:"spoken_by,omitempty"` // the voice that spoke
	File     string       `json:"file,omitempty"`      // with the narration, without its folder
}

// SoundSettings are a sound file in Settings.
type SoundSettings struct {
	File   string  `json:"file"` // without its folder
	Digest string  `json:"digest,omitempty"`
	Start  float64 `json:"start,omitempty"` // seconds
	Volume float64 `json:"volume"`
}

// Added is a LoRA in Settings.
type Added struct {
	File     string  `json:"file"` // without its folder
	Digest   string  `json:"digest,omitempty"`
	Strength float64 `json:"strength"`
	Expert   string  `json:"expert,omitempty"`
}

// ParseSettings reads Settings from outside: JSON, checked for what no request can
// have. Whether a model takes them is for Request.Check to say.
func ParseSettings(data []byte) (*Settings, error) {
	fail := func(why string) error {
		return &Error{Kind: Invalid, Op: "read settings", Err: errors.New(why)}
	}
	if len(data) > MaxSettingsBytes {
		return nil, fail(fmt.Sprintf("they have %d bytes, at most %d are read", len(data), MaxSettingsBytes))
	}
	s := new(Settings)
	if !utf8.Valid(data) || json.Unmarshal(data, s) != nil {
		return nil, fail("they are damaged")
	}
	switch {
	case s.Version < 1:
		return nil, fail("they name no version")
	case s.Model == "":
		return nil, fail("they name no model")
	case s.Steps < 0, s.Guidance < 0, s.StepCache < 0, s.Seconds < 0, s.Width < 0, s.Height < 0, s.FPS < 0, s.References < 0:
		return nil, fail("a number is less than 0")
	case len(s.LoRAs) > engine.MaxLoRAs:
		return nil, fail(fmt.Sprintf("they name %d LoRAs", len(s.LoRAs)))
	}
	for _, l := range s.LoRAs {
		if !plainName(l.File) {
			return nil, fail(fmt.Sprintf("%.60q is no file name of a LoRA", l.File))
		}
	}
	if s.Sound != nil && !plainName(s.Sound.File) {
		return nil, fail(fmt.Sprintf("%.60q is no file name of a sound", s.Sound.File))
	}
	if n := s.Narration; n != nil && n.File != "" && !plainName(n.File) {
		return nil, fail(fmt.Sprintf("%.60q is no file name of a narration", n.File))
	}
	return s, nil
}

// plainName says whether a name is that of a file, without a folder.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, `/\:`+"\x00")
}

// noncharacters are what JSON may hold and XML may not.
var noncharacters = strings.NewReplacer("\uFFFE", `\ufffe`, "\uFFFF", `\uffff`, "\u007f", `\u007f`)

// encode returns the settings as one line of JSON; "" for those that are too long.
func (s *Settings) encode() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if s == nil || e.Encode(s) != nil {
		return ""
	}
	var out strings.Builder
	for _, r := range noncharacters.Replace(strings.TrimSpace(b.String())) {
		if r >= 0x80 && r < 0xa0 || r == 0xa0 || r == '\u3000' || r == '\u1680' || r >= '\u2000' && r <= '\u200a' || r == '\u202f' || r == '\u205f' || r == utf8.RuneError {
			fmt.Fprintf(&out, `\u%04x`, r) // what metadata would be cleaned of
			continue
		}
		out.WriteRune(r)
	}
	if out.Len() > MaxSettingsBytes {
		return ""
	}
	return out.String()
}

// settings are those of a request that is about to be sampled, as far as its latents
// depend on them.
func (m *Model) settings(ctx context.Context, r *Request, p *plan) *Settings {
	j := &p.job
	s := &Settings{
		Version: SettingsVersion, Model: m.caps.Name, Prompt: j.Prompt, NegativePrompt: j.Negative,
		Seed: j.Seed, Steps: j.Steps, Guidance: j.Guidance, StepCache: j.StepCache,
		FirstFrame: r.Image != nil, LastFrame: r.LastFrame != nil,
		References: len(r.References.Images) + len(r.References.Videos) + len(r.References.Sounds),
		Seconds:    p.seconds,
	}
	s.Weights, _ = m.WeightsDigest(ctx) // without it the settings still help
	for i, l := range m.loras {
		a := Added{File: filepath.Base(l.Path), Strength: l.Strength, Expert: l.Expert}
		a.Digest, _ = m.loraDigests[i](ctx)
		s.LoRAs = append(s.LoRAs, a)
	}
	return s
}

// Settings returns what the video was made with, or nil if its latents do not say.
func (c *Clip) Settings() *Settings {
	s, err := ParseSettings([]byte(c.latents.Origin().Settings))
	if err != nil {
		return nil
	}
	v := c.latents.Video()
	whole := float64(v.Frames) / float64(v.FPS)
	if c.foreign || s.Seconds == 0 {
		s.Seconds = min(cmp.Or(s.Seconds, whole), c.seconds)
	}
	s.Program, s.Decoder, s.Watermark = program(), c.model.decoder, c.watermark
	s.Width, s.Height, s.FPS = c.Width, c.Height, c.FPS
	s.OwnSound = c.ownSound
	if c.heard != nil {
		s.Narration, s.Sound = c.heard.spoken, c.heard.file
	}
	if s.Upscale = c.upscale; s.Upscale == UpscaleAuto {
		s.Upscale = ""
	}
	return s
}

// program is the version of this module in the running program.
func program() string {
	const path = "github.com/kinora-video/kinora"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	version := info.Main.Version
	for _, d := range info.Deps {
		if d.Path == path {
			version = d.Version
		}
	}
	return version
}

// Video is what a video file says of itself.
type Video struct {
	Format        Format
	Width, Height int // pixels of a frame
	Frames        int // 0 where unknown
	FPS           float64
	Duration      time.Duration
	Codec         string // as the file names it
	Sound         bool
	// Prompt, Model and Seed are what Kinora wrote; Model is "" for a video of another
	// origin.
	Prompt, Model string
	Seed          uint64
	// Settings are what the video was made with; nil in a file without them.
	Settings *Settings
}

// ReadVideo reads what an MP4 or animated WebP says of itself, and trusts none of it.
// It needs nothing installed and draws nothing. Errors are an *Error: of kind NotFound
// if there is no such file, and of kind Invalid for a file that is no such video, or
// whose settings are damaged.
func ReadVideo(ctx context.Context, path string) (*Video, error) {
	h, err := media.ReadHeader(ctx, path)
	if err != nil {
		return nil, unread(ctx, path, err)
	}
	v := &Video{
		Format: Format(h.Format.String()), Width: h.W, Height: h.H, Frames: h.Frames, FPS: h.FPS, Duration: h.Duration,
		Codec: h.Codec, Sound: h.Sound, Prompt: h.Meta.Prompt, Model: h.Meta.Model, Seed: h.Meta.Seed,
	}
	if h.Meta.Settings == "" {
		return v, nil
	}
	if v.Settings, err = ParseSettings([]byte(h.Meta.Settings)); err != nil {
		return nil, unread(ctx, path, errors.Unwrap(err))
	}
	return v, nil
}
