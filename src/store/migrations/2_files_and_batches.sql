-- Files and batches. Read by SQLite and by PostgreSQL alike, which calls a BLOB otherwise.

CREATE TABLE files (
    -- Whose it is; empty where no keys are configured.
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The instance that has the bytes, and what it calls the file; null where they are here, in pieces.
    instance TEXT,
    upstream_id TEXT,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    -- Seconds since 1970, as `expires` is.
    created BIGINT NOT NULL,
    expires BIGINT,
    -- 0: it is still being written, or being deleted.
    is_finished BIGINT NOT NULL,
    object TEXT NOT NULL,
    notes TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX files_by_age ON files (tenant, created, id);

-- The bytes of a file, in order, without a gap.
CREATE TABLE pieces (
    tenant TEXT NOT NULL,
    file TEXT NOT NULL,
    position BIGINT NOT NULL,
    piece BLOB NOT NULL,
    PRIMARY KEY (tenant, file, position),
    FOREIGN KEY (tenant, file) REFERENCES files (tenant, id) ON DELETE CASCADE
);

CREATE TABLE batches (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    instance TEXT NOT NULL,
    flow TEXT NOT NULL,
    upstream_id TEXT,
    -- Seconds since 1970.
    created BIGINT NOT NULL,
    -- Milliseconds since 1970 from which somebody should see to it; null when it is over.
    due BIGINT,
    is_cancel_wanted BIGINT NOT NULL,
    -- The process that sees to it, and until when (milliseconds since 1970); null and 0 when none does.
    owner TEXT,
    leased_until BIGINT NOT NULL,
    object TEXT NOT NULL,
    work TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX batches_by_age ON batches (tenant, created, id);
CREATE INDEX batches_by_due ON batches (due) WHERE due IS NOT NULL;

-- What came of each line of a batch.
CREATE TABLE results (
    tenant TEXT NOT NULL,
    batch TEXT NOT NULL,
    line BIGINT NOT NULL,
    is_error BIGINT NOT NULL,
    -- The length of the text, so that it need not be read to be known.
    bytes BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant, batch, line),
    FOREIGN KEY (tenant, batch) REFERENCES batches (tenant, id) ON DELETE CASCADE
);
