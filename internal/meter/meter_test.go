package meter_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bench is a meter on a database, with a clock.
type bench struct {
	*meter.Meter
	t     *testing.T
	db    *store.DB
	clock *clock
}

func each(t *testing.T, test func(b *bench)) {
	c := &clock{}
	storetest.EachWith(t, store.Options{Now: c.now}, func(t *testing.T, db *store.DB) {
		c.t = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		m, err := meter.New(db, meter.Config{Plans: map[string]meter.Plan{"gift": {Unbilled: true}}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{m, t, db, c}
		test(b)
		if err := db.CheckLedger(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func (b *bench) project(plan string) store.Project {
	b.t.Helper()
	p, err := b.NewProject(fmt.Sprintf("p%d", store.NewID()), plan)
	if err == nil {
		p, err = b.db.CreateProject(b.t.Context(), p)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func video(seconds float64) job.Spec {
	return job.Spec{Kind: job.Video, Model: "MiniMax-H3", Engine: "reel", Resolution: "768P", Prompt: "a red ball", Seconds: seconds}
}

// submit accepts a job, as the server does.
func (b *bench) submit(p store.Project, spec job.Spec) (job.Job, error) {
	b.t.Helper()
	price, err := b.Quote(spec)
	if err != nil {
		b.t.Fatal(err)
	}
	j, _, err := b.db.Submit(b.t.Context(), store.Submission{Job: job.Job{
		Project: p.ID, Key: 77, API: job.MiniMaxV2, Spec: spec, Price: price, Priority: job.DefaultPriority, MaxAttempts: 2, ExpiresAt: b.clock.now().Add(time.Hour),
	}}, b.Reserve)
	return j, err
}

func (b *bench) must(p store.Project, spec job.Spec) job.Job {
	b.t.Helper()
	j, err := b.submit(p, spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// finish claims the next job and ends it.
func (b *bench) finish(state job.State, r *job.Result, e *job.Error) {
	b.t.Helper()
	j, ok, err := b.db.Claim(b.t.Context(), "w", time.Minute, []string{"reel"})
	if err != nil || !ok {
		b.t.Fatalf("nothing to claim: %v", err)
	}
	_, err = b.db.Finish(b.t.Context(), j.ID, j.Attempt, store.Ending{State: state, Result: r, Error: e}, b.Settle)
	if err != nil {
		b.t.Fatal(err)
	}
}

// has checks a project's allowance: balance, held, and credits used.
func (b *bench) has(p store.Project, want string) {
	b.t.Helper()
	a, err := b.Allowance(b.t.Context(), p)
	got := fmt.Sprintf("%v %v %v/%v", meter.Dollars(a.Balance), meter.Dollars(a.Held), meter.Dollars(a.CreditsUsed), meter.Dollars(a.CreditsTotal))
	if err != nil || got != want {
		b.t.Errorf("balance, held, credits used: %s, %v, want %s", got, err, want)
	}
}

func (b *bench) deposit(p store.Project, dollars int64) {
	b.t.Helper()
	if _, _, err := b.db.Deposit(b.t.Context(), p.ID, dollars*store.Micro, "", ""); err != nil {
		b.t.Fatal(err)
	}
}

// TestPayAsYouGo: the money of jobs is right, however they end.
func TestPayAsYouGo(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		p := b.project("payg")
		if _, err := b.submit(p, video(5)); job.CodeOf(err) != job.Balance {
			b.t.Errorf("without money: %v", err)
		}
		if _, n, _ := b.db.Jobs(ctx, store.JobFilter{Project: p.ID}); n != 0 {
			b.t.Errorf("%d jobs were accepted without money", n)
		}
		b.deposit(p, 1)
		b.must(p, video(5))
		b.has(p, "0.60 0.40 0.00/0.00")
		b.finish(job.Succeeded, &job.Result{}, nil)
		b.has(p, "0.60 0.00 0.00/0.00")
		b.must(p, video(5))
		b.finish(job.Failed, nil, job.Errorf(job.Internal, "", "the engine broke"))
		b.must(p, video(5))
		b.finish(job.Failed, nil, job.Errorf(job.OutputUnsafe, "", "refused"))
		b.has(p, "0.60 0.00 0.00/0.00")

		j := b.must(p, video(5))
		if _, err := b.db.Cancel(ctx, p.ID, j.ID, b.Refund); err != nil {
			b.t.Fatal(err)
		}
		b.must(p, video(5))
		b.clock.advance(2 * time.Hour)
		if _, _, _, err := b.db.Reap(ctx, b.clock.now(), b.Refund); err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.60 0.00 0.00/0.00")

		// Nine images, of which three were refused.
		b.must(p, job.Spec{Kind: job.Image, Model: "image-01", Engine: "reel", Count: 9})
		b.has(p, "0.5685 0.0315 0.00/0.00")
		b.finish(job.Succeeded, &job.Result{Failed: 3}, nil)
		b.has(p, "0.579 0.00 0.00/0.00")

		var got []string
		err := b.db.Usage(ctx, store.UsageFilter{Project: p.ID}, func(c store.Charge) error {
			got = append(got, fmt.Sprintf("%s %s %v %v", c.Kind, c.Outcome, meter.Dollars(c.Price), meter.Dollars(c.Charged)))
			if c.Key != 77 || c.Kind == "video" && (c.Length != 5*time.Second || c.Resolution != "768P") || c.Kind == "image" && c.Units != 9 {
				b.t.Errorf("%+v", c)
			}
			return nil
		})
		counts := map[string]int{}
		for _, g := range got {
			counts[g]++
		}
		want := map[string]int{
			"video succeeded 0.40 0.40": 1, "video failed 0.40 0.00": 1, "video refused 0.40 0.00": 1, "video cancelled 0.40 0.00": 1,
			"video expired 0.40 0.00": 1, "image succeeded 0.0315 0.021": 1,
		}
		if err != nil || fmt.Sprint(counts) != fmt.Sprint(want) {
			b.t.Errorf("usage %v, %v, want %v", counts, err, want)
		}
	})
}

// TestRetries: a job that is retried is charged once. One whose attempts are used
// up is not charged.
func TestRetries(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		p := b.project("payg")
		b.deposit(p, 1)
		for _, succeeds := range []bool{true, false} {
			b.must(p, video(5))
			j, _, err := b.db.Claim(ctx, "w", time.Minute, []string{"reel"})
			if err != nil {
				b.t.Fatal(err)
			}
			if _, err := b.db.Retry(ctx, j.ID, j.Attempt, job.Errorf(job.Internal, "", "again"), 0, b.Refund); err != nil {
				b.t.Fatal(err)
			}
			if a, _ := b.Allowance(ctx, p); a.Held != 400_000 {
				b.t.Errorf("between attempts $%v is held", meter.Dollars(a.Held))
			}
			if succeeds {
				b.finish(job.Succeeded, &job.Result{}, nil)
				continue
			}
			j, _, err = b.db.Claim(ctx, "w", time.Minute, []string{"reel"})
			if err != nil {
				b.t.Fatal(err)
			}
			if j, err = b.db.Retry(ctx, j.ID, j.Attempt, job.Errorf(job.Internal, "", "again"), 0, b.Refund); err != nil || j.State != job.Failed {
				b.t.Fatalf("%s, %v", j.State, err)
			}
		}
		b.has(p, "0.60 0.00 0.00/0.00")
	})
}

// TestCredits: a plan's credits are spent first, lapse with the month, and change
// with the plan.
func TestCredits(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		p := b.project("free") // one dollar a month
		b.has(p, "0.00 0.00 0.00/1.00")
		b.must(p, video(10))
		b.has(p, "0.00 0.80 0.80/1.00")
		_, err := b.submit(p, video(5))
		var e *job.Error
		if !errors.As(err, &e) || e.Code != job.Quota || e.RetryAfter != 30*24*time.Hour { // 25 November to 25 December
			b.t.Errorf("credits used up: %+v", e)
		}
		b.finish(job.Succeeded, &job.Result{}, nil)
		b.clock.advance(31 * 24 * time.Hour)
		b.has(p, "0.00 0.00 0.00/1.00") // seen before any job comes
		b.must(p, video(10))
		b.finish(job.Succeeded, &job.Result{}, nil)
		b.has(p, "0.00 0.00 0.80/1.00")

		b.deposit(p, 1) // the balance pays what the credits do not
		b.must(p, video(5))
		b.finish(job.Succeeded, &job.Result{}, nil)
		b.has(p, "0.80 0.00 1.00/1.00")

		p, err = b.UpdateProject(ctx, p.ID, "subscription", func(*store.Project) error { return nil })
		if err != nil || p.Weight != 4 || p.Sponsored {
			b.t.Fatalf("on another plan: %+v, %v", p, err)
		}
		b.has(p, "0.80 0.00 0.00/10.00")
		b.must(p, video(5))
		b.finish(job.Succeeded, &job.Result{}, nil)
		b.has(p, "0.80 0.00 0.40/10.00")
		if p, err = b.UpdateProject(ctx, p.ID, "payg", func(*store.Project) error { return nil }); err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.80 0.00 0.00/0.00")
		b.must(p, video(5))
		b.has(p, "0.40 0.40 0.00/0.00")
		if _, err := b.UpdateProject(ctx, p.ID, "gold", func(*store.Project) error { return nil }); job.CodeOf(err) != job.Invalid {
			b.t.Errorf("no such plan: %v", err)
		}
	})
}

// TestUnlimited: a project that is never refused is metered all the same.
func TestUnlimited(t *testing.T) {
	each(t, func(b *bench) {
		for plan, want := range map[string]string{"unlimited": "-48.00 0.00 0.00/0.00", "gift": "0.00 0.00 0.00/0.00"} {
			p := b.project(plan)
			for range 10 {
				b.must(p, video(60))
				b.finish(job.Succeeded, &job.Result{}, nil)
			}
			b.has(p, want)
			if a, err := b.Allowance(b.t.Context(), p); err != nil || !a.Unlimited {
				b.t.Errorf("%s: %+v, %v", plan, a, err)
			}
			total, err := b.db.UsageTotals(b.t.Context(), store.UsageFilter{Project: p.ID})
			if err != nil || len(total) != 1 || total[0].Jobs != 10 || total[0].Length != 10*time.Minute {
				b.t.Errorf("%s: %+v, %v", plan, total, err)
			}
		}
	})
}

func TestSpeech(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		p := b.project("payg")
		say := meter.Speech{Project: p.ID, Key: 77, Model: "speech-02-hd", API: job.MiniMaxV1, Characters: 10_000}
		if _, err := b.Hold(ctx, say); job.CodeOf(err) != job.Balance {
			b.t.Errorf("without money: %v", err)
		}
		b.deposit(p, 1)
		h, err := b.Hold(ctx, say)
		if err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.40 0.60 0.00/0.00")
		if err := h.Refund(ctx); err != nil {
			b.t.Fatal(err)
		}
		if h, err = b.Hold(ctx, say); err == nil {
			err = errors.Join(h.Settle(ctx), h.Settle(ctx), h.Refund(ctx))
		}
		if err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.40 0.00 0.00/0.00")
		say.Characters = 5000
		if _, err := b.Hold(ctx, say); err != nil { // and the process ends
			b.t.Fatal(err)
		}
		b.clock.advance(59 * time.Minute)
		if n, err := b.Sweep(ctx); n != 0 || err != nil {
			b.t.Errorf("swept %d, %v", n, err)
		}
		b.clock.advance(2 * time.Minute)
		if n, err := b.Sweep(ctx); n != 1 || err != nil {
			b.t.Errorf("swept %d, %v", n, err)
		}
		b.has(p, "0.40 0.00 0.00/0.00")
	})
}

// TestChat: an answer is reserved for at its longest and charged for what it was, and
// what a process left open goes back.
func TestChat(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		p := b.project("payg")
		b.deposit(p, 1)
		ask := meter.Chat{Project: p.ID, Key: 77, Model: "smollm2", API: job.OpenAI, In: 1_000_000, Out: 1_000_000}
		h, err := b.HoldChat(ctx, ask)
		if err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.50 0.50 0.00/0.00")
		if err := errors.Join(h.SettleChat(ctx, 1_000_000, 250_000), h.SettleChat(ctx, 1_000_000, 1_000_000), h.Refund(ctx)); err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.80 0.00 0.00/0.00")
		total, err := b.db.UsageTotals(ctx, store.UsageFilter{Project: p.ID})
		if err != nil || len(total) != 1 || total[0].Units != 1_250_000 || total[0].Charged != 200_000 || total[0].Kind != "chat" {
			b.t.Errorf("%+v, %v", total, err)
		}
		if h, err = b.HoldChat(ctx, ask); err == nil { // no more than was reserved
			err = h.SettleChat(ctx, 5_000_000, 5_000_000)
		}
		if err != nil {
			b.t.Fatal(err)
		}
		b.has(p, "0.30 0.00 0.00/0.00")
		if _, err := b.HoldChat(ctx, ask); job.CodeOf(err) != job.Balance {
			b.t.Errorf("without money: %v", err)
		}
		ask.Out = 1000
		if _, err := b.HoldChat(ctx, ask); err != nil { // and the process ends
			b.t.Fatal(err)
		}
		b.clock.advance(61 * time.Minute)
		if n, err := b.Sweep(ctx); n != 1 || err != nil {
			b.t.Errorf("swept %d, %v", n, err)
		}
		b.has(p, "0.30 0.00 0.00/0.00")
	})
}

func TestExport(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		p := b.project("unlimited")
		var empty bytes.Buffer
		if err := b.Export(ctx, &empty, meter.JSON, store.UsageFilter{}); err != nil || empty.String() != "[]\n" {
			b.t.Errorf("no usage: %q, %v", empty.String(), err)
		}
		evil := video(5)
		evil.Model = "=HYPERLINK(\"http://evil\",\"x\"),\n\"quoted\""
		j := b.must(p, evil)
		b.finish(job.Succeeded, &job.Result{}, nil)
		b.clock.advance(time.Second)
		b.must(p, video(2.5))

		var text bytes.Buffer
		if err := b.Export(ctx, &text, meter.CSV, store.UsageFilter{Project: p.ID}); err != nil {
			b.t.Fatal(err)
		}
		rows, err := csv.NewReader(&text).ReadAll()
		if err != nil || len(rows) != 3 {
			b.t.Fatalf("%d rows, %v", len(rows), err)
		}
		want := []string{
			j.ID.String(), p.Name, "77", "2026-11-25T12:00:00.000Z", "2026-11-25T12:00:00.000Z", "minimax-v2", "video", "'" + evil.Model, "768P", "5", "0",
			"0.25", "succeeded", "0.25",
		}
		if fmt.Sprint(rows[1]) != fmt.Sprint(want) {
			b.t.Errorf("got  %q\nwant %q", rows[1], want)
		}
		for i, name := range rows[0] {
			if name == "seconds" && rows[2][i] != "2.5" || name == "outcome" && rows[2][i] != "open" || name == "finished_at" && rows[2][i] != "" {
				b.t.Errorf("%s of a queued job: %s", name, rows[2][i])
			}
		}

		text.Reset()
		var list []map[string]any
		if err := b.Export(ctx, &text, meter.JSON, store.UsageFilter{Project: p.ID}); err != nil {
			b.t.Fatal(err)
		}
		if err := json.Unmarshal(text.Bytes(), &list); err != nil || len(list) != 2 {
			b.t.Fatalf("%s: %v", text.String(), err)
		}
		if list[0]["model"] != evil.Model || list[0]["charged_usd"] != "0.25" || list[1]["seconds"] != 2.5 {
			b.t.Errorf("%v", list)
		}

		text.Reset()
		if err := b.Export(ctx, &text, meter.Table, store.UsageFilter{Model: "MiniMax-H3"}); err != nil || !strings.HasSuffix(strings.Join(strings.Fields(text.String()), " "), "open 1 2.5 0 $0.00 total 1 2.5 0 $0.00") {
			b.t.Errorf("%s%v", text.String(), err)
		}
		if err := b.Export(ctx, &text, "xml", store.UsageFilter{}); job.CodeOf(err) != job.Invalid {
			b.t.Errorf("xml: %v", err)
		}
		full := errors.New("the disk is full")
		for _, f := range []meter.Format{meter.CSV, meter.JSON, meter.Table} {
			if err := b.Export(ctx, fails{full}, f, store.UsageFilter{}); !errors.Is(err, full) {
				b.t.Errorf("%s to a full disk: %v", f, err)
			}
		}
	})
}

type fails struct{ err error }

func (f fails) Write([]byte) (int, error) { return 0, f.err }

// TestFormulas: no cell begins with a character that makes a spreadsheet run it.
func TestFormulas(t *testing.T) {
	each(t, func(b *bench) {
		p := b.project("unlimited")
		for _, start := range []string{"=1", "+1", "-1", "@x", "\tx", "\rx"} {
			s := video(1)
			s.Model, s.Resolution = start, start
			b.must(p, s)
		}
		var text bytes.Buffer
		if err := b.Export(context.Background(), &text, meter.CSV, store.UsageFilter{}); err != nil {
			b.t.Fatal(err)
		}
		rows, err := csv.NewReader(&text).ReadAll()
		if err != nil || len(rows) != 7 {
			b.t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					b.t.Errorf("the cell %q is a formula", cell)
				}
			}
		}
	})
}

// BenchmarkReserveSettle measures reserving and settling a job, by 32 concurrent
// clients.
func BenchmarkReserveSettle(b *testing.B) {
	db := storetest.Open(b, storetest.URL(b, store.SQLite), store.Options{})
	m, err := meter.New(db, meter.Config{})
	if err != nil {
		b.Fatal(err)
	}
	p, _ := m.NewProject("bench", "unlimited")
	if p, err = db.CreateProject(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(16) // times two cores
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			j := job.Job{ID: job.ID(store.NewID()), Project: p.ID, Spec: video(5), Price: 400_000}
			err := db.Write(context.Background(), func(tx *store.Tx) error { return m.Reserve(tx, &j) })
			if err == nil {
				j.State = job.Succeeded
				err = db.Write(context.Background(), func(tx *store.Tx) error { return m.Settle(tx, &j) })
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
	if err := db.CheckLedger(b.Context()); err != nil {
		b.Error(err)
	}
}
