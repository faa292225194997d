package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	billing "github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/server"
	"github.com/kinora-video/kinora/internal/store"
)

// databaseFlags say which server's database a command is about. They are those
// of kinora serve.
type databaseFlags struct {
	Config   string `placeholder:"FILE" env:"KINORA_CONFIG" help:"The server's configuration file; kinora serve --print-config shows what may be in it."`
	Data     string `placeholder:"DIR" env:"KINORA_DATA" help:"The server's folder. Default: kinora in the user's data folder."`
	Database string `placeholder:"URL" env:"KINORA_DATABASE" help:"postgres://…, or a file of SQLite. Default: kinora.db in the server's folder."`
}

// books are the database and its meter, which commands about projects, keys and
// usage work on.
type books struct {
	*store.DB
	meter *billing.Meter
}

// read returns the configuration, in which flags replace what the file says.
func (f *databaseFlags) read() (server.Config, error) {
	cfg, err := server.ReadConfig(f.Config, os.LookupEnv)
	if err != nil {
		return cfg, usageError{err}
	}
	cfg.Data = cmp.Or(f.Data, cfg.Data)
	cfg.Database = cmp.Or(f.Database, cfg.Database)
	if cfg.Data == "" {
		cfg.Data, err = dataFolder()
	}
	return cfg, err
}

// dataFolder is kinora in the user's data folder.
func dataFolder() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kinora"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usagef("there is no home folder to keep data in: name a folder with --data")
	}
	return filepath.Join(home, ".local", "share", "kinora"), nil
}

// with runs do on the server's database. The database must exist, unless create
// is set. The server may be running.
func (f *databaseFlags) with(ctx context.Context, create bool, do func(b *books) error) (err error) {
	cfg, err := f.read()
	if err != nil {
		return err
	}
	where := server.DatabaseOf(cfg)
	at, err := store.ParseAddress(where)
	if err != nil {
		return usageError{err}
	}
	if !create && at.Dialect == store.SQLite {
		if _, err := os.Stat(at.File); errors.Is(err, fs.ErrNotExist) {
			return usagef("there is no database %s: name the server's folder with --data, or start kinora serve once", at.File)
		}
	}
	db, err := store.Open(ctx, where, store.Options{Log: slog.New(slog.DiscardHandler), Readers: 1})
	if err != nil {
		return ours(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := billing.New(db, cfg.Billing)
	if err != nil {
		return usageError{fmt.Errorf("configuration: %w", err)}
	}
	return told(do(&books{db, m}))
}

// ours adds a hint to an error if the server's folder belongs to another user.
func ours(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: name a folder that you may write to with --data, or be the user who runs the server", err)
	}
	return err
}

// lists names, for each kind of thing, the command that lists it.
var lists = map[string]string{
	"project":  "kinora projects list",
	"key":      "kinora keys list --project NAME --all",
	"delivery": "kinora webhooks deliveries --project NAME",
}

// told turns an error of the platform into one for the operator: a usage error if
// a value was wrong, and with a hint if something does not exist.
func told(err error) error {
	var e *job.Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Code == job.Invalid:
		return usageError{err}
	case e.Code == job.NotFound:
		for what, list := range lists {
			if strings.HasPrefix(e.Message, "there is no "+what+" ") {
				return fmt.Errorf("%w: %s shows what there is", err, list)
			}
		}
		return err
	}
	return err
}

// span is a duration that may be given in days: 90d, 36h.
type span time.Duration

// UnmarshalText reads a span.
func (s *span) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil || n > 100*365 {
			return fmt.Errorf("%.20q is no number of days up to %d", text, 100*365)
		}
		*s = span(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%.20q is no time such as 90d or 36h", text)
	}
	*s = span(d)
	return nil
}

// moment is a point in time: a day, which begins at midnight UTC, or a time as
// RFC 3339 writes it.
type moment struct{ time.Time }

// UnmarshalText reads a moment.
func (m *moment) UnmarshalText(text []byte) (err error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if m.Time, err = time.Parse(layout, string(text)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%.40q is neither a day such as 2026-11-25 nor a time such as 2026-11-25T18:00:00Z", text)
}

// day is a time in a table.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// usd is an amount in a table: $0.28, -$3.50.
func usd(micros int64) string {
	s, owes := strings.CutPrefix(store.Dollars(micros).String(), "-")
	if owes {
		return "-$" + s
	}
	return "$" + s
}

// limit is a limit in a table.
func limit(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// table writes rows, whose cells are separated by tabs, in aligned columns.
func table(s streams, rows func(line func(format string, args ...any))) error {
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	rows(func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) })
	return t.Flush()
}
