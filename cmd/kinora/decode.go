package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
)

// DecodeCmd makes a video from latents that an earlier run kept.
type DecodeCmd struct {
	Latents string `arg:"" placeholder:"FILE" help:"The file of latents."`
	outputFlags
	soundFlags
	Model   string `default:"${model}" placeholder:"${model}" help:"The model that made them, of ${models}."`
	Weights string `placeholder:"FILE" help:"The weights that made them, if not those inside the program."`
	openFlags
}

// Help is the end of the command's help.
func (DecodeCmd) Help() string {
	return `Sampling a video takes long, so what it gives is kept until the video is safely
written. When writing failed, for want of space or of ffmpeg, this goes on from
there. The file of latents is left where it is. It holds no narration and no track:
give them again.

Examples:
  kinora decode ball.latents -o ball.mp4
  kinora decode ball.latents --narrate --sound waves.mp3`
}

// Run makes the video.
func (d *DecodeCmd) Run(ctx context.Context, s streams) error {
	r := kinora.Request{Upscale: kinora.Upscaling(d.Upscale)}
	var err error
	if r.FPS, err = d.rate(); err != nil {
		return err
	}
	if r.Width, r.Height, err = d.parseSize(); err != nil {
		return err
	}
	if err := d.hear(&r); err != nil {
		return err
	}
	stem := strings.TrimSuffix(filepath.Base(d.Latents), filepath.Ext(d.Latents))
	o := d.outputFlags
	format, notes := usualFormat()
	if o.Output == "" {
		o.Output = stem + "." + string(format)
	}
	t, err := o.target(stem, s.out)
	if err != nil {
		return err
	}
	defer t.release()
	if err := t.checkFormat(&r); err != nil {
		return err
	}
	if d.Output == "" {
		t.notes = notes
	}
	r.Output = t.place
	says := newNotices(s.err)
	opts, err := d.options(says)
	if err != nil {
		return err
	}
	if d.Weights != "" {
		opts = append(opts, kinora.WithWeights(d.Weights))
	}
	start := time.Now()
	m, err := kinora.Open(ctx, d.Model, opts...)
	if err != nil {
		return err
	}
	if err := m.CanWrite(ctx, t.format); err != nil {
		return err
	}
	t.notes = append(t.notes, differences(r, m.Capabilities())...)
	return t.make(ctx, s, start, says, &r, func() (*kinora.Clip, error) { return m.Load(ctx, d.Latents, r) })
}
