package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// usagePage is how many charges one query reads, so that a slow reader of a
// report holds no database connection.
const usagePage = 1000

// UsageFilter selects charges. The zero value selects all.
type UsageFilter struct {
	Project  int64     // 0 is all
	From, To time.Time // when the work was requested, To excluded; zero is no bound
	Model    string    // "" is all
	Outcome  Outcome   // "" is all
}

// where returns the filter as an SQL condition with its arguments.
func (f UsageFilter) where() (string, []any) {
	conds, args := []string{"1 = 1"}, []any{}
	add := func(cond string, arg any) {
		args = append(args, arg)
		conds = append(conds, fmt.Sprintf(cond, len(args)))
	}
	if f.Project != 0 {
		add("project = $%d", f.Project)
	}
	if !f.From.IsZero() {
		add("created_at >= $%d", millis(f.From))
	}
	if !f.To.IsZero() {
		add("created_at < $%d", millis(f.To))
	}
	if f.Model != "" {
		add("model = $%d", f.Model)
	}
	if f.Outcome != "" {
		add("outcome = $%d", string(f.Outcome))
	}
	return strings.Join(conds, " AND "), args
}

// Usage calls yield with each charge that the filter selects, ordered by project
// and then by time. An error of yield ends it and is returned. The charges are
// read in pages, so a charge that changes meanwhile may appear in its old or its
// new state.
func (db *DB) Usage(ctx context.Context, f UsageFilter, yield func(Charge) error) error {
	var last *Charge
	for {
		page, err := db.usagePage(ctx, f, last)
		if err != nil {
			return fmt.Errorf("read the usage: %w", err)
		}
		for _, c := range page {
			if err := yield(c); err != nil {
				return err
			}
		}
		if len(page) < usagePage {
			return nil
		}
		last = &page[len(page)-1]
	}
}

func (db *DB) usagePage(ctx context.Context, f UsageFilter, last *Charge) (page []Charge, err error) {
	where, args := f.where()
	if last != nil {
		n := len(args)
		where += fmt.Sprintf(" AND (project, created_at, job) > ($%d, $%d, $%d)", n+1, n+2, n+3)
		args = append(args, last.Project, millis(last.CreatedAt), int64(last.Job))
	}
	query := fmt.Sprintf(`SELECT `+chargeColumns+` FROM charges WHERE %s ORDER BY project, created_at, job LIMIT %d`, where, usagePage)
	err = db.Read(ctx, func(q Queryer) error {
		page = nil
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c, err := scanCharge(rows)
			if err != nil {
				return err
			}
			page = append(page, c)
		}
		return rows.Err()
	})
	return page, err
}

// UsageTotal is the sum of charges with the same project, kind, model and
// outcome.
type UsageTotal struct {
	Project int64         `json:"project"`
	Kind    string        `json:"kind"`
	Model   string        `json:"model"`
	Outcome Outcome       `json:"outcome"`
	Jobs    int64         `json:"jobs"`
	Length  time.Duration `json:"-"` // of video
	Units   int64         `json:"units"`
	Charged int64         `json:"charged"` // micros
}

// UsageTotals sums up the charges that the filter selects.
func (db *DB) UsageTotals(ctx context.Context, f UsageFilter) (out []UsageTotal, err error) {
	where, args := f.where()
	err = db.Read(ctx, func(q Queryer) error {
		out = nil
		rows, err := q.QueryContext(ctx, `SELECT project, kind, model, outcome, count(*), CAST(sum(millis) AS BIGINT), CAST(sum(units) AS BIGINT), CAST(sum(charged) AS BIGINT)
			FROM charges WHERE `+where+` GROUP BY project, kind, model, outcome ORDER BY project, kind, model, outcome`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t UsageTotal
			var length int64
			if err := rows.Scan(&t.Project, &t.Kind, &t.Model, &t.Outcome, &t.Jobs, &length, &t.Units, &t.Charged); err != nil {
				return err
			}
			t.Length = time.Duration(length) * time.Millisecond
			out = append(out, t)
		}
		return rows.Err()
	})
	return out, err
}

// ledgerFaults are queries that return one row for each fault of the ledger: a
// description, and the ID of the project, job or posting. The CHECKs of the
// tables prevent most faults; these queries find the others.
var ledgerFaults = []string{
	`SELECT 'the accounts do not sum to zero', project FROM wallets
		WHERE balance + held + credits + revenue + deposits + grants <> 0`,
	`SELECT 'an account is below its limit', project FROM wallets
		WHERE balance < least OR held < 0 OR credits < 0 OR revenue < 0 OR grants > 0`,
	`SELECT 'what is held is not what open jobs reserved', w.project FROM wallets w WHERE w.held <>
		(SELECT coalesce(sum(from_credits + from_balance), 0) FROM charges c WHERE c.project = w.project AND c.outcome = 'open')`,
	`SELECT 'what was earned is not what jobs were charged', w.project FROM wallets w WHERE w.revenue <>
		(SELECT coalesce(sum(charged), 0) FROM charges c WHERE c.project = w.project)`,
	`SELECT 'a posting has no entries', id FROM ledger l WHERE NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.posting = l.id)`,
	`SELECT 'a finished job has an open charge', j.id FROM jobs j JOIN charges c ON c.job = j.id
		WHERE c.outcome = 'open' AND j.state NOT IN ('queued', 'running')`,
	`SELECT 'an unfinished job has a charge that has ended', j.id FROM jobs j JOIN charges c ON c.job = j.id
		WHERE c.outcome <> 'open' AND j.state IN ('queued', 'running')`,
}

func init() {
	for _, a := range accounts {
		ledgerFaults = append(ledgerFaults, fmt.Sprintf(`SELECT 'the account %[1]s is not the sum of its entries', w.project
			FROM wallets w LEFT JOIN (
				SELECT l.project AS project, sum(CASE WHEN e.target = '%[1]s' THEN e.amount ELSE 0 END) - sum(CASE WHEN e.source = '%[1]s' THEN e.amount ELSE 0 END) AS amount
				FROM ledger_entries e JOIN ledger l ON l.id = e.posting GROUP BY l.project) s ON s.project = w.project
			WHERE w.%[1]s <> coalesce(s.amount, 0)`, string(a)))
	}
}

// maxFaults is how many faults CheckLedger lists.
const maxFaults = 20

// CheckLedger reads the whole ledger on one snapshot and returns an error that
// lists what does not balance. Its time is proportional to the size of the
// ledger.
func (db *DB) CheckLedger(ctx context.Context) error {
	var faults []string
	err := db.Read(ctx, func(q Queryer) error {
		faults = nil
		for _, query := range ledgerFaults {
			if err := appendFaults(ctx, q, query, &faults); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("check the ledger: %w", err)
	}
	if len(faults) > 0 {
		return job.Errorf(job.Internal, "", "the ledger does not balance: %s", strings.Join(faults, "; "))
	}
	return nil
}

func appendFaults(ctx context.Context, q Queryer, query string, faults *[]string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() && len(*faults) < maxFaults {
		var what string
		var id int64
		if err := rows.Scan(&what, &id); err != nil {
			return err
		}
		*faults = append(*faults, fmt.Sprintf("%s (%d)", what, id))
	}
	return rows.Err()
}
