package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/server"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/worker"
)

// serverFlags are the flags of all server processes. They win over the
// configuration file.
type serverFlags struct {
	databaseFlags
	Blobs     string `placeholder:"WHERE" env:"KINORA_BLOBS" help:"Where media is kept: a folder, or s3://bucket?region=…. Default: media in the server's folder."`
	Workers   *int   `placeholder:"N" env:"KINORA_WORKERS" help:"Jobs that run at a time. Default: 1, which uses every core."`
	Memory    size   `name:"model-memory" placeholder:"SIZE" env:"KINORA_MODEL_MEMORY" help:"How much memory all open models may take together, such as 16GB. To make room, those used longest ago are closed. Default: three quarters of the machine's."`
	PublicURL string `name:"public-url" placeholder:"URL" env:"KINORA_PUBLIC_URL" help:"The URL at which customers reach the server; links begin with it."`
}

// ServeCmd runs the platform.
type ServeCmd struct {
	serverFlags
	Listen      string `placeholder:"ADDR" env:"KINORA_LISTEN" help:"Address to listen on. Default: 127.0.0.1:8080; none for a worker."`
	Role        string `placeholder:"ROLE" env:"KINORA_ROLE" help:"What this process does: api takes requests, worker runs jobs, all does both. Default: all."`
	PrintConfig bool   `help:"Print the configuration with every key and its default, and exit."`
}

// Help is the end of the command's help.
func (ServeCmd) Help() string {
	return `The first start prints an API key and an admin key, each once. Then:

  curl http://127.0.0.1:8080/v1/videos -H "Authorization: Bearer KEY" -F model=sora-2 -F prompt="a red ball bounces on a beach"

docs/operations.md tells the rest.`
}

// WorkerCmd runs the jobs that other processes accept.
type WorkerCmd struct {
	serverFlags
	Listen string `placeholder:"ADDR" env:"KINORA_LISTEN" help:"Address to serve /healthz, /readyz and /metrics on. Default: none."`
}

// Run serves until a signal stops it.
func (c *ServeCmd) Run(ctx context.Context, s streams) error {
	if c.PrintConfig {
		_, err := s.out.Write(server.ConfigFile)
		return err
	}
	cfg, err := c.read()
	if err != nil {
		return err
	}
	cfg.Listen = cmp.Or(c.Listen, cfg.Listen)
	cfg.Role = cmp.Or(server.Role(c.Role), cfg.Role)
	return serve(ctx, s, serving{cfg: cfg, memory: c.Memory, listen: c.Listen != "" || cfg.Role != server.RoleWorker, ready: func(srv *server.Server, log *slog.Logger) error {
		return sayReady(ctx, s, srv, log)
	}})
}

// Run runs jobs until a signal stops it.
func (c *WorkerCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.read()
	if err != nil {
		return err
	}
	cfg.Listen = cmp.Or(c.Listen, cfg.Listen)
	cfg.Role = server.RoleWorker
	return serve(ctx, s, serving{cfg: cfg, memory: c.Memory, listen: c.Listen != ""})
}

// read returns the configuration, in which flags replace what the file says.
func (c *serverFlags) read() (server.Config, error) {
	cfg, err := c.databaseFlags.read()
	cfg.Blobs = cmp.Or(c.Blobs, cfg.Blobs)
	cfg.PublicURL = cmp.Or(c.PublicURL, cfg.PublicURL)
	if c.Workers != nil {
		cfg.Workers = *c.Workers
	}
	return cfg, err
}

// withCause writes an error to the log together with its cause, which customers
// never see.
func withCause(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok && err != nil {
		a.Value = slog.StringValue(job.Detail(err))
	}
	return a
}

// serving is a process of the server that is to run.
type serving struct {
	cfg    server.Config
	memory size
	listen bool         // on the configuration's address
	ln     net.Listener // instead of that address; nil for none
	// ready is called before the server answers, in a process that takes requests.
	ready func(*server.Server, *slog.Logger) error
}

// serve runs a process of the server.
func serve(ctx context.Context, s streams, p serving) error {
	cfg, ln := p.cfg, p.ln
	if err := cfg.Check(kinora.Models()); err != nil {
		return usageError{errors.Join(err, toPull(cfg))}
	}
	log := newLog(s.err, cfg)
	pool := kinora.NewPool(int64(cmp.Or(p.memory, machineMemory()*3/4)), kinora.WithLatentsDir(filepath.Join(cfg.Data, "latents")))
	if err := nameVariants(pool, &cfg); err != nil {
		return err
	}
	engines, err := enginesOf(pool, cfg, log)
	if err != nil {
		return err
	}
	talker, err := talkerOf(ctx, cfg, log)
	if err != nil {
		return err
	}
	if talker != nil {
		defer talker.Close()
	}
	// Listen first: a server that cannot listen must not touch the database.
	if p.listen && ln == nil {
		if ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen); err != nil {
			return fmt.Errorf("%w: choose another address with --listen", err)
		}
		defer ln.Close()
		cfg.Listen = ln.Addr().String()
	}
	if err := server.UseTemp(cfg); err != nil {
		return ours(err)
	}
	o := server.Options{Config: cfg, Engines: engines, Log: log}
	if talker != nil { // not a nil in an interface
		o.Talker = talker
	}
	srv, err := server.New(ctx, o)
	if err != nil {
		return ours(err)
	}
	defer srv.Close()
	if cfg.Role == server.RoleWorker {
		log.Info("waiting for jobs", "workers", cfg.Workers, "data", cfg.Data)
		if ln != nil {
			log.Info("listening", "metrics", "http://"+cfg.Listen+"/metrics")
		}
		return srv.Run(ctx, ln)
	}
	if err := p.ready(srv, log); err != nil {
		return err
	}
	return srv.Run(ctx, ln)
}

// sayReady prints the keys of a first start, and where the server is.
func sayReady(ctx context.Context, s streams, srv *server.Server, log *slog.Logger) error {
	first, err := srv.Bootstrap(ctx)
	if err != nil {
		return err
	}
	sayKeys(s.out, first)
	address, cfg := "http://"+srv.Config().Listen, srv.Config()
	if cfg.Studio {
		fmt.Fprintf(s.out, "Kinora in the browser:  %s/studio/\n", cmp.Or(strings.TrimSuffix(cfg.PublicURL, "/"), address))
	}
	log.Info("listening", "address", address, "docs", address+"/docs", "data", cfg.Data)
	return nil
}

// toPull says of the models that a configuration names how those can be had that were
// not pulled. It is nil if there are none.
func toPull(cfg server.Config) error {
	var all []error
	for _, m := range cfg.Models {
		if _, err := kinora.CapabilitiesOf(m.Engine); err != nil && !slices.Contains(kinora.Models(), m.Engine) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// nameVariants gives each model that the configuration opens in a way of its own, with
// LoRAs or another decoder, a name in the pool, which takes the place of its engine.
func nameVariants(pool *kinora.Pool, cfg *server.Config) error {
	cfg.Models = slices.Clone(cfg.Models)
	for i := range cfg.Models {
		m := &cfg.Models[i]
		if len(m.LoRAs) == 0 && m.Decoder == "" {
			continue
		}
		fail := func(err error) error { return usagef("models[%d], %s: %w", i, m.Name, err) }
		var opts []kinora.Option
		if m.Decoder != "" {
			opts = append(opts, kinora.WithDecoder(kinora.Decoder(m.Decoder)))
		}
		for _, text := range m.LoRAs {
			l, err := parseLoRA(text)
			if err == nil {
				_, err = os.Stat(l.Path)
			}
			if err != nil {
				return fail(fmt.Errorf("lora %q: %w", text, err))
			}
			opts = append(opts, kinora.WithLoRA(l))
		}
		name := m.Engine + "+" + m.Name
		if err := pool.Name(name, m.Engine, opts...); err != nil {
			return fail(err)
		}
		m.Engine = name
	}
	return nil
}

// enginesOf makes engines of the models that are there, which the pool opens when
// they are needed. A model that is damaged is left out, unless the configuration
// names it.
func enginesOf(pool *kinora.Pool, cfg server.Config, log *slog.Logger) (map[string]worker.Engine, error) {
	engines := map[string]worker.Engine{}
	names := kinora.Models()
	for _, m := range cfg.Models {
		if !slices.Contains(names, m.Engine) {
			names = append(names, m.Engine)
		}
	}
	for _, name := range names {
		e, err := worker.Pooled(pool, name)
		switch {
		case err == nil:
			engines[name] = e
		case slices.ContainsFunc(cfg.Models, func(m service.ModelName) bool { return m.Engine == name }):
			return nil, err
		default:
			log.Warn("a model cannot be used", "model", name, "error", err)
		}
	}
	return engines, nil
}

// talkerOf opens the language model of a process that answers requests: the one that
// the configuration names, or the one that was pulled last. It is nil where there is
// none, and where none was named and that one is damaged.
func talkerOf(ctx context.Context, cfg server.Config, log *slog.Logger) (*kinora.ChatModel, error) {
	name := cfg.Chat.Model
	if cfg.Role == server.RoleWorker || name == server.NoChatModel || name == "" && len(kinora.ChatModels()) == 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	o := kinora.ChatOptions{Context: cfg.Chat.Context, Parallel: cfg.Chat.Parallel}
	m, err := kinora.OpenChat(ctx, name, o)
	switch {
	case err != nil && name != "":
		return nil, usageError{fmt.Errorf("chat.model: %w", err)}
	case err != nil:
		log.Warn("the language model that was pulled last cannot be used", "error", err)
		return nil, nil //nolint:nilnil // as if there were none
	}
	i := m.Info()
	log.Info("a language model answers", "model", i.Name, "context", i.Context, "memory_at_most", bytesOf(m.Memory()))
	return m, nil
}

// sayKeys prints the keys that the first start has made.
func sayKeys(w io.Writer, k auth.FirstKeys) {
	if k.API == "" {
		return
	}
	fmt.Fprintf(w, `This is the first start. These keys are shown now and never again:

  API key of the project "default"   %s
  admin key                          %s

`, k.API, k.Admin)
}

func newLog(w io.Writer, cfg server.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.Log.Level, ReplaceAttr: withCause}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
