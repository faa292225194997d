-- Jobs, their files, the fair share between projects.
-- One text for SQLite and Postgres. Times are milliseconds since 1970, 0 for
-- none; booleans are 0 and 1.

-- +goose Up
CREATE TABLE jobs (
    id              BIGINT PRIMARY KEY,
    project         BIGINT NOT NULL,
    key_id          BIGINT NOT NULL,
    api             TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    model           TEXT   NOT NULL,
    engine          TEXT   NOT NULL,
    task_type       TEXT   NOT NULL,
    spec            TEXT   NOT NULL,            -- JSON of job.Spec
    state           TEXT   NOT NULL,
    priority        BIGINT NOT NULL,
    seq             BIGINT NOT NULL,            -- the project's own count, its order of arrival
    cost            DOUBLE PRECISION NOT NULL,  -- what a start adds to the project's time
    attempt         BIGINT NOT NULL DEFAULT 0,
    max_attempts    BIGINT NOT NULL,
    worker          TEXT   NOT NULL DEFAULT '',
    lease_until     BIGINT NOT NULL DEFAULT 0,  -- while it runs
    run_after       BIGINT NOT NULL DEFAULT 0,  -- while it is queued: not before
    cancel_asked    BIGINT NOT NULL DEFAULT 0,
    phase           TEXT   NOT NULL DEFAULT '',
    progress        DOUBLE PRECISION NOT NULL DEFAULT 0,
    left_ms         BIGINT NOT NULL DEFAULT 0,
    result          TEXT   NOT NULL DEFAULT '', -- JSON of job.Result
    error           TEXT   NOT NULL DEFAULT '', -- JSON of job.Error
    latents         TEXT   NOT NULL DEFAULT '', -- blob key
    preview         TEXT   NOT NULL DEFAULT '', -- blob key
    first_frame     TEXT   NOT NULL DEFAULT '', -- blob key, also in spec
    callback        TEXT   NOT NULL DEFAULT '',
    price           BIGINT NOT NULL DEFAULT 0,
    sponsor         BIGINT NOT NULL DEFAULT 0,
    revision        BIGINT NOT NULL DEFAULT 1,
    created_at      BIGINT NOT NULL,
    started_at      BIGINT NOT NULL DEFAULT 0,
    finished_at     BIGINT NOT NULL DEFAULT 0,
    updated_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL DEFAULT 0,
    deleted_at      BIGINT NOT NULL DEFAULT 0,
    idempotency_key TEXT   NOT NULL DEFAULT '',
    request_hash    TEXT   NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX jobs_idempotency ON jobs (project, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX jobs_fair ON jobs (project, priority DESC, seq) WHERE state = 'queued';
CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_patience ON jobs (expires_at) WHERE state = 'queued' AND expires_at > 0;
CREATE INDEX jobs_key ON jobs (key_id) WHERE state = 'queued' OR state = 'running';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE finished_at > 0;
CREATE INDEX jobs_list ON jobs (project, created_at, id);
CREATE INDEX jobs_latents ON jobs (latents) WHERE latents <> '';
CREATE INDEX jobs_preview ON jobs (preview) WHERE preview <> '';
CREATE INDEX jobs_first_frame ON jobs (first_frame) WHERE first_frame <> '';

-- Start-time fair queueing: the project whose virtual time is least is next.
CREATE TABLE project_load (
    project     BIGINT PRIMARY KEY,
    queued      BIGINT NOT NULL DEFAULT 0,
    running     BIGINT NOT NULL DEFAULT 0,
    vtime       DOUBLE PRECISION NOT NULL DEFAULT 0,
    weight      DOUBLE PRECISION NOT NULL DEFAULT 1,
    max_running BIGINT NOT NULL DEFAULT 0, -- 0: no limit
    seq         BIGINT NOT NULL DEFAULT 0  -- jobs that ever came
);
CREATE INDEX project_load_busy ON project_load (vtime) WHERE queued > 0 OR running > 0;

CREATE TABLE files (
    id           BIGINT PRIMARY KEY,
    project      BIGINT NOT NULL,
    purpose      TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    content_type TEXT   NOT NULL,
    blob_key     TEXT   NOT NULL,
    sha256       TEXT   NOT NULL,
    bytes        BIGINT NOT NULL,
    job          BIGINT NOT NULL DEFAULT 0, -- whose result it is
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX files_list ON files (project, purpose, id);
CREATE INDEX files_key ON files (blob_key);
CREATE INDEX files_job ON files (job) WHERE job > 0;
CREATE INDEX files_expiry ON files (expires_at) WHERE expires_at > 0;

-- Words about the database itself, such as when something was last done.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- +goose Down
DROP TABLE meta;
DROP TABLE files;
DROP TABLE project_load;
DROP TABLE jobs;
