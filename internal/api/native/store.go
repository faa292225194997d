package native

import (
	"context"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
)

// storeTenants are Tenants on a database.
type storeTenants struct {
	*store.DB
	meter   *meter.Meter
	changed func() // lets what is remembered of keys be forgotten
}

// CreateProject makes a project with what its plan gives.
func (t storeTenants) CreateProject(ctx context.Context, name, plan string, change func(*store.Project) error) (store.Project, error) {
	p, err := t.meter.NewProject(name, plan)
	if err == nil {
		err = change(&p)
	}
	if err != nil {
		return p, err
	}
	return t.DB.CreateProject(ctx, p)
}

// UpdateProject changes a project.
func (t storeTenants) UpdateProject(ctx context.Context, id int64, plan string, change func(*store.Project) error) (store.Project, error) {
	defer t.changed()
	return t.meter.UpdateProject(ctx, id, plan, change)
}

// IssueKey makes a key.
func (t storeTenants) IssueKey(ctx context.Context, k store.Key) (string, store.Key, error) {
	return auth.Issue(ctx, t.DB, k)
}

// ReplaceKey rotates a key.
func (t storeTenants) ReplaceKey(ctx context.Context, project, id int64, overlap time.Duration, expires time.Time) (string, store.Key, error) {
	defer t.changed()
	return auth.Rotate(ctx, t.DB, project, id, overlap, expires)
}

// RevokeKey ends a key.
func (t storeTenants) RevokeKey(ctx context.Context, project, id int64) (store.Key, error) {
	defer t.changed()
	return t.DB.RevokeKey(ctx, project, id)
}

// storeHooks are Hooks on a database.
type storeHooks struct {
	*store.DB
	checkURL func(string) error
}

// CheckURL is egress.Client's.
func (h storeHooks) CheckURL(rawURL string) error { return h.checkURL(rawURL) }

// storeReports are Reports on a database.
type storeReports struct {
	*meter.Meter
	db *store.DB
}

// UsageTotals sums up.
func (r storeReports) UsageTotals(ctx context.Context, f store.UsageFilter) ([]store.UsageTotal, error) {
	return r.db.UsageTotals(ctx, f)
}

// NewHooks are Hooks on a database. checkURL says what is wrong with the form of
// a URL that is to be posted to.
func NewHooks(db *store.DB, checkURL func(string) error) Hooks { return storeHooks{db, checkURL} }

// NewTenants are Tenants on a database. changed lets what is remembered of keys
// be forgotten.
func NewTenants(db *store.DB, m *meter.Meter, changed func()) Tenants {
	return storeTenants{db, m, changed}
}

// NewReports are Reports on a database.
func NewReports(db *store.DB, m *meter.Meter) Reports { return storeReports{m, db} }
