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

// The accounts. The first three are the project's own. The others are the
// platform's counterparts, so that all six sum to zero.
const (
	AccountBalance  Account = "balance"  // prepaid money; a negative balance is debt
	AccountHeld     Account = "held"     // reserved by unfinished work
	AccountCredits  Account = "credits"  // the rest of the plan's credits of this period
	AccountRevenue  Account = "revenue"  // earned by finished work
	AccountDeposits Account = "deposits" // counterpart of what was paid in
	AccountGrants   Account = "grants"   // counterpart of credits, granted and lapsed
)

// accounts lists the accounts in the order of the statement that changes them.
var accounts = []Account{AccountBalance, AccountHeld, AccountCredits, AccountRevenue, AccountDeposits, AccountGrants}

// Entry moves an amount from one account of a project to another. As each entry
// names both sides, the accounts always balance.
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
	PostSettle  PostingKind = "settle"  // the job succeeded
	PostRefund  PostingKind = "refund"  // the job did not succeed
	PostPeriod  PostingKind = "period"  // credits lapsed and were granted
)

// Posting is a set of entries that are made together.
type Posting struct {
	ID   int64       `json:"id"`
	Kind PostingKind `json:"kind"`
	// Ref names the job or another cause. There is only one posting of a kind and
	// ref.
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
	Least    int64  `json:"least"` // the lowest that Balance may be
	// PeriodEnds is when Credits lapse; zero before the first period.
	PeriodEnds time.Time `json:"period_ends,omitzero"`
	// PeriodCredits is how many credits the period began with.
	PeriodCredits int64 `json:"period_credits"`
	// Anchor is when the first period of the plan began.
	Anchor time.Time `json:"anchor,omitzero"`
}

// HasBalance reports whether the balance is meaningful. It is not if the project
// may spend without a limit and no deposit was ever made: then it is the
// project's usage as a negative number, which would read as a debt.
func (w *Wallet) HasBalance() bool { return w.Least != -NoDebtLimit || w.Deposits != 0 }

// of returns where an account's amount is stored.
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

// fault returns an error that names an impossible amount, or nil.
func (w *Wallet) fault() error {
	switch {
	case w.Balance < w.Least:
		return fmt.Errorf("the balance would be %s, below its limit %s", Dollars(w.Balance), Dollars(w.Least))
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

// Wallet locks a project's wallet for this transaction and returns it.
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
// accordingly. If a posting of the same kind and ref exists, Post does nothing
// and done is false. If an account has too little money, Post returns an error
// and changes nothing.
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
	// The statement adds differences and sets no absolute values, so it never
	// undoes a change that another transaction made.
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

// Deposit adds money, in micros, to a project's balance, or takes it out when
// amount is negative. A deposit whose ref was used before changes nothing, and
// done is false. For a ref of "" a unique one is made.
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
			return job.Errorf(job.Balance, "amount", "only $%s can be taken out", Dollars(free))
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

// RollOver begins a plan's next period once the current one is over: the rest of
// its credits lapses, and new ones are granted. Before that it does nothing, so
// it may be called at any time. anchor is stored, to compute later periods from.
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
	// The period's end in the locked wallet makes sure that this happens once;
	// the ref may be any.
	if _, err := tx.Post(ctx, w, Posting{Kind: PostPeriod, Ref: strconv.FormatInt(NewID(), 10), Entries: entries}); err != nil {
		return fmt.Errorf("begin a period: %w", err)
	}
	w.PeriodCredits, w.PeriodEnds, w.Anchor = credits, ends.Truncate(time.Millisecond), anchor.Truncate(time.Millisecond)
	_, err := tx.ExecContext(ctx, `UPDATE wallets SET period_ends = $2, period_credits = $3, anchor = $4 WHERE project = $1`,
		w.Project, millis(w.PeriodEnds), credits, millis(w.Anchor))
	return err
}

// EndPeriod makes the next use of a project's wallet begin a new period, as after
// a change of plan. The rest of its credits lapses then.
func (tx *Tx) EndPeriod(ctx context.Context, project int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE wallets SET period_ends = 0, anchor = 0 WHERE project = $1`, project)
	return err
}

// MaxPostings is the most postings that one list holds.
const MaxPostings = 1000

// Postings lists a project's postings, newest first: at most limit, and at most
// MaxPostings.
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
