package media

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrNoPlayer is the cause of errors when no program that plays sound is there.
var ErrNoPlayer = errors.New("no player of sound is installed: ffplay (part of ffmpeg), aplay (alsa-utils) or play (sox)")

// players play a WAV that comes on their standard input, as it comes.
var players = []struct {
	name string
	args []string
}{
	{"ffplay", []string{"-hide_banner", "-loglevel", "error", "-nodisp", "-autoexit", "-fflags", "+nobuffer", "-probesize", "32", "-analyzeduration", "0", "-f", "wav", "-i", "pipe:0"}},
	{"aplay", []string{"-q", "-t", "wav", "-"}},
	{"play", []string{"-q", "-t", "wav", "-"}},
}

// A Player plays a WAV while it is written.
type Player struct {
	p  *process
	in io.WriteCloser
}

// Play starts the first player that is there. The error is ErrNoPlayer if none is.
func Play(ctx context.Context) (*Player, error) {
	for _, one := range players {
		tool, err := findTool(one.name, "", ErrNoPlayer)
		if err != nil {
			continue
		}
		p := newProcess(ctx, tool, one.args...)
		in, err := p.cmd.StdinPipe()
		if err != nil {
			return nil, fmt.Errorf("media: opening a pipe to %s: %w", one.name, err)
		}
		p.pipe = in
		if err := p.start(); err != nil {
			return nil, err
		}
		return &Player{p, in}, nil
	}
	return nil, ErrNoPlayer
}

// Write plays what is written.
func (p *Player) Write(b []byte) (int, error) {
	n, err := p.in.Write(b)
	if err != nil {
		err = p.p.explain("playing sound", err)
	}
	return n, err
}

// Close waits until all is played.
func (p *Player) Close() error {
	defer p.p.cancel(nil)
	p.in.Close()
	if err := p.p.wait(); err != nil {
		return p.p.explain("playing sound", err)
	}
	return nil
}

// Stop ends the player at once.
func (p *Player) Stop() { p.p.kill(errors.New("it was stopped")) }
