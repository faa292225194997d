-- A job's place in the queue takes what the jobs before it cost.

-- +goose Up
DROP INDEX jobs_fair;
CREATE INDEX jobs_fair ON jobs (project, priority DESC, seq, cost) WHERE state = 'queued';

-- +goose Down
DROP INDEX jobs_fair;
CREATE INDEX jobs_fair ON jobs (project, priority DESC, seq) WHERE state = 'queued';
