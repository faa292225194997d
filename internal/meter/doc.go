// Package meter computes what work costs and makes sure that it is paid for:
// prices by model, resolution and length; plans; the reservation when a job is
// accepted, its settlement when it succeeds and its refund when it does not;
// usage reports; and the counts of sponsors' impressions and clicks.
//
// Money is int64 in millionths of a dollar. The ledger, its accounts and its
// transactions are package store's; meter decides when to move which amounts. A
// job that failed, was refused by moderation, was cancelled or expired is never
// charged, and nothing is charged twice. The package takes no payments and knows
// no payment provider: the operator records deposits.
package meter
