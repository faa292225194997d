package server

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/text"
)

// ConfigFile is the reference configuration: every key with its default and its
// meaning.
//
//go:embed config.yaml
var ConfigFile []byte

// MaxConfigBytes is how large a configuration file may be.
const MaxConfigBytes = 1 << 20

// Role is the part of the platform that a process runs.
type Role string

// The roles.
const (
	RoleAll    Role = "all"    // both
	RoleAPI    Role = "api"    // takes requests
	RoleWorker Role = "worker" // runs jobs
)

// Config is the configuration. config.yaml documents each key; a test keeps the
// two in step.
type Config struct {
	Listen    string `yaml:"listen"`
	PublicURL string `yaml:"public_url"`
	Data      string `yaml:"data"`
	Database  string `yaml:"database"`
	Blobs     string `yaml:"blobs"`
	Role      Role   `yaml:"role"`
	Workers   int    `yaml:"workers"`
	Log       struct {
		Level  slog.Level `yaml:"level"`
		Format string     `yaml:"format"`
	} `yaml:"log"`
	TrustedProxies []netip.Prefix      `yaml:"trusted_proxies"`
	CORSOrigins    []string            `yaml:"cors_origins"`
	Studio         bool                `yaml:"studio"`
	Models         []service.ModelName `yaml:"models"`
	Jobs           struct {
		Queue    int           `yaml:"queue"`
		Attempts int           `yaml:"attempts"`
		Wait     time.Duration `yaml:"wait"`
		Lease    time.Duration `yaml:"lease"`
		Grace    time.Duration `yaml:"grace"`
		Seconds  int           `yaml:"seconds"`
	} `yaml:"jobs"`
	Limits struct {
		Body         int64 `yaml:"body"`
		Bodies       int64 `yaml:"bodies"`
		AnonymousRPM int   `yaml:"anonymous_rpm"`
		KeyRPM       int   `yaml:"key_rpm"`
		Followers    int   `yaml:"followers"`
		FreeSpace    int64 `yaml:"free_space"`
	} `yaml:"limits"`
	Keep struct {
		Jobs  time.Duration `yaml:"jobs"`
		Files time.Duration `yaml:"files"`
		Links time.Duration `yaml:"links"`
	} `yaml:"keep"`
	Moderation struct {
		Words     map[string][]string `yaml:"words"`
		WordFiles map[string]string   `yaml:"word_files"`
		Webhook   struct {
			URL     string        `yaml:"url"`
			Secret  string        `yaml:"secret"`
			Timeout time.Duration `yaml:"timeout"`
			Open    bool          `yaml:"open"`
		} `yaml:"webhook"`
	} `yaml:"moderation"`
	Upstreams struct {
		Chat struct {
			URL     string        `yaml:"url"`
			Key     string        `yaml:"key"`
			Model   string        `yaml:"model"`
			Timeout time.Duration `yaml:"timeout"`
		} `yaml:"chat"`
		Speech struct {
			URL     string        `yaml:"url"`
			Key     string        `yaml:"key"`
			Timeout time.Duration `yaml:"timeout"`
		} `yaml:"speech"`
	} `yaml:"upstreams"`
	Chat struct {
		Model    string        `yaml:"model"`
		Names    []string      `yaml:"names"`
		Context  int           `yaml:"context"`
		Parallel int           `yaml:"parallel"`
		Queue    int           `yaml:"queue"`
		Timeout  time.Duration `yaml:"timeout"`
	} `yaml:"chat"`
	Egress struct {
		Allow []netip.Prefix `yaml:"allow"`
		Deny  []netip.Prefix `yaml:"deny"`
	} `yaml:"egress"`
	Webhooks struct {
		Workers int           `yaml:"workers"`
		Timeout time.Duration `yaml:"timeout"`
	} `yaml:"webhooks"`
	Billing  meter.Config    `yaml:"billing"`
	Sponsors []meter.Sponsor `yaml:"sponsors"`

	variables []setVariable // used environment variables, whose values no error may repeat
}

// base is the beginning of links that are made outside any request.
func (c *Config) base() string {
	if public := c.public(); public != "" {
		return public
	}
	return (&url.URL{Scheme: "http", Host: c.Listen}).String()
}

// public is the address that customers use, without a final slash; "" if the
// configuration names none.
func (c *Config) public() string { return strings.TrimSuffix(c.PublicURL, "/") }

// DefaultConfig returns the configuration of config.yaml.
func DefaultConfig() Config {
	var c Config
	if err := yaml.UnmarshalWithOptions(ConfigFile, &c, yaml.Strict()); err != nil {
		panic("the built-in configuration: " + err.Error())
	}
	return c
}

// ReadConfig returns the default configuration, changed by the file at path and
// checked. "" means no file. getenv looks up the variables that values name.
func ReadConfig(path string, getenv func(string) (string, bool)) (Config, error) {
	c := DefaultConfig()
	if path == "" {
		return c, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	words, err := text.Read(f, MaxConfigBytes)
	if err == nil {
		err = c.decode(words, getenv)
	}
	if err != nil {
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// decode applies YAML to c.
func (c *Config) decode(words string, getenv func(string) (string, bool)) error {
	words = variables.ReplaceAllString(words, varOpen+"$1"+varClose)
	readable := func(err error) error {
		message := lineOf(err, words) + strings.TrimRight(yaml.FormatError(err, false, true), "\n")
		return fmt.Errorf("%s\n(kinora serve --print-config shows every key and its default)", asWritten.Replace(message))
	}
	file, err := parser.ParseBytes([]byte(words), 0)
	if err != nil {
		return readable(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if body != nil {
			return errMoreDocuments
		}
		body = doc.Body
	}
	if body == nil {
		return nil // nothing but comments
	}
	e := expander{getenv: getenv}
	if body, err = e.expand(body, reflect.TypeFor[Config](), ""); err != nil {
		return err
	}
	c.variables = e.used
	if err := yaml.NodeToValue(body, c, yaml.Strict()); err != nil {
		return c.hide(readable(err))
	}
	return nil
}

// quoted matches a value that an error repeats.
var quoted = regexp.MustCompile(`"([^"]+)"`)

// lineOf returns the line of the value that an error is about, if the decoder
// does not name it: the decoder passes on errors of types such as durations and
// addresses without a position.
func lineOf(err error, text string) string {
	value := quoted.FindStringSubmatch(err.Error())
	if y := yaml.Error(nil); errors.As(err, &y) || value == nil {
		return ""
	}
	for n, line := range strings.Split(text, "\n") {
		if strings.Contains(line, value[1]) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			return fmt.Sprintf("line %d: ", n+1)
		}
	}
	return ""
}

// Check returns the faults of a configuration, by key.
func (c *Config) Check(engines []string) error {
	var wrong []error
	no := func(key, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		no("listen", "%q is not an address with a port, such as 127.0.0.1:8080", c.Listen)
	}
	if c.Role != RoleAll && c.Role != RoleAPI && c.Role != RoleWorker {
		no("role", "%q is not one of api, worker, all", c.Role)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		no("log.format", "%q is neither text nor json", c.Log.Format)
	}
	for key, n := range map[string]struct{ is, least, most int64 }{
		"workers":              {int64(c.Workers), 1, 1024},
		"jobs.queue":           {int64(c.Jobs.Queue), 1, 10_000_000},
		"jobs.attempts":        {int64(c.Jobs.Attempts), 1, job.MaxAttempts},
		"jobs.seconds":         {int64(c.Jobs.Seconds), 1, job.MaxSeconds},
		"limits.body":          {c.Limits.Body, 1 << 20, 1 << 30},
		"limits.bodies":        {c.Limits.Bodies, c.Limits.Body, 1 << 40}, // one body always fits
		"limits.anonymous_rpm": {int64(c.Limits.AnonymousRPM), 1, 1_000_000},
		"limits.key_rpm":       {int64(c.Limits.KeyRPM), 0, store.MaxKeyRPM},
		"limits.followers":     {int64(c.Limits.Followers), 1, 100_000},
		"limits.free_space":    {c.Limits.FreeSpace, 0, 1 << 50},
		"chat.context":         {int64(c.Chat.Context), 64, 1 << 20},
		"chat.parallel":        {int64(c.Chat.Parallel), 1, 64},
		"chat.queue":           {int64(c.Chat.Queue), 0, 10_000},
		"webhooks.workers":     {int64(c.Webhooks.Workers), 1, 256},
	} {
		if n.is < n.least || n.is > n.most {
			no(key, "%d is out of range: %d to %d", n.is, n.least, n.most)
		}
	}
	for key, d := range map[string]struct{ is, least, most time.Duration }{
		"jobs.wait":        {c.Jobs.Wait, time.Second, 30 * 24 * time.Hour},
		"jobs.lease":       {c.Jobs.Lease, time.Second, time.Hour},
		"jobs.grace":       {c.Jobs.Grace, 0, time.Hour},
		"keep.jobs":        {c.Keep.Jobs, time.Minute, 10 * 365 * 24 * time.Hour},
		"keep.files":       {c.Keep.Files, time.Minute, 10 * 365 * 24 * time.Hour},
		"keep.links":       {c.Keep.Links, time.Minute, 7 * 24 * time.Hour},
		"chat.timeout":     {c.Chat.Timeout, time.Second, time.Hour},
		"webhooks.timeout": {c.Webhooks.Timeout, time.Second, time.Minute},
	} {
		if d.is < d.least || d.is > d.most {
			no(key, "%v is out of range: %v to %v", d.is, d.least, d.most)
		}
	}
	for key, u := range map[string]string{
		"public_url": c.PublicURL, "moderation.webhook.url": c.Moderation.Webhook.URL,
		"upstreams.chat.url": c.Upstreams.Chat.URL, "upstreams.speech.url": c.Upstreams.Speech.URL,
	} {
		if p, err := url.Parse(u); u != "" && (err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" || p.RawQuery != "" || p.Fragment != "") {
			no(key, "%q is not an http(s) address without a query", u)
		}
	}
	if c.Database != "" {
		if _, err := store.ParseAddress(c.Database); err != nil {
			no("database", "%v", err)
		}
	}
	c.checkProxies(no)
	c.checkOrigins(no)
	c.checkModels(engines, no)
	c.checkChat(no)
	if err := meter.CheckSponsors(c.Sponsors); err != nil {
		no("sponsors", "%v", err)
	}
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return c.hide(fmt.Errorf("configuration: %w", errors.Join(wrong...)))
	}
	return nil
}

func (c *Config) checkModels(engines []string, no func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, m := range c.Models {
		key := fmt.Sprintf("models[%d]", i)
		switch {
		case m.Name == "" || len(m.Name) > 100:
			no(key, "a name has 1 to 100 characters")
		case seen[m.Name]:
			no(key, "the name %s is used twice", m.Name)
		case !slices.Contains(engines, m.Engine):
			no(key, "there is no local model %q: %s", m.Engine, strings.Join(engines, ", "))
		case m.API != "" && m.API != job.MiniMaxV1 && m.API != job.MiniMaxV2 && m.API != job.OpenAI:
			no(key, "%q is not one of minimax-v1, minimax-v2, openai", m.API)
		}
		seen[m.Name] = true
	}
	if len(c.Models) == 0 {
		no("models", "there is none")
	}
}
