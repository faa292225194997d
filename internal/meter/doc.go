// Package meter says what work costs and sees to it that it is paid for: prices
// by model, resolution and length; plans; the reservation when a job is
// accepted, its settlement when it succeeds and its refund when it does not;
// reports of usage; and the counts of what sponsors were shown.
//
// Money is int64 in millionths of a dollar. The ledger itself, its accounts and
// its transactions are package store's; meter decides amounts and moments. What
// failed, was refused by moderation, cancelled or expired is never charged, and
// nothing is charged twice. The package takes no payments and knows no payment
// provider: deposits are noted by the operator.
package meter
