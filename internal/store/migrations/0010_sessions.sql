-- Sessions of browsers: each stands for a key, and ends with it.

-- +goose Up
CREATE TABLE sessions (
    hash       TEXT   PRIMARY KEY, -- SHA-256 of the cookie, in hex
    project    BIGINT NOT NULL,
    key_id     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_key ON sessions (key_id, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
