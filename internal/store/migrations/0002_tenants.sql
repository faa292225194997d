-- +goose Up
CREATE TABLE projects (
    id            BIGINT PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    plan          TEXT   NOT NULL,
    postpaid      BIGINT NOT NULL CHECK (postpaid IN (0, 1)),
    credit_limit  BIGINT NOT NULL CHECK (credit_limit >= 0), -- micros that a post-paid project may owe; 0: no limit
    weight        BIGINT NOT NULL CHECK (weight BETWEEN 1 AND 1000),
    max_running   BIGINT NOT NULL CHECK (max_running >= 0),   -- 0: no limit
    max_in_flight BIGINT NOT NULL CHECK (max_in_flight >= 0), -- 0: no limit
    sponsored     BIGINT NOT NULL CHECK (sponsored IN (0, 1)),
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT NOT NULL -- 0: it is not
);

CREATE TABLE api_keys (
    id            BIGINT PRIMARY KEY,
    project       BIGINT NOT NULL REFERENCES projects (id),
    name          TEXT   NOT NULL,
    prefix        TEXT   NOT NULL,        -- its first characters, to tell keys apart
    hash          TEXT   NOT NULL UNIQUE, -- SHA-256 in hex; the key itself is kept nowhere
    scopes        TEXT   NOT NULL,        -- separated by spaces
    rpm           BIGINT NOT NULL CHECK (rpm >= 0),           -- requests a minute; 0: no limit of its own
    max_in_flight BIGINT NOT NULL CHECK (max_in_flight >= 0), -- 0: no limit of its own
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL, -- 0: never
    last_used_at  BIGINT NOT NULL,
    revoked_at    BIGINT NOT NULL
);
CREATE INDEX api_keys_project ON api_keys (project, created_at);

-- The accounts of each project, in micros: what entries put in less what they
-- took out. The first three are the project's, the others are the house's side
-- of the same money, kept by project so that projects never wait for each
-- other. Money is moved, never made: the six sum to zero.
CREATE TABLE wallets (
    project        BIGINT PRIMARY KEY REFERENCES projects (id),
    balance        BIGINT NOT NULL DEFAULT 0, -- paid in; below zero: owed
    held           BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),     -- reserved by work that is not over
    credits        BIGINT NOT NULL DEFAULT 0 CHECK (credits >= 0),  -- the plan's, until the period ends
    revenue        BIGINT NOT NULL DEFAULT 0 CHECK (revenue >= 0),  -- earned
    deposits       BIGINT NOT NULL DEFAULT 0,                       -- where balance comes from
    grants         BIGINT NOT NULL DEFAULT 0 CHECK (grants <= 0),   -- where credits come from
    least          BIGINT NOT NULL CHECK (least <= 0),              -- what balance may be at the least
    anchor         BIGINT NOT NULL DEFAULT 0, -- when the first period of the plan began
    period_ends    BIGINT NOT NULL DEFAULT 0, -- 0: none has begun
    period_credits BIGINT NOT NULL DEFAULT 0, -- what this period began with
    CONSTRAINT wallets_least CHECK (balance >= least),
    CONSTRAINT wallets_balanced CHECK (balance + held + credits + revenue + deposits + grants = 0)
);

-- Postings are never changed. An entry moves an amount from one account to
-- another, so no posting can be out of balance; the unique key makes a repeated
-- one do nothing.
CREATE TABLE ledger (
    id      BIGINT PRIMARY KEY,
    project BIGINT NOT NULL REFERENCES projects (id),
    kind    TEXT   NOT NULL CHECK (kind IN ('deposit', 'reserve', 'settle', 'refund', 'period')),
    ref     TEXT   NOT NULL, -- the job, or what else there is one posting of this kind for
    note    TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    UNIQUE (project, kind, ref)
);
CREATE INDEX ledger_project ON ledger (project, at);

CREATE TABLE ledger_entries (
    posting BIGINT NOT NULL REFERENCES ledger (id),
    line    BIGINT NOT NULL,
    source  TEXT   NOT NULL CHECK (source IN ('balance', 'held', 'credits', 'revenue', 'deposits', 'grants')),
    target  TEXT   NOT NULL CHECK (target IN ('balance', 'held', 'credits', 'revenue', 'deposits', 'grants')),
    amount  BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (posting, line),
    CHECK (source <> target)
);

-- What each piece of work was to cost and what came of it: the reservation
-- while it is open, the usage report for ever. It outlives the job's own row.
CREATE TABLE charges (
    job          BIGINT PRIMARY KEY,
    project      BIGINT NOT NULL REFERENCES projects (id),
    api_key      BIGINT NOT NULL,
    kind         TEXT   NOT NULL, -- video, image, context, speech
    model        TEXT   NOT NULL,
    api          TEXT   NOT NULL,
    resolution   TEXT   NOT NULL,
    millis       BIGINT NOT NULL CHECK (millis >= 0), -- of video
    units        BIGINT NOT NULL CHECK (units >= 0),  -- images, or characters of speech
    price        BIGINT NOT NULL CHECK (price >= 0),  -- as quoted
    from_credits BIGINT NOT NULL CHECK (from_credits >= 0),
    from_balance BIGINT NOT NULL CHECK (from_balance >= 0),
    period_ends  BIGINT NOT NULL, -- of the credits that are reserved
    outcome      TEXT   NOT NULL CHECK (outcome IN ('open', 'succeeded', 'failed', 'refused', 'cancelled', 'expired')),
    charged      BIGINT NOT NULL CHECK (charged >= 0),
    created_at   BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL,
    CHECK (charged <= from_credits + from_balance),
    CHECK (charged = 0 OR outcome = 'succeeded')
);
CREATE INDEX charges_project ON charges (project, created_at, job);
CREATE INDEX charges_open ON charges (created_at) WHERE outcome = 'open';

CREATE TABLE sponsor_events (
    sponsor     TEXT   NOT NULL,
    project     BIGINT NOT NULL,
    day         BIGINT NOT NULL, -- days since 1970-01-01, UTC
    impressions BIGINT NOT NULL,
    clicks      BIGINT NOT NULL,
    PRIMARY KEY (sponsor, project, day)
);

-- +goose Down
DROP TABLE sponsor_events;
DROP TABLE charges;
DROP TABLE ledger_entries;
DROP TABLE ledger;
DROP TABLE wallets;
DROP TABLE api_keys;
DROP TABLE projects;
