-- Times are microseconds since 1970, UTC.

-- What the node keeps in memory and only remembers here: accounts, keys, applications, numbers, queues.
CREATE TABLE documents (
    kind    TEXT NOT NULL,
    sid     TEXT NOT NULL,
    account TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (kind, sid)
) WITHOUT ROWID;

-- Callbacks that no application has taken yet.
CREATE TABLE spool (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    id   TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);

-- `is_gone` rows were deleted over the API. They hold nothing but their name, so that late news cannot bring them back.
CREATE TABLE calls (
    sid        TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    parent     TEXT,
    caller     TEXT NOT NULL,
    called     TEXT NOT NULL,
    direction  TEXT NOT NULL,
    status     TEXT NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    started    INTEGER,
    ended      INTEGER,
    queue_time INTEGER NOT NULL,
    trunk      TEXT,
    sip_status INTEGER,
    is_final   INTEGER NOT NULL,
    is_gone    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX calls_by_age ON calls (account, created DESC, sid DESC) WHERE is_final = 1 AND is_gone = 0;
CREATE INDEX calls_by_parent ON calls (parent) WHERE parent IS NOT NULL;
CREATE INDEX calls_by_change ON calls (is_final, updated);

CREATE TABLE conferences (
    sid             TEXT PRIMARY KEY,
    account         TEXT NOT NULL,
    friendly_name   TEXT NOT NULL,
    status          TEXT NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    reason_ended    TEXT,
    call_sid_ending TEXT,
    is_listed       INTEGER NOT NULL,
    is_final        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX conferences_by_age ON conferences (account, created DESC, sid DESC) WHERE is_final = 1;
CREATE INDEX conferences_by_change ON conferences (is_final, updated);

CREATE TABLE participants (
    conference     TEXT NOT NULL,
    call           TEXT NOT NULL,
    label          TEXT,
    muted          INTEGER NOT NULL,
    hold           INTEGER NOT NULL,
    coaching       INTEGER NOT NULL,
    coached        TEXT,
    start_on_enter INTEGER NOT NULL,
    end_on_exit    INTEGER NOT NULL,
    status         TEXT NOT NULL,
    created        INTEGER NOT NULL,
    updated        INTEGER NOT NULL,
    PRIMARY KEY (conference, call)
) WITHOUT ROWID;
CREATE INDEX participants_by_change ON participants (updated);

-- What went wrong in an application, for its author.
CREATE TABLE notifications (
    sid               TEXT PRIMARY KEY,
    account           TEXT NOT NULL,
    call              TEXT,
    log               INTEGER NOT NULL,
    error_code        INTEGER NOT NULL,
    created           INTEGER NOT NULL,
    message           TEXT NOT NULL,
    request_method    TEXT,
    request_url       TEXT,
    request_variables TEXT,
    response_headers  TEXT,
    response_body     TEXT
) WITHOUT ROWID;
CREATE INDEX notifications_by_age ON notifications (account, created DESC, sid DESC);
CREATE INDEX notifications_by_call ON notifications (call) WHERE call IS NOT NULL;
CREATE INDEX notifications_by_time ON notifications (created);

-- Requests to applications made for a call, with what was answered.
CREATE TABLE exchanges (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    call     TEXT NOT NULL,
    account  TEXT NOT NULL,
    created  INTEGER NOT NULL,
    request  TEXT NOT NULL,
    response TEXT NOT NULL
);
CREATE INDEX exchanges_by_call ON exchanges (call, seq);
CREATE INDEX exchanges_by_time ON exchanges (created);

-- When the node was last known to run; one row.
CREATE TABLE life (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    alive INTEGER NOT NULL
);
