package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/native"
	"github.com/kinora-video/kinora/internal/api/openai"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/studio"
	"github.com/kinora-video/kinora/internal/text"
	"github.com/kinora-video/kinora/internal/web"
	"github.com/kinora-video/kinora/internal/webhook"
	"github.com/kinora-video/kinora/internal/worker"
)

// Limits of connections.
const (
	headerTime = 10 * time.Second // for reading a request's header
	bodyTime   = 5 * time.Minute  // for reading its body
	idleTime   = 2 * time.Minute
	maxHeader  = 64 << 10
	// drainTime is how long answers in flight may take when the server stops;
	// event streams and ?wait= end at once.
	drainTime = 5 * time.Second
)

// Options configure a Server.
type Options struct {
	Config Config
	// Engines are the local models by name.
	Engines map[string]worker.Engine
	// Talker is the language model of this machine; nil for none.
	Talker service.Talker
	Log    *slog.Logger
}

// Server is a process of the platform: its API, its workers, or both.
type Server struct {
	cfg      Config
	log      *slog.Logger
	db       *store.DB
	blobs    *blob.Store
	auth     *auth.Auth
	service  *service.Service
	metrics  *serverMetrics
	keyless  keyless
	lookups  *rate.Limiter       // of unknown keys, for addresses that used up their own requests
	bodies   *semaphore.Weighted // bytes of request bodies in memory
	apis     []web.API
	native   *native.API
	studio   *studio.Studio // nil where the configuration has none
	sponsors *service.Sponsors
	signer   *blob.Signer // of links
	fetch    *egress.Client
	filter   *moderation.Filter
	meter    *meter.Meter
	engines  map[string]kinora.Capabilities
	door     *web.Router
	front    *web.Front
	handler  http.Handler
	runner   *worker.Runner
	sender   *webhook.Sender
	stopping chan struct{}
	temps    map[string]tempFile // the janitor's
}

// Paths of a data folder.
const (
	databaseFile = "kinora.db"
	mediaFolder  = "media"
	workFolder   = "work"
	linkKeyFile  = "link.key"
)

// DatabaseOf is the address of a configuration's database.
func DatabaseOf(c Config) string {
	if c.Database != "" {
		return c.Database
	}
	return filepath.Join(c.Data, databaseFile)
}

// New opens all parts of a server. Close closes them.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	s := &Server{
		cfg: o.Config, log: o.Log, metrics: newMetrics(), stopping: make(chan struct{}), engines: map[string]kinora.Capabilities{},
		keyless: keyless{rpm: o.Config.Limits.AnonymousRPM}, bodies: semaphore.NewWeighted(o.Config.Limits.Bodies),
		lookups: rate.NewLimiter(lookupRate, lookupBurst),
	}
	defer func() {
		if err != nil {
			s.Close()
			err = s.cfg.hide(err)
		}
	}()
	if err := os.MkdirAll(s.cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if s.db, err = store.Open(ctx, DatabaseOf(s.cfg), store.Options{Log: s.log, Deliveries: s.cfg.Webhooks.Workers}); err != nil {
		return nil, err
	}
	s.db.OnChange(webhook.OnChange)
	where := s.cfg.Blobs
	if where == "" {
		where = filepath.Join(s.cfg.Data, mediaFolder)
	}
	if s.blobs, err = blob.Open(ctx, where); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if s.service, err = s.newService(o); err != nil {
		return nil, err
	}
	s.auth = auth.New(s.db, auth.Options{RPM: s.cfg.Limits.KeyRPM, Failed: func(err error) { s.log.Warn("the last use of keys could not be written", "error", err) }})
	s.sender = &webhook.Sender{
		Store: s.db, To: s.fetch, Render: renderer{s.service}, Timeout: s.cfg.Webhooks.Timeout, Log: s.log,
		Count: s.metrics.delivered,
	}
	if s.runner, err = s.newRunner(o.Engines); err != nil {
		return nil, err
	}
	s.addAPIs()
	if s.cfg.Studio && s.cfg.Role != RoleWorker {
		if s.studio, err = studio.New(studio.Options{Sessions: s.auth, Check: s.check}); err != nil {
			return nil, fmt.Errorf("studio: %w", err)
		}
	}
	if s.door, err = s.routes(); err != nil {
		return nil, err
	}
	s.front = &web.Front{
		Proxies: web.Proxies{Trusted: s.cfg.TrustedProxies, Base: s.cfg.public()}, MaxBody: s.cfg.Limits.Body, Log: s.log, Count: s.metrics.answered,
		Fail: func(w http.ResponseWriter, r *http.Request, err error) { s.door.APIFor(r.URL.Path).Fail(w, r, err) },
	}
	s.handler = s.front.Wrap(web.AllowOrigins(s.cfg.CORSOrigins, s.door))
	return s, nil
}

// addAPIs creates the APIs on the service.
func (s *Server) addAPIs() {
	s.sponsors = service.NewSponsors(s.service)
	s.apis = minimax.New(s.service)
	others := []native.OtherAPI{{Tag: "openai", API: openai.New(s.service)}}
	for _, a := range s.apis {
		others = append(others, native.OtherAPI{Tag: "minimax", API: a})
	}
	s.native = native.New(native.Parts{
		Service:  s.service,
		Hooks:    native.NewHooks(s.db, s.fetch.CheckURL),
		Tenants:  native.NewTenants(s.db, s.meter, s.auth.Forget),
		Reports:  native.NewReports(s.db, s.meter),
		Sponsors: s.sponsors,
		Others:   others,
		Stopping: s.stopping,
	})
	s.apis = append(s.apis, others[0].API, s.native)
}

// Bootstrap creates a default project and its keys at the first start.
func (s *Server) Bootstrap(ctx context.Context) (auth.FirstKeys, error) {
	return auth.Bootstrap(ctx, s.db)
}

// Invite returns an address that signs one browser in, once, with every scope that
// the key of this machine has. The key is made when there is none; nobody ever sees
// it, and who revokes it ends the sessions. base is what the address begins with.
func (s *Server) Invite(ctx context.Context, base string) (string, error) {
	if s.studio == nil {
		return "", errors.New("this server has no studio: its configuration says studio: false")
	}
	who, err := auth.OwnKey(ctx, s.db)
	if err != nil {
		return "", err
	}
	return base + s.studio.Invite(who), nil
}

// newService creates the service and the parts that it needs.
func (s *Server) newService(o Options) (*service.Service, error) {
	c := s.cfg
	for name, e := range o.Engines {
		s.engines[name] = e.Capabilities()
	}
	secret, err := linkKey(c.Data)
	if err != nil {
		return nil, err
	}
	if s.signer, err = blob.NewSigner(secret); err != nil {
		return nil, err
	}
	if s.fetch, err = egress.New(egress.Options{Allow: c.Egress.Allow, Deny: c.Egress.Deny}); err != nil {
		return nil, err
	}
	chat, err := upstream(c.Upstreams.Chat.URL, c.Upstreams.Chat.Key, c.Upstreams.Chat.Timeout)
	if err != nil {
		return nil, fmt.Errorf("upstreams.chat: %w", err)
	}
	speech, err := upstream(c.Upstreams.Speech.URL, c.Upstreams.Speech.Key, c.Upstreams.Speech.Timeout)
	if err != nil {
		return nil, fmt.Errorf("upstreams.speech: %w", err)
	}
	if s.filter, err = s.newFilter(); err != nil {
		return nil, err
	}
	if s.meter, err = meter.New(s.db, c.Billing); err != nil {
		return nil, err
	}
	return service.New(service.Options{
		DB: s.db, Blobs: s.blobs, Signer: s.signer, Fetch: s.fetch, Filter: s.filter, Meter: s.meter, Callbacks: webhook.Challenger{To: s.fetch},
		Chatter: chat, ChatModel: c.Upstreams.Chat.Model, Speech: speech, Engines: s.engines, Log: s.log,
		Talk: service.LocalChat{
			Model: o.Talker, Names: c.Chat.Names, Parallel: c.Chat.Parallel, Queue: c.Chat.Queue, Timeout: c.Chat.Timeout,
		},
		Models: c.Models, Sponsors: c.Sponsors, Address: c.base(),
		Queue: c.Jobs.Queue, Attempts: c.Jobs.Attempts, Patience: c.Jobs.Wait, Seconds: c.Jobs.Seconds, Waiters: c.Limits.Followers,
		FreeSpace: c.Limits.FreeSpace, FileBytes: c.Limits.Body, KeepFiles: c.Keep.Files, KeepLinks: c.Keep.Links,
	}), nil
}

func upstream(url, key string, timeout time.Duration) (*egress.Upstream, error) {
	if url == "" {
		return nil, nil //nolint:nilnil // none is configured
	}
	return egress.NewUpstream(egress.UpstreamOptions{BaseURL: url, APIKey: key, HeaderTimeout: timeout})
}

// newFilter reads the word lists and sets up the operator's moderation service.
func (s *Server) newFilter() (*moderation.Filter, error) {
	m := s.cfg.Moderation
	o := moderation.Options{Words: map[string][]string{}}
	for lang, words := range m.Words {
		o.Words[lang] = append(o.Words[lang], words...)
	}
	for lang, path := range m.WordFiles {
		words, err := wordsOf(path)
		if err != nil {
			return nil, fmt.Errorf("moderation.word_files: %w", err)
		}
		o.Words[lang] = append(o.Words[lang], words...)
	}
	if m.Webhook.URL != "" {
		to, err := upstream(m.Webhook.URL, "", m.Webhook.Timeout)
		if err != nil {
			return nil, fmt.Errorf("moderation.webhook: %w", err)
		}
		o.Hook = &moderation.Webhook{
			To: webhook.Hook{To: to, Secret: m.Webhook.Secret}, Timeout: m.Webhook.Timeout, Open: m.Webhook.Open,
			Failed: func(err error) { s.log.Error("moderation", "error", err) },
		}
	}
	return moderation.New(o)
}

// maxWordFile is how large a word list may be, in bytes.
const maxWordFile = 16 << 20

// wordsOf returns the entries of a word list: one a line, without comments.
func wordsOf(path string) (words []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := text.Read(f, maxWordFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for line := range text.Lines(all) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, line)
		}
	}
	return words, nil
}

// routes returns the table of all paths. A process that only runs jobs has only
// those for monitoring.
func (s *Server) routes() (*web.Router, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.metrics.handler(s.db))
	if s.cfg.Role == RoleWorker {
		d := web.NewRouter(mux, s.apis)
		d.Purpose = "this process only runs jobs; a process of role api or all answers requests"
		return d, nil
	}
	for _, a := range s.apis {
		for _, rt := range a.Routes() {
			mux.Handle(rt.Pattern, s.guard(a, rt))
		}
	}
	pages, err := s.native.Pages()
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		mux.HandleFunc(p.Pattern, p.Handle)
	}
	mux.HandleFunc("GET "+service.MediaPath+"{key...}", s.serveMedia)
	mux.HandleFunc("GET "+service.SponsorPath+"{sponsor}/{job}", s.sponsorClick)
	home := web.DocsPath
	if s.studio != nil {
		home = studio.Path
		mux.Handle("GET "+studio.Path, s.studio.Handler())
		mux.Handle("POST "+studio.Path, s.studio.Handler())
	}
	mux.Handle("GET /{$}", http.RedirectHandler(home, http.StatusFound))
	return web.NewRouter(mux, s.apis), nil
}

// readyTime bounds an answer of /readyz.
const readyTime = 2 * time.Second

// ready answers whether requests would be served.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	err := s.db.Ping(ctx)
	if err == nil {
		err = s.service.CheckRoom()
	}
	if err == nil && s.blobs.Check(ctx) != nil {
		err = errors.New("media cannot be written")
	}
	if err == nil {
		if checkTemp(os.TempDir()) != nil {
			err = errors.New("temporary files cannot be written: large uploads, sound and the joining of videos would fail")
		}
	}
	select {
	case <-s.stopping:
		err = errors.New("the server is stopping")
	default:
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
	if note := s.encoderNote(ctx); note != "" {
		fmt.Fprintln(w, "note:", note)
	}
}

// Config is the server's configuration.
func (s *Server) Config() Config { return s.cfg }

// Handler answers requests; for tests and for Run.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves until ctx ends. Then it stops in order: it takes no more requests
// and jobs, and gives running ones their grace. A nil ln answers no requests.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	if s.cfg.PublicURL == "" {
		s.log.Warn("public_url is not set: links in webhooks and callbacks begin with an address that their receivers may not reach", "address", s.cfg.base())
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	ctx, stop := context.WithCancel(ctx) // also when the listener fails
	defer stop()
	qc := store.QueueConfig{Refund: s.meter.Refund, Deliver: s.sender.Deliver, DeliverTime: s.sender.Longest()}
	if s.cfg.Role != RoleAPI {
		qc.Workers, qc.Work = s.cfg.Workers, s.runner.Work
	}
	queue, err := s.db.StartQueue(life, qc)
	if err != nil {
		return err
	}
	var side sync.WaitGroup
	side.Go(func() { s.janitor(ctx) })
	side.Go(func() {
		if note := s.encoderNote(ctx); note != "" {
			s.log.Warn(note)
		}
	})
	failed := make(chan error, 1)
	hs := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return life },
	}
	if ln != nil {
		go func() { failed <- hs.Serve(ln) }()
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	stop()
	close(s.stopping)
	s.log.Info("stopping: running jobs have this long to finish; a second signal ends at once", "grace", s.cfg.Jobs.Grace, "waiting", s.service.Waiting())
	var stopErr error
	side.Go(func() { // at the same time, so that no job begins while answers are sent
		grace, cancel := context.WithTimeout(life, s.cfg.Jobs.Grace)
		defer cancel()
		stopErr = queue.Stop(grace)
	})
	if ln != nil {
		soon, cancel := context.WithTimeout(life, drainTime)
		if hs.Shutdown(soon) != nil {
			hs.Close()
		}
		cancel()
	}
	side.Wait()
	return errors.Join(err, stopErr)
}

// Close closes all parts of the server.
func (s *Server) Close() {
	if s.auth != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := s.auth.Close(ctx); err != nil {
			s.log.Warn("the last use of keys could not be written", "error", err)
		}
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.log.Warn("the database could not be closed", "error", err)
		}
	}
	if s.blobs != nil {
		if err := s.blobs.Close(); err != nil {
			s.log.Warn("the media store could not be closed", "error", err)
		}
	}
}

// newRunner creates the worker that claims and runs jobs.
func (s *Server) newRunner(engines map[string]worker.Engine) (*worker.Runner, error) {
	o := worker.Options{
		DB: s.db, Blobs: s.blobs, Engines: engines, Dir: filepath.Join(s.cfg.Data, workFolder), Lease: s.cfg.Jobs.Lease,
		Keep: s.cfg.Keep.Jobs, Settle: s.meter.Settle, Observe: s.metrics, Log: s.log,
	}
	if s.filter.Watches() {
		o.Review = s.filter.Output
	}
	if s.service.HasChat() {
		o.Contexts = s.service
	}
	return worker.New(o)
}
