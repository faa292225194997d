package native

import (
	"context"
	"net/http"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// Tenants keeps projects and keys.
type Tenants interface {
	Projects(ctx context.Context) ([]store.Project, error)
	Project(ctx context.Context, id int64) (store.Project, error)
	// CreateProject makes a project on a plan, "" being that of new projects;
	// change may set what the plan gives otherwise.
	CreateProject(ctx context.Context, name, plan string, change func(*store.Project) error) (store.Project, error)
	// UpdateProject changes the plan, where one is named, and then what change sets.
	UpdateProject(ctx context.Context, id int64, plan string, change func(*store.Project) error) (store.Project, error)
	Wallet(ctx context.Context, project int64) (store.Wallet, error)
	// Deposit adds micros to a balance, or takes them where they are negative;
	// once for each ref.
	Deposit(ctx context.Context, project, amount int64, ref, note string) (w store.Wallet, done bool, err error)
	Keys(ctx context.Context, project int64) ([]store.Key, error)
	// IssueKey makes a key; the string is the key itself, shown once.
	IssueKey(ctx context.Context, k store.Key) (string, store.Key, error)
	// ReplaceKey makes a key in the place of another, which works for the
	// overlap still.
	ReplaceKey(ctx context.Context, project, id int64, overlap time.Duration, expires time.Time) (string, store.Key, error)
	RevokeKey(ctx context.Context, project, id int64) (store.Key, error)
}

// Prefixes of ids.
const (
	projectPrefix = "project_"
	keyIDPrefix   = "key_"
)

// Project is a project as the operator sees it.
type Project struct {
	ID          string     `json:"id" example:"project_4503599627370500"`
	Name        string     `json:"name"`
	Plan        string     `json:"plan"`
	Postpaid    bool       `json:"postpaid" doc:"It may owe money."`
	CreditLimit string     `json:"credit_limit_usd" doc:"What it may owe, where it is post-paid; 0 is no limit."`
	Weight      int        `json:"weight" doc:"Of its turns in the queue: twice the weight gets twice the turns."`
	MaxRunning  int        `json:"max_running" doc:"Jobs that run at a time; 0 is no limit."`
	MaxInFlight int        `json:"max_in_flight" doc:"Jobs that wait or run; 0 is no limit."`
	Sponsored   bool       `json:"sponsored" doc:"It may be shown a sponsor while it waits."`
	CreatedAt   time.Time  `json:"created_at"`
	DisabledAt  *time.Time `json:"disabled_at,omitempty" doc:"Since when its keys are refused."`
	BalanceUSD  string     `json:"balance_usd,omitempty" doc:"Not in lists, nor where a project may spend without a limit and no deposit was noted: used_usd tells."`
	UsedUSD     string     `json:"used_usd,omitempty" doc:"What was charged so far. Not in lists."`
	HeldUSD     string     `json:"held_usd,omitempty" doc:"Set aside for jobs in flight. Not in lists."`
}

func projectOf(p store.Project) Project {
	return Project{
		ID: projectPrefix + job.ID(p.ID).String(), Name: p.Name, Plan: p.Plan, Postpaid: p.Postpaid, CreditLimit: store.Dollars(p.CreditLimit).String(),
		Weight: p.Weight, MaxRunning: p.MaxRunning, MaxInFlight: p.MaxInFlight, Sponsored: p.Sponsored, CreatedAt: p.CreatedAt.UTC(), DisabledAt: timeOf(p.DisabledAt),
	}
}

// withWallet is a project with its money.
func (n *API) withWallet(ctx context.Context, p store.Project) (*projectOut, error) {
	w, err := n.Tenants.Wallet(ctx, p.ID)
	out := &projectOut{projectOf(p)}
	out.Body.UsedUSD, out.Body.HeldUSD = store.Dollars(w.Revenue).String(), store.Dollars(w.Held).String()
	if w.HasBalance() {
		out.Body.BalanceUSD = store.Dollars(w.Balance).String()
	}
	return out, err
}

// Key is an API key without its secret.
type Key struct {
	ID          string     `json:"id" example:"key_4503599627370501"`
	Project     string     `json:"project"`
	Name        string     `json:"name"`
	Prefix      string     `json:"prefix" doc:"Its first characters."`
	Scopes      []string   `json:"scopes"`
	RPM         int        `json:"rpm" doc:"Requests a minute; 0 is no limit of its own, but the server's (limits.key_rpm)."`
	MaxInFlight int        `json:"max_in_flight" doc:"Jobs that wait or run; 0 is no limit of its own."`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty" doc:"To about a minute."`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	Key         string     `json:"key,omitempty" doc:"The key itself, when it is made, and never again: only its SHA-256 is kept."`
}

func keyOf(k store.Key) Key {
	return Key{
		ID: keyIDPrefix + job.ID(k.ID).String(), Project: projectPrefix + job.ID(k.Project).String(), Name: k.Name, Prefix: k.Prefix, Scopes: k.Scopes,
		RPM: k.RPM, MaxInFlight: k.MaxInFlight, CreatedAt: k.CreatedAt.UTC(), ExpiresAt: timeOf(k.ExpiresAt), LastUsedAt: timeOf(k.LastUsedAt), RevokedAt: timeOf(k.RevokedAt),
	}
}

// ProjectPath is the part of a path that names a project.
type ProjectPath struct {
	ID string `path:"id" doc:"The project's id." example:"project_4503599627370500"`
}

func (in *ProjectPath) number() (int64, error) { return parseNumber(in.ID, projectPrefix, "project") }

type projectOut struct {
	Body Project
}

type projectList struct {
	Data []Project `json:"data"`
}

type projectsOut struct {
	Body projectList
}

// ProjectLimits are what may be set of a project; what is left out is as the
// plan has it, or as it was.
type ProjectLimits struct {
	Plan        string `json:"plan,omitempty" maxLength:"63" doc:"One of the server's plans. What it gives is set anew; left out, it is the plan of new projects, or stays."`
	Postpaid    *bool  `json:"postpaid,omitempty"`
	CreditLimit string `json:"credit_limit_usd,omitempty" example:"100.00"`
	Weight      *int   `json:"weight,omitempty" minimum:"1" maximum:"1000"`
	MaxRunning  *int   `json:"max_running,omitempty" minimum:"0"`
	MaxInFlight *int   `json:"max_in_flight,omitempty" minimum:"0"`
	Sponsored   *bool  `json:"sponsored,omitempty"`
}

// set changes a project.
func (l *ProjectLimits) set(p *store.Project) error {
	put(&p.Postpaid, l.Postpaid)
	put(&p.Weight, l.Weight)
	put(&p.MaxRunning, l.MaxRunning)
	put(&p.MaxInFlight, l.MaxInFlight)
	put(&p.Sponsored, l.Sponsored)
	if l.CreditLimit != "" {
		limit, err := store.ParseDollars(l.CreditLimit)
		if err != nil {
			return job.Errorf(job.Invalid, "credit_limit_usd", "credit_limit_usd: %v", err)
		}
		p.CreditLimit = int64(limit)
	}
	return nil
}

func put[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

type newProject struct {
	Name string `json:"name" minLength:"1" maxLength:"63" pattern:"^[a-z0-9][a-z0-9._-]*$" example:"acme"`
	ProjectLimits
}

type newProjectIn struct {
	Body newProject
}

type changedProject struct {
	Name     string `json:"name,omitempty" maxLength:"63" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Disabled *bool  `json:"disabled,omitempty" doc:"Whether its keys are refused."`
	ProjectLimits
}

type changeProjectIn struct {
	ProjectPath
	Body changedProject
}

type newDeposit struct {
	AmountUSD string `json:"amount_usd" doc:"In dollars, with at most six decimals. A negative one is paid back." example:"25.00"`
	Ref       string `json:"ref" minLength:"1" maxLength:"100" doc:"Names the deposit: with the same ref it is made once." example:"invoice-2026-001"`
	Note      string `json:"note,omitempty" maxLength:"200"`
}

type depositIn struct {
	ProjectPath
	Body newDeposit
}

// KeyPath is the part of a path that names a key.
type KeyPath struct {
	ProjectPath
	Key string `path:"key" doc:"The key's id." example:"key_4503599627370501"`
}

// numbers are the project's and the key's.
func (in *KeyPath) numbers() (project, key int64, err error) {
	if project, err = in.number(); err != nil {
		return 0, 0, err
	}
	key, err = parseNumber(in.Key, keyIDPrefix, "key")
	return project, key, err
}

type keyOut struct {
	Body Key
}

type keyList struct {
	Data []Key `json:"data"`
}

type keysOut struct {
	Body keyList
}

type newKey struct {
	Name        string    `json:"name" minLength:"1" maxLength:"100" example:"production"`
	Scopes      []string  `json:"scopes,omitempty" doc:"Of jobs:write, jobs:read, files, usage and admin; all but admin where it is left out."`
	RPM         int       `json:"rpm,omitempty" minimum:"0" doc:"Requests a minute; left out, the server's own limit holds (limits.key_rpm)."`
	MaxInFlight int       `json:"max_in_flight,omitempty" minimum:"0"`
	ExpiresAt   time.Time `json:"expires_at,omitzero" required:"false" doc:"It never ends where it is left out."`
}

type newKeyIn struct {
	ProjectPath
	Body newKey
}

// overlapDefault is how long a key that was rotated works still.
const overlapDefault = 24 * time.Hour

type rotatedKey struct {
	OverlapHours *int      `json:"overlap_hours,omitempty" minimum:"0" maximum:"2160" doc:"How long the old key works still: 24 where it is left out, and 0 ends it at once."`
	ExpiresAt    time.Time `json:"expires_at,omitzero" required:"false" doc:"When the new key ends; never where it is left out."`
}

type rotateIn struct {
	KeyPath
	Body *rotatedKey `required:"false"`
}

func (n *API) addAdmin() {
	op := func(id, method, path, summary, more string, status int, errs ...job.Code) operation {
		return operation{id: id, method: method, path: "/v1/admin/projects" + path, scope: web.ScopeAdmin, tag: "admin", summary: summary, more: more, status: status, errors: errs}
	}
	register(n, op("list-projects", http.MethodGet, "", "List projects", "", 0), func(ctx context.Context, _ *struct{}) (*projectsOut, error) {
		list, err := n.Tenants.Projects(ctx)
		out := &projectsOut{projectList{Data: []Project{}}}
		for _, p := range list {
			out.Body.Data = append(out.Body.Data, projectOf(p))
		}
		return out, err
	})
	register(n, op("create-project", http.MethodPost, "", "Make a project", "It has no key yet.", http.StatusCreated, job.Invalid, job.Conflict),
		func(ctx context.Context, in *newProjectIn) (*projectOut, error) {
			p, err := n.Tenants.CreateProject(ctx, in.Body.Name, in.Body.Plan, in.Body.set)
			if err != nil {
				return nil, err
			}
			return n.withWallet(ctx, p)
		})
	register(n, op("get-project", http.MethodGet, "/{id}", "Look at a project", "", 0, job.NotFound), func(ctx context.Context, in *ProjectPath) (*projectOut, error) {
		id, err := in.number()
		if err != nil {
			return nil, err
		}
		p, err := n.Tenants.Project(ctx, id)
		if err != nil {
			return nil, err
		}
		return n.withWallet(ctx, p)
	})
	register(n, op("change-project", http.MethodPatch, "/{id}", "Change a project", "Limits of a disabled project stay; what it has in flight goes on.", 0, job.Invalid, job.NotFound, job.Conflict), n.changeProject)
	register(n, op("deposit", http.MethodPost, "/{id}/deposits", "Pay into a project's balance", "", 0, job.Invalid, job.NotFound), n.deposit)
	register(n, op("list-keys", http.MethodGet, "/{id}/keys", "List a project's keys", "Those that ended too.", 0, job.NotFound), n.keys)
	register(n, op("create-key", http.MethodPost, "/{id}/keys", "Make a key", "The answer shows it, once.", http.StatusCreated, job.Invalid, job.NotFound), n.newKey)
	register(n, op("rotate-key", http.MethodPost, "/{id}/keys/{key}/rotate", "Put a new key in the place of one", "With its name, scopes and limits. The answer shows it, once.", http.StatusCreated, job.Invalid, job.NotFound, job.Conflict), n.rotateKey)
	register(n, op("revoke-key", http.MethodDelete, "/{id}/keys/{key}", "End a key", "", 0, job.NotFound), func(ctx context.Context, in *KeyPath) (*keyOut, error) {
		project, id, err := in.numbers()
		if err != nil {
			return nil, err
		}
		k, err := n.Tenants.RevokeKey(ctx, project, id)
		return &keyOut{keyOf(k)}, err
	})
}

func (n *API) changeProject(ctx context.Context, in *changeProjectIn) (*projectOut, error) {
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	p, err := n.Tenants.UpdateProject(ctx, id, in.Body.Plan, func(p *store.Project) error {
		if in.Body.Name != "" {
			p.Name = in.Body.Name
		}
		switch off := in.Body.Disabled; {
		case off != nil && !*off:
			p.DisabledAt = time.Time{}
		case off != nil && p.DisabledAt.IsZero():
			p.DisabledAt = stored(time.Now())
		}
		return in.Body.set(p)
	})
	if err != nil {
		return nil, err
	}
	return n.withWallet(ctx, p)
}

func (n *API) deposit(ctx context.Context, in *depositIn) (*projectOut, error) {
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	amount, err := store.ParseDollars(in.Body.AmountUSD)
	if err != nil {
		return nil, job.Errorf(job.Invalid, "amount_usd", "amount_usd: %v", err)
	}
	if _, _, err := n.Tenants.Deposit(ctx, id, int64(amount), in.Body.Ref, in.Body.Note); err != nil {
		return nil, err
	}
	p, err := n.Tenants.Project(ctx, id)
	if err != nil {
		return nil, err
	}
	return n.withWallet(ctx, p)
}

func (n *API) keys(ctx context.Context, in *ProjectPath) (*keysOut, error) {
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	if _, err := n.Tenants.Project(ctx, id); err != nil {
		return nil, err
	}
	list, err := n.Tenants.Keys(ctx, id)
	out := &keysOut{keyList{Data: []Key{}}}
	for _, k := range list {
		out.Body.Data = append(out.Body.Data, keyOf(k))
	}
	return out, err
}

func (n *API) newKey(ctx context.Context, in *newKeyIn) (*keyOut, error) {
	id, err := in.number()
	if err != nil {
		return nil, err
	}
	if _, err := n.Tenants.Project(ctx, id); err != nil {
		return nil, err
	}
	b := in.Body
	shown, k, err := n.Tenants.IssueKey(ctx, store.Key{Project: id, Name: b.Name, Scopes: b.Scopes, RPM: b.RPM, MaxInFlight: b.MaxInFlight, ExpiresAt: b.ExpiresAt})
	out := &keyOut{keyOf(k)}
	out.Body.Key = shown
	return out, err
}

func (n *API) rotateKey(ctx context.Context, in *rotateIn) (*keyOut, error) {
	project, id, err := in.numbers()
	if err != nil {
		return nil, err
	}
	overlap, expires := overlapDefault, time.Time{}
	if b := in.Body; b != nil {
		expires = b.ExpiresAt
		if b.OverlapHours != nil {
			overlap = time.Duration(*b.OverlapHours) * time.Hour
		}
	}
	shown, k, err := n.Tenants.ReplaceKey(ctx, project, id, overlap, expires)
	out := &keyOut{keyOf(k)}
	out.Body.Key = shown
	return out, err
}
