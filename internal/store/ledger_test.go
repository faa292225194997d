package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

func settle(db *store.DB, id job.ID, amount int64) error {
	ctx := context.Background()
	return db.Write(ctx, func(tx *store.Tx) error { return tx.Settle(ctx, id, amount) })
}

func refund(db *store.DB, id job.ID, o store.Outcome) error {
	ctx := context.Background()
	return db.Write(ctx, func(tx *store.Tx) error { return tx.Refund(ctx, id, o) })
}

func rollOver(db *store.DB, project, credits int64, ends time.Time) error {
	ctx := context.Background()
	return db.Write(ctx, func(tx *store.Tx) error {
		w, err := tx.Wallet(ctx, project)
		if err != nil {
			return err
		}
		return tx.RollOver(ctx, w, credits, ends.Add(-time.Hour), ends)
	})
}

// expect checks a wallet: balance, held, credits, revenue.
func expect(t *testing.T, db *store.DB, project int64, want string) {
	t.Helper()
	w, err := db.Wallet(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(w.Balance, w.Held, w.Credits, w.Revenue); got != want {
		t.Errorf("balance, held, credits, revenue: %s, want %s", got, want)
	}
	if err := db.CheckLedger(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLedger(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		p := tenant(t, db, nil).ID
		if err := try(db, p, job.ID(store.NewID()), 1); job.CodeOf(err) != job.Balance {
			t.Errorf("without money: %v", err)
		}
		for range 2 { // the second is the same deposit
			if _, _, err := db.Deposit(t.Context(), p, 1000, "invoice 7", "November"); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, db, p, "1000 0 0 0")
		if err := rollOver(db, p, 300, c.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		expect(t, db, p, "1000 0 300 0")

		a := reserve(t, db, p, 500) // 300 of credits, 200 of the balance
		expect(t, db, p, "800 500 0 0")
		if err := try(db, p, a, 500); err != nil { // again
			t.Fatal(err)
		}
		expect(t, db, p, "800 500 0 0")
		for range 3 { // less than was reserved, and only once
			if err := settle(db, a, 350); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, db, p, "950 0 0 350")
		if err := refund(db, a, store.OutcomeFailed); err != nil { // too late
			t.Fatal(err)
		}
		expect(t, db, p, "950 0 0 350")

		b := reserve(t, db, p, 950)
		if err := try(db, p, job.ID(store.NewID()), 1); job.CodeOf(err) != job.Balance {
			t.Errorf("with all money held: %v", err)
		}
		for range 2 {
			if err := refund(db, b, store.OutcomeRefused); err != nil {
				t.Fatal(err)
			}
		}
		if err := settle(db, b, 950); err != nil { // too late
			t.Fatal(err)
		}
		expect(t, db, p, "950 0 0 350")

		if err := settle(db, reserve(t, db, p, 50), 9999); err != nil { // never more than reserved
			t.Fatal(err)
		}
		expect(t, db, p, "900 0 0 400")
		if _, _, err := db.Deposit(t.Context(), p, -901, "", ""); job.CodeOf(err) != job.Balance {
			t.Errorf("take out more than there is: %v", err)
		}
		if _, _, err := db.Deposit(t.Context(), p, -900, "", ""); err != nil {
			t.Error(err)
		}
		expect(t, db, p, "0 0 0 400")
		if err := settle(db, job.ID(store.NewID()), 1); err == nil {
			t.Error("a job that nothing was reserved for is settled")
		}
		if err := refund(db, a, store.OutcomeSucceeded); err == nil {
			t.Error("a refund for success")
		}
		list, err := db.Postings(t.Context(), p, 2)
		if err != nil || len(list) != 2 {
			t.Fatalf("postings: %+v, %v", list, err)
		}
	})
}

// TestPeriods: credits lapse with their period, reserved ones too. The error says
// when they are used up.
func TestPeriods(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		p := tenant(t, db, nil).ID
		roll := func() {
			t.Helper()
			if err := rollOver(db, p, 300, c.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		roll()
		roll() // its period is not over
		expect(t, db, p, "0 0 300 0")
		back, lost := reserve(t, db, p, 100), reserve(t, db, p, 150)
		err := try(db, p, job.ID(store.NewID()), 51)
		var e *job.Error
		if !errors.As(err, &e) || e.Code != job.Quota || e.RetryAfter != time.Hour {
			t.Errorf("credits used up: %+v", err)
		}
		if err := refund(db, back, store.OutcomeCancelled); err != nil {
			t.Fatal(err)
		}
		expect(t, db, p, "0 150 150 0")
		c.add(time.Hour)
		roll() // 150 lapse
		expect(t, db, p, "0 150 300 0")
		if err := refund(db, lost, store.OutcomeFailed); err != nil { // its credits lapsed while it ran
			t.Fatal(err)
		}
		expect(t, db, p, "0 0 300 0")
	})
}

// TestLedgerRefusesNonsense: the code refuses postings that would unbalance the
// books. The tables and CheckLedger refuse those that are written by hand.
func TestLedgerRefusesNonsense(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		p := tenant(t, db, nil).ID
		for _, e := range []store.Entry{
			{From: store.AccountDeposits, To: store.AccountBalance, Amount: 0},
			{From: store.AccountDeposits, To: store.AccountBalance, Amount: -5},
			{From: store.AccountDeposits, To: store.AccountBalance, Amount: store.MaxAmount + 1},
			{From: store.AccountBalance, To: store.AccountBalance, Amount: 5},
			{From: "pocket", To: store.AccountBalance, Amount: 5},
			{From: store.AccountHeld, To: store.AccountRevenue, Amount: 5},
			{From: store.AccountBalance, To: store.AccountRevenue, Amount: 5},
			{From: store.AccountBalance, To: store.AccountGrants, Amount: 5},
		} {
			err := db.Write(ctx, func(tx *store.Tx) error {
				w, err := tx.Wallet(ctx, p)
				if err != nil {
					return err
				}
				_, err = tx.Post(ctx, w, store.Posting{Kind: store.PostDeposit, Ref: "x", Entries: []store.Entry{e}})
				return err
			})
			if err == nil {
				t.Errorf("posted %+v", e)
			}
		}
		if _, _, err := db.Deposit(ctx, p, 0, "", ""); job.CodeOf(err) != job.Invalid {
			t.Errorf("a deposit of nothing: %v", err)
		}
		if _, _, err := db.Deposit(ctx, p+1, 5, "", ""); job.CodeOf(err) != job.NotFound {
			t.Errorf("a deposit to nobody: %v", err)
		}
		byHand := func(sql string) error {
			return db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.ExecContext(ctx, sql, p)
				return err
			})
		}
		for _, sql := range []string{
			`UPDATE wallets SET balance = balance + 5 WHERE project = $1`,
			`UPDATE wallets SET balance = -5, revenue = 5 WHERE project = $1`,
			`UPDATE wallets SET held = -5, revenue = 5 WHERE project = $1`,
			`INSERT INTO ledger_entries (posting, line, source, target, amount) VALUES ($1, 0, 'balance', 'held', 5)`,
		} {
			if err := byHand(sql); err == nil {
				t.Errorf("the tables took %s", sql)
			}
		}
		if err := db.CheckLedger(ctx); err != nil {
			t.Fatal(err)
		}
		if err := byHand(`UPDATE wallets SET balance = 5, deposits = -5 WHERE project = $1`); err != nil {
			t.Fatal(err)
		}
		if err := db.CheckLedger(ctx); err == nil {
			t.Error("CheckLedger accepts money without entries")
		}
	})
}

// TestLedgerBalances: whatever happens, in any order and any number of times, the
// books balance and agree with a simple model of them, and no account passes its
// limit.
func TestLedgerBalances(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		rapid.Check(t, func(rt *rapid.T) {
			limit := rapid.SampledFrom([]int64{0, 40, -1}).Draw(rt, "limit")
			p := tenant(t, db, func(p *store.Project) { p.Postpaid, p.CreditLimit = limit != 0, max(0, limit) })
			m := books{db: db, clock: c, project: p.ID, limit: limit, jobs: map[job.ID]*held{}}
			for range rapid.IntRange(1, 25).Draw(rt, "steps") {
				m.step(rt)
			}
			w, err := db.Wallet(context.Background(), p.ID)
			if err != nil {
				rt.Fatal(err)
			}
			if got, want := [4]int64{w.Balance, w.Held, w.Credits, w.Revenue}, [4]int64{m.balance, m.held(), m.credits, m.revenue}; got != want {
				rt.Fatalf("balance, held, credits, revenue: %v, want %v", got, want)
			}
			if limit >= 0 && w.Balance < -limit {
				rt.Fatalf("the balance is %d, the limit %d", w.Balance, limit)
			}
		})
		if err := db.CheckLedger(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// books is a model of the ledger in memory.
type books struct {
	db                        *store.DB
	clock                     *clock
	project                   int64
	limit                     int64 // -1 is none
	balance, credits, revenue int64
	period                    int
	ends                      time.Time
	order                     []job.ID
	jobs                      map[job.ID]*held
	refs                      int
}

type held struct {
	credits, balance int64
	period           int
	over             bool
}

func (b *books) held() (sum int64) {
	for _, h := range b.jobs {
		if !h.over {
			sum += h.credits + h.balance
		}
	}
	return sum
}

func (b *books) step(t *rapid.T) {
	ctx := context.Background()
	amount := rapid.Int64Range(0, 60).Draw(t, "amount")
	var err error
	switch what := rapid.SampledFrom([]string{"deposit", "again", "reserve", "reserve", "settle", "refund", "repeat", "month", "roll"}).Draw(t, "what"); what {
	case "deposit":
		b.refs++
		b.balance += amount + 1
		_, _, err = b.db.Deposit(ctx, b.project, amount+1, fmt.Sprint("ref ", b.refs), "")
	case "again":
		if b.refs > 0 {
			_, _, err = b.db.Deposit(ctx, b.project, amount+1, fmt.Sprint("ref ", b.refs), "")
		}
	case "reserve":
		id := job.ID(store.NewID())
		h := &held{credits: min(amount, b.credits), period: b.period}
		h.balance = amount - h.credits
		err = try(b.db, b.project, id, amount)
		if short := b.limit >= 0 && b.balance-h.balance < -b.limit; short {
			if code := job.CodeOf(err); err == nil || code != job.Balance && code != job.Quota {
				t.Fatalf("reserved %d without the money: %v", amount, err)
			}
			err = nil
			break
		}
		b.credits -= h.credits
		b.balance -= h.balance
		b.order = append(b.order, id)
		b.jobs[id] = h
	case "settle", "refund", "repeat":
		if len(b.order) > 0 {
			id := rapid.SampledFrom(b.order).Draw(t, "job")
			err = b.end(what, id, amount)
		}
	case "month":
		b.clock.add(time.Hour)
	case "roll":
		if now := b.clock.Now(); !now.Before(b.ends) {
			b.credits, b.ends = amount, now.Add(time.Hour)
			b.period++
		}
		err = rollOver(b.db, b.project, amount, b.clock.Now().Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// end settles or refunds a job, which may have ended already, or reserves it
// again.
func (b *books) end(what string, id job.ID, amount int64) error {
	h := b.jobs[id]
	if what == "repeat" {
		return try(b.db, b.project, id, amount)
	}
	if what == "refund" {
		amount = 0
	}
	if !h.over {
		h.over = true
		paid := min(amount, h.credits+h.balance)
		b.revenue += paid
		fromCredits := min(paid, h.credits)
		b.balance += h.balance - (paid - fromCredits)
		if h.period == b.period {
			b.credits += h.credits - fromCredits
		}
	}
	if what == "refund" {
		return refund(b.db, id, store.OutcomeFailed)
	}
	return settle(b.db, id, amount)
}

// TestLedgerConcurrent: many concurrent jobs spend no more than the money there
// is, and each is charged once.
func TestLedgerConcurrent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := tenant(t, db, nil).ID
		if _, _, err := db.Deposit(t.Context(), p, 100, "", ""); err != nil {
			t.Fatal(err)
		}
		const clients, each = 8, 10
		jobs := make(chan job.ID, clients*each)
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range each { // together they ask for 80 × 2 = 160 of 100
					id := job.ID(store.NewID())
					switch err := try(db, p, id, 2); {
					case err == nil:
						jobs <- id
					case job.CodeOf(err) != job.Balance:
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		close(jobs)
		if len(jobs) != 50 {
			t.Errorf("%d jobs were accepted, want 50", len(jobs))
		}
		for id := range jobs {
			for range 2 { // two at once settle it: one of them counts
				wg.Go(func() {
					if err := settle(db, id, 2); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		expect(t, db, p, "0 0 0 100")
	})
}

func TestUsage(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		p := tenant(t, db, func(p *store.Project) { p.Postpaid = true }).ID
		other := tenant(t, db, func(p *store.Project) { p.Postpaid = true }).ID
		start := c.Now()
		var ids []job.ID
		for range 4 {
			ids = append(ids, reserve(t, db, p, 10))
			c.add(time.Minute)
		}
		reserve(t, db, other, 7)
		for _, err := range []error{settle(db, ids[0], 10), settle(db, ids[1], 4), refund(db, ids[2], store.OutcomeRefused)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		count := func(f store.UsageFilter) (n int, charged int64) {
			if err := db.Usage(ctx, f, func(c store.Charge) error { n++; charged += c.Charged; return nil }); err != nil {
				t.Fatal(err)
			}
			return n, charged
		}
		for _, tt := range []struct {
			f       store.UsageFilter
			n       int
			charged int64
		}{
			{store.UsageFilter{}, 5, 14},
			{store.UsageFilter{Project: p}, 4, 14},
			{store.UsageFilter{Project: other}, 1, 0},
			{store.UsageFilter{Project: p, From: start.Add(time.Minute)}, 3, 4},
			{store.UsageFilter{Project: p, To: start.Add(time.Minute)}, 1, 10},
			{store.UsageFilter{Outcome: store.OutcomeRefused}, 1, 0},
			{store.UsageFilter{Model: "reel"}, 5, 14},
			{store.UsageFilter{Model: "other"}, 0, 0},
		} {
			if n, charged := count(tt.f); n != tt.n || charged != tt.charged {
				t.Errorf("%+v: %d rows, %d charged, want %d, %d", tt.f, n, charged, tt.n, tt.charged)
			}
		}
		totals, err := db.UsageTotals(ctx, store.UsageFilter{Project: p})
		if err != nil || len(totals) != 3 {
			t.Fatalf("totals: %+v, %v", totals, err)
		}
		want := store.UsageTotal{Project: p, Kind: "video", Model: "reel", Outcome: store.OutcomeSucceeded, Jobs: 2, Length: 12 * time.Second, Charged: 14}
		if totals[2] != want {
			t.Errorf("%+v, want %+v", totals[2], want)
		}
		stop := errors.New("enough")
		if err := db.Usage(ctx, store.UsageFilter{}, func(store.Charge) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("an error of yield: %v", err)
		}
		// RefundStale refunds only charges of the kind, and from before the time.
		if n, err := db.RefundStale(ctx, "speech", c.Now()); n != 0 || err != nil {
			t.Errorf("stale speech: %d, %v", n, err)
		}
		if n, err := db.RefundStale(ctx, "video", c.Now()); n != 1 || err != nil { // the other's is from now
			t.Errorf("stale videos: %d, %v", n, err)
		}
		if err := db.CheckLedger(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestUsagePages: rows that fill more than one page all come, once and in order.
func TestUsagePages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		p := tenant(t, db, nil).ID
		const rows = 2100
		err := db.Write(ctx, func(tx *store.Tx) error {
			w, err := tx.Wallet(ctx, p)
			for range rows {
				if err == nil {
					err = tx.Reserve(ctx, w, store.Charge{Job: job.ID(store.NewID()), Kind: "image"}, 0)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		seen, last := map[job.ID]bool{}, job.ID(0)
		err = db.Usage(ctx, store.UsageFilter{Project: p}, func(c store.Charge) error {
			if c.Job <= last { // all are of the same moment
				t.Fatalf("%v comes after %v", c.Job, last)
			}
			seen[c.Job], last = true, c.Job
			return nil
		})
		if err != nil || len(seen) != rows {
			t.Errorf("%d of %d rows, %v", len(seen), rows, err)
		}
	})
}

func TestSponsors(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		for range 3 {
			if err := db.CountSponsor(ctx, "acme", 7, 1, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.CountSponsor(ctx, "acme", 7, 0, 1); err != nil {
			t.Fatal(err)
		}
		day := c.Now().Truncate(24 * time.Hour)
		c.add(24 * time.Hour)
		if err := db.CountSponsor(ctx, "acme", 7, 1, 0); err != nil {
			t.Fatal(err)
		}
		got, err := db.SponsorCounts(ctx, day, day.AddDate(0, 0, 1))
		if want := (store.SponsorCount{Sponsor: "acme", Project: 7, Day: day, Impressions: 3, Clicks: 1}); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if all, err := db.SponsorCounts(ctx, time.Time{}, time.Time{}); err != nil || len(all) != 2 {
			t.Errorf("all days: %+v, %v", all, err)
		}
		if err := db.CountSponsor(ctx, "", 7, 1, 0); job.CodeOf(err) != job.Invalid {
			t.Errorf("no sponsor: %v", err)
		}
	})
}

func TestDollars(t *testing.T) {
	for s, want := range map[string]int64{"25": 25_000_000, "25.00": 25_000_000, "0.28": 280_000, "-3.5": -3_500_000, "0.0035": 3_500, "0.000001": 1, "1000000000": store.MaxAmount} {
		d, err := store.ParseDollars(s)
		if err != nil || int64(d) != want {
			t.Errorf("%s: %d, %v", s, int64(d), err)
		}
		if back, err := store.ParseDollars(d.String()); err != nil || back != d {
			t.Errorf("%s prints as %s", s, d)
		}
	}
	for _, s := range []string{"", "-", ".5", "5.", "1e3", "1,000", "0.0000001", "1000000000.01", "9999999999999", "$5", " 5", "+5", "--5", "٣"} {
		if d, err := store.ParseDollars(s); err == nil {
			t.Errorf("%q: %d", s, int64(d))
		}
	}
	for micros, want := range map[int64]string{0: "0.00", 280_000: "0.28", -1: "-0.000001", 3_500: "0.0035", -12_500_000: "-12.50", -1 << 63: "-9223372036854.775808"} {
		if got := store.Dollars(micros).String(); got != want {
			t.Errorf("%d: %s, want %s", micros, got, want)
		}
	}
}

func FuzzParseDollars(f *testing.F) {
	for _, s := range []string{"25.00", "-0.0035", "1e9", ".", "1000000000", "00.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := store.ParseDollars(s)
		if err != nil {
			return
		}
		if back, err := store.ParseDollars(d.String()); err != nil || back != d || d > store.MaxAmount || d < -store.MaxAmount {
			t.Errorf("%q is read as %d, printed as %s, and read as %d (%v)", s, int64(d), d, int64(back), err)
		}
	})
}
