-- River alone says when a delivery is sent, and sends it again when its process
-- was lost. A delivery's row only says whether it holds one of the slots of its
-- project, or waits for one. A delivery that waits has no entry in River's queue.

-- +goose Up
-- A slot is '', 'held' or 'waiting'.
ALTER TABLE deliveries ADD COLUMN slot TEXT NOT NULL DEFAULT '';
UPDATE deliveries SET slot = 'held' WHERE state = 'pending' AND busy_until > 0;
UPDATE deliveries SET slot = 'waiting' WHERE state = 'pending' AND busy_until < 0;
DROP INDEX deliveries_busy;
DROP INDEX deliveries_waiting;
ALTER TABLE deliveries DROP COLUMN busy_until;
CREATE INDEX deliveries_held ON deliveries (project) WHERE slot = 'held';
CREATE INDEX deliveries_waiting ON deliveries (project, attempts, created_at) WHERE slot = 'waiting';

-- +goose Down
ALTER TABLE deliveries ADD COLUMN busy_until BIGINT NOT NULL DEFAULT 0;
UPDATE deliveries SET busy_until = 1 WHERE slot = 'held';
UPDATE deliveries SET busy_until = -1 WHERE slot = 'waiting';
DROP INDEX deliveries_held;
DROP INDEX deliveries_waiting;
ALTER TABLE deliveries DROP COLUMN slot;
CREATE INDEX deliveries_busy ON deliveries (busy_until) WHERE busy_until > 0;
CREATE INDEX deliveries_waiting ON deliveries (project, attempts, created_at) WHERE busy_until < 0;
