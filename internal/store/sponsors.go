package store

import (
	"context"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// MaxSponsorID is the length of a sponsor's ID in bytes.
const MaxSponsorID = 63

const dayMillis = 24 * 60 * 60 * 1000

// SponsorCount is a sponsor's impressions and clicks in one project on one day.
type SponsorCount struct {
	Sponsor     string    `json:"sponsor"`
	Project     int64     `json:"project"`
	Day         time.Time `json:"day"` // start of the day, UTC
	Impressions int64     `json:"impressions"`
	Clicks      int64     `json:"clicks"`
}

// CountSponsor adds to a sponsor's impressions and clicks in a project today.
func (db *DB) CountSponsor(ctx context.Context, sponsor string, project, impressions, clicks int64) error {
	if sponsor == "" || len(sponsor) > MaxSponsorID || impressions < 0 || clicks < 0 {
		return job.Errorf(job.Invalid, "sponsor", "%[2].80q is not a sponsor's ID: it has 1 to %[1]d bytes", MaxSponsorID, sponsor)
	}
	err := db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sponsor_events (sponsor, project, day, impressions, clicks) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (sponsor, project, day) DO UPDATE SET impressions = sponsor_events.impressions + excluded.impressions, clicks = sponsor_events.clicks + excluded.clicks`,
			sponsor, project, millis(tx.Now())/dayMillis, impressions, clicks)
		return err
	})
	if err != nil {
		return fmt.Errorf("count for the sponsor %s: %w", sponsor, err)
	}
	return nil
}

// SponsorCounts lists the counts of the days from from up to but not including
// to; zero times are no bounds.
func (db *DB) SponsorCounts(ctx context.Context, from, to time.Time) (out []SponsorCount, err error) {
	first, end := int64(0), int64(1)<<40
	if !from.IsZero() {
		first = millis(from) / dayMillis
	}
	if !to.IsZero() {
		end = millis(to) / dayMillis
	}
	err = db.Read(ctx, func(q Queryer) error {
		out = nil
		rows, err := q.QueryContext(ctx, `SELECT sponsor, project, day, impressions, clicks FROM sponsor_events
			WHERE day >= $1 AND day < $2 ORDER BY day, sponsor, project`, first, end)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c SponsorCount
			var day int64
			if err := rows.Scan(&c.Sponsor, &c.Project, &day, &c.Impressions, &c.Clicks); err != nil {
				return err
			}
			c.Day = time.UnixMilli(day * dayMillis).UTC()
			out = append(out, c)
		}
		return rows.Err()
	})
	return out, err
}
