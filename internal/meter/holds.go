package meter

import (
	"context"
	"errors"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Speech is a piece of speech to be paid for.
type Speech struct {
	Project, Key int64
	Model        string
	API          job.API
	Characters   int
}

// Chat is an answer to a conversation to be paid for.
type Chat struct {
	Project, Key int64
	Model        string
	API          job.API
	In, Out      int // tokens: of the conversation, and the most of the answer
}

// Hold is money reserved for work that is no job.
type Hold struct {
	m     *Meter
	id    job.ID
	model string
	price int64
}

// Hold reserves the price of speech. Settle or Refund ends it. If the process
// ends before that, Sweep refunds the money.
func (m *Meter) Hold(ctx context.Context, s Speech) (*Hold, error) {
	price, err := m.QuoteSpeech(s.Model, s.Characters)
	if err != nil {
		return nil, err
	}
	return m.hold(ctx, store.Charge{
		Project: s.Project, Key: s.Key, Kind: kindSpeech, Model: s.Model, API: string(s.API), Units: int64(s.Characters), Price: price,
	})
}

// HoldChat reserves the most that an answer can cost. SettleChat or Refund ends it.
// If the process ends before that, Sweep refunds the money.
func (m *Meter) HoldChat(ctx context.Context, c Chat) (*Hold, error) {
	price, err := m.QuoteChat(c.Model, c.In, c.Out)
	if err != nil {
		return nil, err
	}
	return m.hold(ctx, store.Charge{
		Project: c.Project, Key: c.Key, Kind: kindChat, Model: c.Model, API: string(c.API), Units: int64(c.In) + int64(c.Out), Price: price,
	})
}

func (m *Meter) hold(ctx context.Context, c store.Charge) (*Hold, error) {
	c.Job = job.ID(store.NewID())
	h := &Hold{m: m, id: c.Job, model: c.Model, price: c.Price}
	if err := m.db.Write(ctx, func(tx *store.Tx) error { return m.reserve(tx, c) }); err != nil {
		return nil, err
	}
	return h, nil
}

// Settle charges the reserved price.
func (h *Hold) Settle(ctx context.Context) error {
	return h.m.db.Write(ctx, func(tx *store.Tx) error { return tx.Settle(ctx, h.id, h.price) })
}

// SettleChat charges for the tokens that there were: no more than was reserved for.
func (h *Hold) SettleChat(ctx context.Context, in, out int) error {
	price, err := h.m.QuoteChat(h.model, in, out)
	if err != nil {
		return err
	}
	price = min(price, h.price)
	return h.m.db.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Measure(ctx, h.id, int64(in)+int64(out), price); err != nil {
			return err
		}
		return tx.Settle(ctx, h.id, price)
	})
}

// Refund returns the reserved price.
func (h *Hold) Refund(ctx context.Context) error {
	return h.m.db.Write(ctx, func(tx *store.Tx) error { return tx.Refund(ctx, h.id, store.OutcomeFailed) })
}

// Sweep refunds speech and answers that were reserved for more than an hour ago, as
// their process has ended in the middle. Call it regularly.
func (m *Meter) Sweep(ctx context.Context) (refunded int, err error) {
	for _, kind := range []string{kindSpeech, kindChat} {
		n, failed := m.db.RefundStale(ctx, kind, m.db.Now().Add(-staleAfter))
		refunded, err = refunded+n, errors.Join(err, failed)
	}
	return refunded, err
}
