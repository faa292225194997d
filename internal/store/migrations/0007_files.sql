-- A project's files are listed by age.

-- +goose Up
CREATE INDEX files_age ON files (project, created_at, id);

-- +goose Down
DROP INDEX files_age;
