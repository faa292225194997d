package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/kinora-video/kinora/internal/browser"
	"github.com/kinora-video/kinora/internal/server"
)

// StudioCmd runs the studio for the person at this machine.
type StudioCmd struct {
	serverFlags
	Listen string `placeholder:"ADDR" env:"KINORA_LISTEN" help:"Address to listen on, of this machine alone. Default: 127.0.0.1:8080, or a free port where that is taken."`
	NoOpen bool   `help:"Do not open the browser; print the link alone."`
}

// Help is the end of the command's help.
func (StudioCmd) Help() string {
	return `It starts the server for one person, on this machine alone, and opens the browser,
already signed in. The link works once, for ten minutes. Ctrl-C ends it: running jobs
get a moment to finish, and what is left goes on at the next start.

Videos, and the queue, are kept in the folder of kinora serve.`
}

// Run serves until a signal stops it.
func (c *StudioCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.read()
	if err != nil {
		return err
	}
	cfg.Role, cfg.Studio = server.RoleAll, true
	if cfg.Keep.Jobs == server.DefaultConfig().Keep.Jobs { // one's own library is for keeps
		cfg.Keep.Jobs = keepOwn
	}
	cfg.Log.Level = max(cfg.Log.Level, slog.LevelWarn)
	ln, err := listenHere(ctx, c.Listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	cfg.Listen = ln.Addr().String()
	cfg.PublicURL = "http://" + cfg.Listen
	return serve(ctx, s, serving{cfg: cfg, memory: c.Memory, ln: ln, listen: true, ready: func(srv *server.Server, _ *slog.Logger) error {
		if _, err := srv.Bootstrap(ctx); err != nil { // nobody needs its keys: the studio has one of its own
			return err
		}
		link, err := srv.Invite(ctx, cfg.PublicURL)
		if err != nil {
			return err
		}
		opened := !c.NoOpen && browser.Open(link) == nil
		if opened {
			fmt.Fprintf(s.out, "The studio is open in your browser. If it is not, open this link, which works once:\n\n  %s\n\nCtrl-C ends it.\n", link)
		} else {
			fmt.Fprintf(s.out, "Open this link in a browser of this machine. It works once:\n\n  %s\n\nCtrl-C ends the studio.\n", link)
		}
		context.AfterFunc(ctx, func() {
			fmt.Fprintf(s.out, "\nEnding: running jobs have %v to finish. Ctrl-C again ends at once.\n", cfg.Jobs.Grace)
		})
		return nil
	}})
}

// keepOwn is how long the studio keeps videos, unless the configuration says otherwise.
const keepOwn = 10 * 365 * 24 * time.Hour

// defaultStudio is where the studio listens if nothing else is said.
const defaultStudio = "127.0.0.1:8080"

// listenHere listens on an address of this machine alone: who reaches the studio may
// do all that its person may.
func listenHere(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{}
	if address == "" {
		ln, err := lc.Listen(ctx, "tcp", defaultStudio)
		if errors.Is(err, syscall.EADDRINUSE) {
			return lc.Listen(ctx, "tcp", "127.0.0.1:0")
		}
		return ln, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--listen: %q is not an address with a port, such as 127.0.0.1:8080", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usagef("--listen: %s can be reached from other machines, and the studio is for this one alone: listen on 127.0.0.1, or run kinora serve, which asks for a key", address)
	}
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with --listen", err)
	}
	return ln, nil
}
