package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// KeysCmd manages the API keys of a server.
type KeysCmd struct {
	Create keysCreate `cmd:"" help:"Make a key, and print it: it is never shown again."`
	List   keysList   `cmd:"" help:"List a project's keys, without the secret part."`
	Rotate keysRotate `cmd:"" help:"Replace a key by a new one."`
	Revoke keysRevoke `cmd:"" help:"End a key now."`
}

// Help is the end of the command's help.
func (KeysCmd) Help() string {
	return `Scopes: jobs:write, jobs:read, files, usage, admin. docs/keys-and-billing.md says what
each lets a key do.

Examples:
  kinora keys create --project acme --name website --expires 365d
  kinora keys create --name dashboard --scope usage --scope jobs:read
  kinora keys rotate 1234567890123456 --overlap 48h`
}

type keysCreate struct {
	databaseFlags
	Project     string   `default:"default" placeholder:"NAME" help:"The project."`
	Name        string   `default:"key" placeholder:"TEXT" help:"What the key is for."`
	Scope       []string `placeholder:"SCOPE" sep:"," help:"What the key may do; may be repeated. Default: all but admin."`
	Expires     span     `placeholder:"TIME" help:"When the key ends by itself, such as 90d or 12h. Default: never."`
	RPM         int      `name:"rpm" placeholder:"N" help:"Requests a minute. Default: limits.key_rpm of the configuration."`
	MaxInFlight int      `placeholder:"N" help:"Jobs that wait or run. Default: no limit of its own."`
}

// Run makes a key.
func (c *keysCreate) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Project)
		if err != nil {
			return err
		}
		key, made, err := auth.Issue(ctx, b.DB, store.Key{
			Project: p.ID, Name: c.Name, Scopes: c.Scope, RPM: c.RPM, MaxInFlight: c.MaxInFlight, ExpiresAt: c.Expires.from(b.Now()),
		})
		if err != nil {
			return err
		}
		sayKey(s, p.Name, key, made)
		return nil
	})
}

// from returns the end of a span that begins at t; a span of 0 has no end.
func (s span) from(t time.Time) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return t.Add(time.Duration(s))
}

// sayKey prints a new key alone on standard output, for scripts, and the words
// about it on standard error.
func sayKey(s streams, project, key string, k store.Key) {
	until := "does not expire"
	if !k.ExpiresAt.IsZero() {
		until = "expires on " + day(k.ExpiresAt) + " UTC"
	}
	fmt.Fprintf(s.err, "key %d of %s, for %s: it %s. Keep it: it is not shown again.\n", k.ID, project, strings.Join(k.Scopes, ", "), until)
	fmt.Fprintln(s.out, key)
}

type keysList struct {
	databaseFlags
	Project string `default:"default" placeholder:"NAME" help:"The project."`
	All     bool   `help:"List keys that have ended, too."`
}

// Run lists keys.
func (c *keysList) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		p, err := b.ProjectNamed(ctx, c.Project)
		if err != nil {
			return err
		}
		all, err := b.Keys(ctx, p.ID)
		if err != nil {
			return err
		}
		now := b.Now()
		return table(s, func(line func(string, ...any)) {
			line("ID\tKEY\tNAME\tSCOPES\tRPM\tIN FLIGHT\tCREATED\tLAST USED\tENDS")
			for _, k := range all {
				if k.Ended(now) && !c.All {
					continue
				}
				ends := day(k.ExpiresAt)
				if !k.RevokedAt.IsZero() {
					ends = "revoked " + day(k.RevokedAt)
				}
				line("%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", k.ID, k.Prefix, k.Name, strings.Join(k.Scopes, ","), limit(k.RPM), limit(k.MaxInFlight),
					day(k.CreatedAt), day(k.LastUsedAt), ends)
			}
		})
	})
}

type keysRotate struct {
	databaseFlags
	ID      string `arg:"" name:"id" help:"The old key's ID, as kinora keys list shows it."`
	Overlap span   `default:"24h" placeholder:"TIME" help:"How long the old key still works; 0s ends it at once."`
	Expires span   `placeholder:"TIME" help:"When the new key ends by itself. Default: never."`
}

// Run rotates a key.
func (c *keysRotate) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		old, p, err := b.keyOf(ctx, c.ID)
		if err != nil {
			return err
		}
		key, made, err := auth.Rotate(ctx, b.DB, p.ID, old.ID, time.Duration(c.Overlap), c.Expires.from(b.Now()))
		if err != nil {
			return err
		}
		if old, err = b.Key(ctx, p.ID, old.ID); err == nil {
			fmt.Fprintf(s.err, "the old key %s ends on %s UTC\n", old.Prefix, day(old.ExpiresAt))
		}
		sayKey(s, p.Name, key, made)
		return nil
	})
}

type keysRevoke struct {
	databaseFlags
	ID string `arg:"" name:"id" help:"The key's ID, as kinora keys list shows it."`
}

// Run revokes a key.
func (c *keysRevoke) Run(ctx context.Context, s streams) error {
	return c.with(ctx, false, func(b *books) error {
		k, p, err := b.keyOf(ctx, c.ID)
		if err != nil {
			return err
		}
		if k, err = b.RevokeKey(ctx, p.ID, k.ID); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "the key %s (%s) of %s is revoked; a running server refuses it within %v\n", k.Prefix, k.Name, p.Name, auth.DefaultRemember)
		return nil
	})
}

// keyOf finds a key and its project by the key's ID.
func (b *books) keyOf(ctx context.Context, id string) (store.Key, store.Project, error) {
	n, err := job.ParseID(id, "")
	if err != nil {
		return store.Key{}, store.Project{}, usagef("%.20q is no ID of a key: kinora keys list shows them, of 16 digits", id)
	}
	k, err := b.KeyOfAny(ctx, int64(n))
	if err != nil {
		return store.Key{}, store.Project{}, err
	}
	p, err := b.Project(ctx, k.Project)
	return k, p, err
}
