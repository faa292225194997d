package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Outcome says how a charge ended.
type Outcome string

// The outcomes.
const (
	OutcomeOpen      Outcome = "open"      // it waits or runs; its price is held
	OutcomeSucceeded Outcome = "succeeded" // charged
	OutcomeFailed    Outcome = "failed"
	OutcomeRefused   Outcome = "refused" // by moderation
	OutcomeCancelled Outcome = "cancelled"
	OutcomeExpired   Outcome = "expired"
)

// Charge is one piece of work that costs money: who asked for what and when, the
// price quoted, and the amount charged.
type Charge struct {
	Job        job.ID        `json:"job"` // or an ID of its own, for work that is no job
	Project    int64         `json:"project"`
	Key        int64         `json:"key"`  // the API key that asked for it
	Kind       string        `json:"kind"` // "video", "image", "context", "speech", "chat"
	Model      string        `json:"model"`
	API        string        `json:"api"`
	Resolution string        `json:"resolution"`
	Length     time.Duration `json:"-"`     // of video, to the millisecond
	Units      int64         `json:"units"` // images, tokens, or characters of speech; of a video those of its narration
	Price      int64         `json:"price"` // micros, as quoted
	// FromCredits and FromBalance are what was reserved, in micros.
	FromCredits int64     `json:"from_credits"`
	FromBalance int64     `json:"from_balance"`
	Outcome     Outcome   `json:"outcome"`
	Charged     int64     `json:"charged"` // micros; 0 unless the work succeeded
	CreatedAt   time.Time `json:"created_at"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`

	periodEnds time.Time // of the credits
}

const chargeColumns = `job, project, api_key, kind, model, api, resolution, millis, units, price, from_credits, from_balance, period_ends, outcome, charged, created_at, finished_at`

func scanCharge(row interface{ Scan(...any) error }) (Charge, error) {
	var c Charge
	var length, ends, created, finished int64
	err := row.Scan(&c.Job, &c.Project, &c.Key, &c.Kind, &c.Model, &c.API, &c.Resolution, &length, &c.Units, &c.Price,
		&c.FromCredits, &c.FromBalance, &ends, &c.Outcome, &c.Charged, &created, &finished)
	c.Length, c.periodEnds = time.Duration(length)*time.Millisecond, fromMillis(ends)
	c.CreatedAt, c.FinishedAt = fromMillis(created), fromMillis(finished)
	return c, err
}

// Reserve writes a charge and holds amount, in micros, for it: from the plan's
// credits first, then from the balance. w must come from Tx.Wallet. If the job
// has a charge already, Reserve does nothing. If the money does not suffice, the
// error is a job.Error of code Quota (the plan gives credits and they are used
// up) or Balance.
func (tx *Tx) Reserve(ctx context.Context, w *Wallet, c Charge, amount int64) error {
	if amount < 0 || amount > MaxAmount || c.Price < 0 || c.Price > MaxAmount {
		return fmt.Errorf("reserve for job %v: a price of $%s is out of range", c.Job, Dollars(max(amount, c.Price)))
	}
	c.FromCredits = min(w.Credits, amount)
	c.FromBalance = amount - c.FromCredits
	n, err := tx.Changed(ctx, `INSERT INTO charges (`+chargeColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'open', 0, $14, 0) ON CONFLICT (job) DO NOTHING`,
		int64(c.Job), w.Project, c.Key, c.Kind, c.Model, c.API, c.Resolution, c.Length.Milliseconds(), c.Units, c.Price,
		c.FromCredits, c.FromBalance, millis(w.PeriodEnds), millis(tx.Now()))
	if err != nil || n == 0 {
		return err
	}
	if w.Balance-c.FromBalance < w.Least {
		return short(w, amount, tx.Now())
	}
	var entries []Entry
	if c.FromCredits > 0 {
		entries = append(entries, Entry{AccountCredits, AccountHeld, c.FromCredits})
	}
	if c.FromBalance > 0 {
		entries = append(entries, Entry{AccountBalance, AccountHeld, c.FromBalance})
	}
	_, err = tx.Post(ctx, w, Posting{Kind: PostReserve, Ref: c.Job.String(), Entries: entries})
	return err
}

// short is the error for a project that cannot pay an amount.
func short(w *Wallet, amount int64, now time.Time) error {
	have := w.Credits + w.Balance - w.Least
	if w.PeriodCredits > 0 && w.Deposits == 0 && w.Least == 0 { // it has no money beside its plan's credits
		return &job.Error{
			Code:       job.Quota,
			Message:    fmt.Sprintf("this costs $%s, and the plan %s has $%s left until %s UTC: wait, or ask the operator for a deposit", Dollars(amount), w.Plan, Dollars(have), w.PeriodEnds.UTC().Format(time.DateTime)),
			RetryAfter: max(0, w.PeriodEnds.Sub(now)),
		}
	}
	return job.Errorf(job.Balance, "", "this costs $%s, and the project has $%s to spend: add money to its balance", Dollars(amount), Dollars(max(0, have)))
}

// Settle ends the charge of a job that succeeded. It earns amount (micros, at
// most what was reserved) and returns the rest to the accounts it came from. A
// charge that has ended already is left unchanged.
func (tx *Tx) Settle(ctx context.Context, id job.ID, amount int64) error {
	return tx.end(ctx, id, amount, OutcomeSucceeded)
}

// Measure says of an open charge how much work there was in the end, and its price
// (micros). A charge that has ended already is left unchanged.
func (tx *Tx) Measure(ctx context.Context, id job.ID, units, price int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE charges SET units = $2, price = $3 WHERE job = $1 AND outcome = 'open'`, int64(id), units, price)
	if err != nil {
		return fmt.Errorf("measure job %v: %w", id, err)
	}
	return nil
}

// Refund ends the charge of a job that did not succeed. All of it returns to the
// accounts it came from. A charge that has ended already is left unchanged.
func (tx *Tx) Refund(ctx context.Context, id job.ID, outcome Outcome) error {
	if outcome == OutcomeOpen || outcome == OutcomeSucceeded {
		return fmt.Errorf("refund job %v: a charge with the outcome %s is not refunded", id, outcome)
	}
	return tx.end(ctx, id, 0, outcome)
}

func (tx *Tx) end(ctx context.Context, id job.ID, amount int64, outcome Outcome) error {
	c, err := scanCharge(tx.QueryRowContext(ctx, `SELECT `+chargeColumns+` FROM charges WHERE job = $1`+tx.Lock(), int64(id)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("settle job %v: nothing was reserved for it", id)
	case err != nil:
		return fmt.Errorf("settle job %v: %w", id, err)
	case c.Outcome != OutcomeOpen:
		return nil
	case amount < 0:
		return fmt.Errorf("settle job %v: %s is less than nothing", id, Dollars(amount))
	}
	c.Charged = min(amount, c.FromCredits+c.FromBalance)
	kind := PostSettle
	if outcome != OutcomeSucceeded {
		kind = PostRefund
	}
	_, err = tx.ExecContext(ctx, `UPDATE charges SET outcome = $2, charged = $3, finished_at = $4 WHERE job = $1`,
		int64(id), string(outcome), c.Charged, millis(tx.Now()))
	if err != nil || c.FromCredits+c.FromBalance == 0 {
		return err
	}
	w, err := tx.Wallet(ctx, c.Project)
	if err != nil {
		return err
	}
	done, err := tx.Post(ctx, w, Posting{Kind: kind, Ref: id.String(), Entries: c.ending(w)})
	if err == nil && !done {
		err = fmt.Errorf("settle job %v: its charge is open, but the ledger has ended it", id)
	}
	return err
}

// ending returns the entries that empty what a charge holds. Earnings are taken
// from the reserved credits first, as credits lapse.
func (c *Charge) ending(w *Wallet) (entries []Entry) {
	backCredits := c.FromCredits - min(c.Charged, c.FromCredits)
	backBalance := c.FromCredits + c.FromBalance - c.Charged - backCredits
	credits := AccountCredits
	if !w.PeriodEnds.Equal(c.periodEnds) { // their period is over, so the credits have lapsed
		credits = AccountGrants
	}
	for _, e := range []Entry{{AccountHeld, AccountRevenue, c.Charged}, {AccountHeld, credits, backCredits}, {AccountHeld, AccountBalance, backBalance}} {
		if e.Amount > 0 {
			entries = append(entries, e)
		}
	}
	return entries
}

// RefundStale refunds charges of a kind that have been open since before a time.
// They belong to work that is no job, whose process ended in the middle. One call
// refunds at most 1000 and returns how many.
func (db *DB) RefundStale(ctx context.Context, kind string, before time.Time) (n int, err error) {
	var ids []job.ID
	err = db.Read(ctx, func(q Queryer) error {
		ids = nil
		rows, err := q.QueryContext(ctx, `SELECT job FROM charges WHERE outcome = 'open' AND created_at < $1 AND kind = $2 ORDER BY created_at LIMIT 1000`, millis(before), kind)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id job.ID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	for _, id := range ids {
		if err == nil {
			err = db.Write(ctx, func(tx *Tx) error { return tx.Refund(ctx, id, OutcomeFailed) })
			n++
		}
	}
	return n, err
}
