package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kinora-video/kinora"
)

// like fills in what a video was made with, where the command line says nothing. It
// returns notes on what the file does not hold.
func (g *GenerateCmd) like(ctx context.Context) (notes []string, err error) {
	v, err := kinora.ReadVideo(ctx, g.Like)
	if err != nil {
		return nil, usagef("--like: %w", err)
	}
	s := v.Settings
	if s == nil {
		return nil, usagef("--like: %w", noSettings(g.Like, v))
	}
	other := g.Model != "" && g.Model != s.Model
	g.Model = cmp.Or(g.Model, s.Model)
	m, err := kinora.CapabilitiesOf(g.Model)
	if err != nil {
		return nil, fmt.Errorf("--like %s: it was made by the model %s: %w", g.Like, printable(s.Model), err)
	}
	g.Prompt, g.Upscale = cmp.Or(g.Prompt, s.Prompt), cmp.Or(g.Upscale, string(s.Upscale))
	unless(&g.Seed, s.Seed)
	if m.Negative {
		g.Negative = cmp.Or(g.Negative, s.NegativePrompt)
	}
	if g.Size == "" && s.Width > 0 && s.Height > 0 {
		g.Size = strconv.Itoa(s.Width) + "x" + strconv.Itoa(s.Height)
	}
	unless(&g.FPS, s.FPS)
	g.watermark = s.Watermark
	if notes, err = g.likeSound(ctx, s); err != nil {
		return nil, fmt.Errorf("--like %s: %w", g.Like, err)
	}
	if g.Fit != string(kinora.FitVideo) {
		unless(&g.Seconds, s.Seconds)
	}
	if other {
		notes = append(notes, fmt.Sprintf("%s was made by %s: steps, guidance and what else belongs to a model are %s's own", g.Like, printable(s.Model), m.Name))
	} else if err := g.likeModel(ctx, s); err != nil {
		return nil, err
	}
	for _, lost := range []struct {
		was   bool
		given bool
		what  string
	}{
		{s.FirstFrame, g.Image != "", "began with a picture: without it (--image)"},
		{s.LastFrame, g.LastFrame != "", "ended with a picture: without it (--last-frame)"},
		{s.References > 0, len(g.ReferenceImages)+len(g.ReferenceVideos)+len(g.ReferenceSounds) > 0, "had references: without them (--reference-image and others)"},
	} {
		if lost.was && !lost.given {
			notes = append(notes, fmt.Sprintf("%s %s the video will be another one", g.Like, lost.what))
		}
	}
	g.made = s
	return notes, nil
}

// likeModel fills in what belongs to the model.
func (g *GenerateCmd) likeModel(ctx context.Context, s *kinora.Settings) error {
	if s.Steps > 0 {
		unless(&g.Steps, s.Steps)
	}
	if s.Guidance > 0 {
		unless(&g.Guidance, s.Guidance)
	}
	unless(&g.StepCache, s.StepCache)
	g.Decoder = cmp.Or(g.Decoder, string(s.Decoder))
	if len(g.LoRA) > 0 {
		return nil
	}
	for _, l := range s.LoRAs {
		path, err := findLoRA(ctx, l, ".", filepath.Dir(g.Like))
		if err != nil {
			return fmt.Errorf("--like %s: %w", g.Like, err)
		}
		text := path + ":" + strconv.FormatFloat(l.Strength, 'g', -1, 64)
		if l.Expert != "" {
			text += ":" + l.Expert
		}
		g.LoRA = append(g.LoRA, text)
	}
	return nil
}

// findLoRA finds a LoRA's file in one of some folders.
func findLoRA(ctx context.Context, l kinora.Added, dirs ...string) (string, error) {
	name := printable(l.File)
	for _, dir := range dirs {
		path := filepath.Join(dir, l.File)
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		got, err := kinora.LoRADigest(ctx, path)
		switch {
		case err != nil:
			return "", err
		case l.Digest != "" && got != l.Digest:
			return "", usagef("the LoRA %s is another file than the one that it was made with (%s, which was %s): name it with --lora", path, got, printable(l.Digest))
		}
		return path, nil
	}
	return "", usagef("the LoRA %s (%s) is neither in this folder nor beside the video: name it with --lora %s:%v", name, printable(l.Digest), name, l.Strength)
}

// unless sets a flag that was not given.
func unless[T comparable](flag **T, value T) {
	var zero T
	if *flag == nil && (value != zero || any(value) == any(uint64(0))) {
		*flag = &value
	}
}

// otherWeights notes that a model has not the weights that a video was made with.
func (g *GenerateCmd) otherWeights(ctx context.Context, m *kinora.Model) (notes []string, err error) {
	if g.made == nil || g.made.Weights == "" || g.made.Model != m.Capabilities().Name {
		return nil, nil
	}
	got, err := m.WeightsDigest(ctx)
	if err != nil || got == g.made.Weights {
		return nil, err
	}
	return []string{fmt.Sprintf("%s was made with other weights of %s: the video will be another one (%s, here %s)", g.Like, g.made.Model, printable(g.made.Weights), cmp.Or(got, "unknown ones"))}, nil
}
