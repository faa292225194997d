package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Limits of projects.
const (
	MaxProjectName = 63   // bytes
	MaxWeight      = 1000 // of a project's share
)

// NoDebtLimit is how far below zero the balance of a post-paid project without a
// credit limit may go, in micros: a million million dollars.
const NoDebtLimit = 1_000_000_000_000_000_000

// Project is a tenant. Jobs, files, keys and money belong to a project.
type Project struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Plan     string `json:"plan"`
	Postpaid bool   `json:"postpaid"` // it may owe money
	// CreditLimit is what a post-paid project may owe, in micros; 0 is no limit.
	// For other projects it has no meaning.
	CreditLimit int64 `json:"credit_limit"`
	Weight      int   `json:"weight"`        // share of the workers relative to others, 1 to MaxWeight
	MaxRunning  int   `json:"max_running"`   // running jobs; 0 is no limit
	MaxInFlight int   `json:"max_in_flight"` // queued and running jobs; 0 is no limit
	Sponsored   bool  `json:"sponsored"`     // may be shown a sponsor while it waits

	CreatedAt  time.Time `json:"created_at"`
	DisabledAt time.Time `json:"disabled_at,omitzero"` // its keys are refused from then on
}

// least is the lowest that the balance may be, in micros.
func (p *Project) least() int64 {
	switch {
	case !p.Postpaid:
		return 0
	case p.CreditLimit == 0:
		return -NoDebtLimit
	}
	return -p.CreditLimit
}

var projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// Check returns a job.Error of code Invalid if a field breaks its limit.
func (p *Project) Check() error {
	switch {
	case !projectName.MatchString(p.Name) || len(p.Name) > MaxProjectName:
		return job.Errorf(job.Invalid, "name", "%[2].80q is not a project's name: it has 1 to %[1]d lower-case letters, digits, dots, dashes and underscores, and begins with a letter or digit", MaxProjectName, p.Name)
	case p.Plan == "" || len(p.Plan) > MaxProjectName:
		return job.Errorf(job.Invalid, "plan", "a plan's name has 1 to %d characters", MaxProjectName)
	case p.Weight < 1 || p.Weight > MaxWeight:
		return job.Errorf(job.Invalid, "weight", "weight %d is out of range: 1 to %d", p.Weight, MaxWeight)
	case p.MaxRunning < 0 || p.MaxRunning > 1_000_000:
		return job.Errorf(job.Invalid, "max_running", "%d jobs at a time is out of range: at most 1000000, or 0 for no limit", p.MaxRunning)
	case p.MaxInFlight < 0 || p.MaxInFlight > 1_000_000_000:
		return job.Errorf(job.Invalid, "max_in_flight", "%d jobs in flight is out of range: at most 1000000000, or 0 for no limit", p.MaxInFlight)
	case p.CreditLimit < 0 || p.CreditLimit > MaxAmount:
		return job.Errorf(job.Invalid, "credit_limit", "a credit limit of $%s is out of range: at most $%s, or 0 for none", Dollars(p.CreditLimit), Dollars(MaxAmount))
	}
	return nil
}

const projectColumns = `id, name, plan, postpaid, credit_limit, weight, max_running, max_in_flight, sponsored, created_at, disabled_at`

func scanProject(row interface{ Scan(...any) error }, more ...any) (Project, error) {
	var p Project
	var postpaid, sponsored, created, disabled int64
	err := row.Scan(append([]any{
		&p.ID, &p.Name, &p.Plan, &postpaid, &p.CreditLimit, &p.Weight, &p.MaxRunning, &p.MaxInFlight, &sponsored, &created, &disabled,
	}, more...)...)
	p.Postpaid, p.Sponsored = postpaid != 0, sponsored != 0
	p.CreatedAt, p.DisabledAt = fromMillis(created), fromMillis(disabled)
	return p, err
}

// CreateProject creates a project with an empty wallet, and sets its ID and
// CreatedAt. A name that is taken is a job.Error of code Conflict.
func (db *DB) CreateProject(ctx context.Context, p Project) (made Project, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		made, err = tx.CreateProject(ctx, p)
		return err
	})
	return made, err
}

// CreateProject is DB.CreateProject within a transaction.
func (tx *Tx) CreateProject(ctx context.Context, p Project) (Project, error) {
	if err := p.Check(); err != nil {
		return Project{}, err
	}
	p.ID, p.CreatedAt, p.DisabledAt = NewID(), tx.Now(), time.Time{}
	// A duplicate must not be an error of the statement, which would end a
	// transaction of Postgres.
	n, err := tx.Changed(ctx, `INSERT INTO projects (`+projectColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0) ON CONFLICT (name) DO NOTHING`,
		p.ID, p.Name, p.Plan, bit(p.Postpaid), p.CreditLimit, p.Weight, p.MaxRunning, p.MaxInFlight, bit(p.Sponsored), millis(p.CreatedAt))
	if err != nil {
		return Project{}, fmt.Errorf("create the project %s: %w", p.Name, err)
	}
	if n == 0 {
		return Project{}, job.Errorf(job.Conflict, "name", "there is a project named %s already: choose another name", p.Name)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO wallets (project, least) VALUES ($1, $2)`, p.ID, p.least()); err != nil {
		return Project{}, fmt.Errorf("create the wallet of %s: %w", p.Name, err)
	}
	return p, nil
}

// UpdateProject changes a project: change gets the current values and may set any
// but ID and CreatedAt. If the project owes more than it may after the change,
// the error is a job.Error of code Conflict.
func (db *DB) UpdateProject(ctx context.Context, id int64, change func(*Project) error) (p Project, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		p, err = tx.UpdateProject(ctx, id, change)
		return err
	})
	return p, err
}

// UpdateProject is DB.UpdateProject within a transaction.
func (tx *Tx) UpdateProject(ctx context.Context, id int64, change func(*Project) error) (Project, error) {
	old, err := scanProject(tx.QueryRowContext(ctx, `SELECT `+projectColumns+` FROM projects WHERE id = $1`+tx.Lock(), id))
	if errors.Is(err, sql.ErrNoRows) {
		return Project{}, notFound("project", id)
	} else if err != nil {
		return Project{}, fmt.Errorf("read the project %d: %w", id, err)
	}
	p := old
	if err := change(&p); err != nil {
		return Project{}, err
	}
	p.ID, p.CreatedAt = old.ID, old.CreatedAt
	p.DisabledAt = p.DisabledAt.Truncate(time.Millisecond)
	if err := p.Check(); err != nil {
		return Project{}, err
	}
	if p.Name != old.Name {
		var taken int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM projects WHERE name = $1`, p.Name).Scan(&taken); err != nil {
			return Project{}, err
		} else if taken > 0 {
			return Project{}, job.Errorf(job.Conflict, "name", "there is a project named %s already: choose another name", p.Name)
		}
	}
	if p.least() != old.least() {
		w, err := tx.Wallet(ctx, id)
		if err != nil {
			return Project{}, err
		}
		if w.Balance < p.least() {
			return Project{}, job.Errorf(job.Conflict, "", "the project %s owes $%s, more than the change allows: deposit money first", old.Name, Dollars(-w.Balance))
		}
		if _, err := tx.ExecContext(ctx, `UPDATE wallets SET least = $2 WHERE project = $1`, id, p.least()); err != nil {
			return Project{}, err
		}
	}
	if p.Weight != old.Weight || p.MaxRunning != old.MaxRunning {
		// This takes effect at once for jobs that are queued.
		_, err := tx.ExecContext(ctx, "UPDATE project_load SET weight = $1, max_running = $2 WHERE project = $3", float64(p.Weight), p.MaxRunning, id)
		if err != nil {
			return Project{}, err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE projects SET name = $2, plan = $3, postpaid = $4, credit_limit = $5, weight = $6, max_running = $7,
		max_in_flight = $8, sponsored = $9, disabled_at = $10 WHERE id = $1`,
		id, p.Name, p.Plan, bit(p.Postpaid), p.CreditLimit, p.Weight, p.MaxRunning, p.MaxInFlight, bit(p.Sponsored), millis(p.DisabledAt))
	return p, err
}

// Project returns a project.
func (db *DB) Project(ctx context.Context, id int64) (Project, error) {
	return db.project(ctx, `id = $1`, id)
}

// ProjectNamed returns the project with a name.
func (db *DB) ProjectNamed(ctx context.Context, name string) (Project, error) {
	return db.project(ctx, `name = $1`, name)
}

func (db *DB) project(ctx context.Context, where string, arg any) (p Project, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		p, err = scanProject(q.QueryRowContext(ctx, `SELECT `+projectColumns+` FROM projects WHERE `+where, arg))
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("project", arg)
		}
		return err
	})
	return p, err
}

// Projects lists all projects by name.
func (db *DB) Projects(ctx context.Context) (out []Project, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		out = nil
		rows, err := q.QueryContext(ctx, `SELECT `+projectColumns+` FROM projects ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			p, err := scanProject(rows)
			if err != nil {
				return err
			}
			out = append(out, p)
		}
		return rows.Err()
	})
	return out, err
}

// HasProjects reports whether any project exists.
func (tx *Tx) HasProjects(ctx context.Context) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT id FROM projects LIMIT 1) AS one`).Scan(&n)
	return n > 0, err
}
