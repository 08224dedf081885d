-- Whom to tell of the end of calls and conferences that are not over: what a node that dies leaves to the next one.
CREATE TABLE promises (
    key    TEXT PRIMARY KEY,
    url    TEXT NOT NULL,
    is_get INTEGER NOT NULL,
    number INTEGER NOT NULL
) WITHOUT ROWID;
