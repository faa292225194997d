-- What is forgotten is found by index: the deliveries of a job that is deleted,
-- and those that are over, by their age.

-- +goose Up
CREATE INDEX deliveries_job ON deliveries (job);
CREATE INDEX deliveries_over ON deliveries (created_at) WHERE state <> 'pending';

-- +goose Down
DROP INDEX deliveries_over;
DROP INDEX deliveries_job;
