-- A delivery of a project that has as many under way as it may has a busy_until
-- of -1, and no entry in River's queue, until one of them is over.

-- +goose Up
CREATE INDEX deliveries_waiting ON deliveries (project, attempts, created_at) WHERE busy_until < 0;

-- +goose Down
UPDATE deliveries SET busy_until = 0 WHERE busy_until < 0;
DROP INDEX deliveries_waiting;
