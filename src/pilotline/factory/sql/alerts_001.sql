-- What is wrong, and whom it was told: once a problem, once its end.

CREATE TABLE alert (
    id {id},
    kind TEXT NOT NULL CHECK (kind IN ('failed', 'late', 'long')),
    -- A pipeline, a table, a run.
    subject TEXT NOT NULL,
    owner TEXT NOT NULL,
    because TEXT NOT NULL,
    run TEXT,
    opened TEXT NOT NULL,
    closed TEXT
);

CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE closed IS NULL;
CREATE INDEX alert_closed ON alert (closed);

CREATE TABLE delivery (
    alert INTEGER NOT NULL REFERENCES alert (id),
    news TEXT NOT NULL CHECK (news IN ('opened', 'recovered')),
    channel TEXT NOT NULL,
    due TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- Somebody is sending it; after this time somebody else may.
    claimed_until TEXT,
    done TEXT,
    because TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (alert, news, channel)
) {without_rowid};

CREATE INDEX delivery_due ON delivery (channel, due) WHERE done IS NULL;
