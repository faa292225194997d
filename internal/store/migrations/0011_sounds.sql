-- The sounds that a job needs: blob keys, also in its spec.

-- +goose Up
ALTER TABLE jobs ADD COLUMN narration TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN sound TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_narration ON jobs (narration) WHERE narration <> '';
CREATE INDEX jobs_sound ON jobs (sound) WHERE sound <> '';

-- +goose Down
DROP INDEX jobs_sound;
DROP INDEX jobs_narration;
ALTER TABLE jobs DROP COLUMN sound;
ALTER TABLE jobs DROP COLUMN narration;
