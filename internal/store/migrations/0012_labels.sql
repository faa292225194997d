-- What the owner of a job marks it with, and finds it by.

-- +goose Up
ALTER TABLE jobs ADD COLUMN starred BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '';  -- a line each, after a line end
ALTER TABLE jobs ADD COLUMN words TEXT NOT NULL DEFAULT ''; -- the prompt in lower case; '' in jobs that came before this
CREATE INDEX jobs_starred ON jobs (project, created_at, id) WHERE starred = 1;

-- +goose Down
DROP INDEX jobs_starred;
ALTER TABLE jobs DROP COLUMN words;
ALTER TABLE jobs DROP COLUMN tags;
ALTER TABLE jobs DROP COLUMN starred;
