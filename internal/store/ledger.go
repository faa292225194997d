package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Account names one of the six accounts of a project.
type Account string

// The accounts. The first three are the project's own; the others are the
// house's side of its money, so that all six sum to zero.
const (
	AccountBalance  Account = "balance"  // what was paid in; below zero, what is owed
	AccountHeld     Account = "held"     // what work that is not over has reserved
	AccountCredits  Account = "credits"  // what is left of the plan's credits of this period
	AccountRevenue  Account = "revenue"  // what was earned
	AccountDeposits Account = "deposits" // where balance comes from
	AccountGrants   Account = "grants"   // where credits come from, and go when they lapse
)

// accounts lists them in the order of the statement that changes them.
var accounts = []Account{AccountBalance, AccountHeld, AccountCredits, AccountRevenue, AccountDeposits, AccountGrants}

// Entry moves an amount from one account of a project to another. As it names
// both, it cannot be out of balance.
type Entry struct {
	From   Account `json:"from"`
	To     Account `json:"to"`
	Amount int64   `json:"amount"` // micros, more than 0, at most MaxAmount
}

// PostingKind says why money moved.
type PostingKind string

// The kinds of postings.
const (
	PostDeposit PostingKind = "deposit" // money came in, or went out again
	PostReserve PostingKind = "reserve" // a job was accepted
	PostSettle  PostingKind = "settle"  // it succeeded
	PostRefund  PostingKind = "refund"  // it did not
	PostPeriod  PostingKind = "period"  // credits lapsed and were granted
)

// Posting is entries that are made together.
type Posting struct {
	ID   int64       `json:"id"`
	Kind PostingKind `json:"kind"`
	// Ref is the job, or what else there is only one posting of this kind for.
	Ref     string    `json:"ref"`
	Note    string    `json:"note,omitempty"`
	At      time.Time `json:"at"`
	Entries []Entry   `json:"entries"`
}

// Limits of postings.
const (
	MaxRef     = 100 // bytes
	MaxNote    = 200 // bytes
	maxEntries = 4
)

// Wallet is a project's accounts, in micros, and the period of its plan.
type Wallet struct {
	Project  int64  `json:"project"`
	Plan     string `json:"plan"`
	Balance  int64  `json:"balance"`
	Held     int64  `json:"held"`
	Credits  int64  `json:"credits"`
	Revenue  int64  `json:"revenue"`
	Deposits int64  `json:"deposits"`
	Grants   int64  `json:"grants"`
	Least    int64  `json:"least"` // what Balance may be at the least
	// PeriodEnds is when Credits lapse; zero before the first period.
	PeriodEnds time.Time `json:"period_ends,omitzero"`
	// PeriodCredits is what the period began with.
	PeriodCredits int64 `json:"period_credits"`
	// Anchor is when the first period of the plan began.
	Anchor time.Time `json:"anchor,omitzero"`
}

// HasBalance reports whether the balance says anything: not of a project that
// may spend without a limit, and for which no deposit was noted. There it is
// what was used with a minus before it, and would be read as a debt.
func (w *Wallet) HasBalance() bool { return w.Least != -NoDebtLimit || w.Deposits != 0 }

// of is where an account's amount is kept.
func (w *Wallet) of(a Account) *int64 {
	switch a {
	case AccountBalance:
		return &w.Balance
	case AccountHeld:
		return &w.Held
	case AccountCredits:
		return &w.Credits
	case AccountRevenue:
		return &w.Revenue
	case AccountDeposits:
		return &w.Deposits
	case AccountGrants:
		return &w.Grants
	}
	return nil
}

// fault says which amount is not possible, or nil.
func (w *Wallet) fault() error {
	switch {
	case w.Balance < w.Least:
		return fmt.Errorf("the balance would be %s, less than %s", Dollars(w.Balance), Dollars(w.Least))
	case w.Held < 0 || w.Credits < 0 || w.Revenue < 0 || w.Grants > 0:
		return fmt.Errorf("an account would pass zero: %+v", *w)
	case w.Balance+w.Held+w.Credits+w.Revenue+w.Deposits+w.Grants != 0:
		return fmt.Errorf("the accounts would not sum to zero: %+v", *w)
	}
	return nil
}

const walletSelect = `SELECT w.project, p.plan, w.balance, w.held, w.credits, w.revenue, w.deposits, w.grants, w.least, w.period_ends, w.period_credits, w.anchor
	FROM wallets w JOIN projects p ON p.id = w.project WHERE w.project = $1`

func scanWallet(row interface{ Scan(...any) error }) (*Wallet, error) {
	var w Wallet
	var ends, anchor int64
	err := row.Scan(&w.Project, &w.Plan, &w.Balance, &w.Held, &w.Credits, &w.Revenue, &w.Deposits, &w.Grants, &w.Least, &ends, &w.PeriodCredits, &anchor)
	w.PeriodEnds, w.Anchor = fromMillis(ends), fromMillis(anchor)
	return &w, err
}

// Wallet returns a project's wallet for this transaction alone to change.
func (tx *Tx) Wallet(ctx context.Context, project int64) (*Wallet, error) {
	lock := tx.Lock()
	if lock != "" {
		lock += " OF w" // the project's row is only read
	}
	w, err := scanWallet(tx.QueryRowContext(ctx, walletSelect+lock, project))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("project", project)
	}
	return w, err
}

// Wallet returns a project's wallet as it is.
func (db *DB) Wallet(ctx context.Context, project int64) (w Wallet, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		got, err := scanWallet(q.QueryRowContext(ctx, walletSelect, project))
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("project", project)
		}
		w = *got
		return err
	})
	return w, err
}

// Post writes a posting and changes the wallet, which must come from Tx.Wallet,
// accordingly. A posting of the same kind and ref that is there already makes
// it do nothing, and done false. One that an account has not the money for is
// an error and changes nothing.
func (tx *Tx) Post(ctx context.Context, w *Wallet, p Posting) (done bool, err error) {
	after := *w
	for _, e := range p.Entries {
		from, to := after.of(e.From), after.of(e.To)
		if from == nil || to == nil || from == to || e.Amount <= 0 || e.Amount > MaxAmount {
			return false, fmt.Errorf("post %s %s: the entry %+v is not possible", p.Kind, p.Ref, e)
		}
		*from -= e.Amount
		*to += e.Amount
	}
	switch {
	case p.Ref == "" || len(p.Ref) > MaxRef:
		return false, fmt.Errorf("post %s: its ref %.20q… has %d bytes: 1 to %d", p.Kind, p.Ref, len(p.Ref), MaxRef)
	case len(p.Note) > MaxNote:
		return false, job.Errorf(job.Invalid, "note", "the note has more than %d bytes", MaxNote)
	case len(p.Entries) > maxEntries:
		return false, fmt.Errorf("post %s %s: it has %d entries, more than %d", p.Kind, p.Ref, len(p.Entries), maxEntries)
	case len(p.Entries) == 0:
		return true, nil
	}
	id := NewID()
	n, err := tx.Changed(ctx, `INSERT INTO ledger (id, project, kind, ref, note, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project, kind, ref) DO NOTHING`,
		id, w.Project, string(p.Kind), p.Ref, p.Note, millis(tx.Now()))
	if err != nil || n == 0 {
		return false, err
	}
	if err := after.fault(); err != nil {
		return false, fmt.Errorf("post %s %s: %w", p.Kind, p.Ref, err)
	}
	for i, e := range p.Entries {
		if _, err := tx.ExecContext(ctx, `INSERT INTO ledger_entries (posting, line, source, target, amount) VALUES ($1, $2, $3, $4, $5)`,
			id, i, string(e.From), string(e.To), e.Amount); err != nil {
			return false, err
		}
	}
	// By how much, and not to what: an amount that another wrote is never undone.
	args := []any{w.Project}
	for _, a := range accounts {
		args = append(args, *after.of(a)-*w.of(a))
	}
	_, err = tx.ExecContext(ctx, `UPDATE wallets SET balance = balance + $2, held = held + $3, credits = credits + $4,
		revenue = revenue + $5, deposits = deposits + $6, grants = grants + $7 WHERE project = $1`, args...)
	if err != nil {
		return false, err
	}
	*w = after
	return true, nil
}

// Deposit puts money, in micros, into a project's balance, or takes it out
// again when amount is negative. A deposit whose ref was used before changes
// nothing and gives done false; "" is a ref of its own.
func (db *DB) Deposit(ctx context.Context, project, amount int64, ref, note string) (w Wallet, done bool, err error) {
	if amount == 0 || amount > MaxAmount || amount < -MaxAmount {
		return w, false, job.Errorf(job.Invalid, "amount", "a deposit of $%s is out of range: at most $%s, and not 0", Dollars(amount), Dollars(MaxAmount))
	}
	if len(ref) > MaxRef {
		return w, false, job.Errorf(job.Invalid, "ref", "the reference has more than %d bytes", MaxRef)
	}
	if ref == "" {
		ref = strconv.FormatInt(NewID(), 10)
	}
	err = db.Write(ctx, func(tx *Tx) error {
		got, err := tx.Wallet(ctx, project)
		if err != nil {
			return err
		}
		if free := got.Balance - got.Least; amount < -free {
			return job.Errorf(job.Balance, "amount", "there are only $%s to take out", Dollars(free))
		}
		e := Entry{AccountDeposits, AccountBalance, amount}
		if amount < 0 {
			e = Entry{AccountBalance, AccountDeposits, -amount}
		}
		done, err = tx.Post(ctx, got, Posting{Kind: PostDeposit, Ref: ref, Note: note, Entries: []Entry{e}})
		w = *got
		return err
	})
	return w, done, err
}

// RollOver begins a period of a plan, once the one before it is over: what is
// left of its credits lapses, and new ones are granted. Before that it does
// nothing, so it may be called as often as one likes. anchor is kept for the
// reckoning of later periods.
func (tx *Tx) RollOver(ctx context.Context, w *Wallet, credits int64, anchor, ends time.Time) error {
	if tx.Now().Before(w.PeriodEnds) {
		return nil
	}
	var entries []Entry
	if w.Credits > 0 {
		entries = append(entries, Entry{AccountCredits, AccountGrants, w.Credits})
	}
	if credits > 0 {
		entries = append(entries, Entry{AccountGrants, AccountCredits, credits})
	}
	// That it happens once is seen to by the period's end, in the locked wallet.
	if _, err := tx.Post(ctx, w, Posting{Kind: PostPeriod, Ref: strconv.FormatInt(NewID(), 10), Entries: entries}); err != nil {
		return fmt.Errorf("begin a period: %w", err)
	}
	w.PeriodCredits, w.PeriodEnds, w.Anchor = credits, ends.Truncate(time.Millisecond), anchor.Truncate(time.Millisecond)
	_, err := tx.ExecContext(ctx, `UPDATE wallets SET period_ends = $2, period_credits = $3, anchor = $4 WHERE project = $1`,
		w.Project, millis(w.PeriodEnds), credits, millis(w.Anchor))
	return err
}

// EndPeriod makes the next use of a project's wallet begin a period, as after
// a change of plan. What is left of its credits lapses then.
func (tx *Tx) EndPeriod(ctx context.Context, project int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE wallets SET period_ends = 0, anchor = 0 WHERE project = $1`, project)
	return err
}

// MaxPostings is how many postings a list holds at the most.
const MaxPostings = 1000

// Postings lists a project's newest postings, the newest first, at most limit
// and MaxPostings of them.
func (db *DB) Postings(ctx context.Context, project int64, limit int) (out []Posting, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		out = nil
		rows, err := q.QueryContext(ctx, `SELECT l.id, l.kind, l.ref, l.note, l.at, e.source, e.target, e.amount
			FROM (SELECT id, kind, ref, note, at FROM ledger WHERE project = $1 ORDER BY at DESC, id DESC LIMIT $2) l
			JOIN ledger_entries e ON e.posting = l.id ORDER BY l.at DESC, l.id DESC, e.line`, project, min(max(limit, 0), MaxPostings))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p Posting
			var e Entry
			var at int64
			if err := rows.Scan(&p.ID, &p.Kind, &p.Ref, &p.Note, &at, &e.From, &e.To, &e.Amount); err != nil {
				return err
			}
			if n := len(out); n > 0 && out[n-1].ID == p.ID {
				out[n-1].Entries = append(out[n-1].Entries, e)
				continue
			}
			p.At, p.Entries = fromMillis(at), []Entry{e}
			out = append(out, p)
		}
		return rows.Err()
	})
	return out, err
}
