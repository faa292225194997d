-- +goose Up
CREATE TABLE endpoints (
    id              BIGINT PRIMARY KEY,
    project         BIGINT NOT NULL,
    url             TEXT   NOT NULL,
    description     TEXT   NOT NULL,
    events          TEXT   NOT NULL, -- JSON array of names
    secret          TEXT   NOT NULL, -- whsec_…; kept readable, as it signs
    previous_secret TEXT   NOT NULL, -- "" for none
    previous_until  BIGINT NOT NULL, -- until when the previous one signs too
    disabled        TEXT   NOT NULL, -- why, or ""
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX endpoints_project ON endpoints (project);

CREATE TABLE deliveries (
    id          BIGINT PRIMARY KEY,
    project     BIGINT NOT NULL,
    endpoint    BIGINT NOT NULL, -- 0 for a job's own callback
    url         TEXT   NOT NULL,
    form        TEXT   NOT NULL,
    event       TEXT   NOT NULL,
    event_id    TEXT   NOT NULL,
    job         BIGINT NOT NULL,
    snapshot    TEXT   NOT NULL, -- the job as it was, JSON
    state       TEXT   NOT NULL,
    attempts    BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    busy_until  BIGINT NOT NULL, -- until when an attempt that runs may take; 0 for none
    last_status BIGINT NOT NULL,
    last_error  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);
CREATE INDEX deliveries_project ON deliveries (project, created_at);
CREATE INDEX deliveries_endpoint ON deliveries (endpoint, created_at);
CREATE INDEX deliveries_busy ON deliveries (busy_until) WHERE busy_until > 0;

-- +goose Down
DROP TABLE deliveries;
DROP TABLE endpoints;
