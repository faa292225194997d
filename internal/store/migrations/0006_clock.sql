-- When a process of the server ran last, so that a clock that was set is noticed.

-- +goose Up
CREATE TABLE clock (
    one         BIGINT PRIMARY KEY CHECK (one = 1),
    seen        BIGINT NOT NULL, -- the time of the last look
    jumped_from BIGINT NOT NULL, -- of the last jump forward: when it began; 0: there was none
    jumped_by   BIGINT NOT NULL  -- and how long it was
);

-- +goose Down
DROP TABLE clock;
