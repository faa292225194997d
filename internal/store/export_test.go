package store

// DropTickets forgets the tickets that a transaction asked for, as a crash of
// River would.
func (tx *Tx) DropTickets() { tx.tickets = nil }
