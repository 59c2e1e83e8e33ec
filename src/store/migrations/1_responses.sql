-- Answers that can be asked for again, and continued. Read by SQLite and by PostgreSQL alike.

CREATE TABLE responses (
    -- Whose it is; empty where no keys are configured.
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The first response of the conversation, and the one right before this one.
    chain TEXT NOT NULL,
    previous TEXT,
    instance TEXT NOT NULL,
    model TEXT NOT NULL,
    -- Seconds since 1970.
    created BIGINT NOT NULL,
    -- Where the provider keeps it as well: by this id.
    upstream_id TEXT,
    -- The response as JSON; null where only the provider has it.
    object TEXT,
    -- The size of its items.
    bytes BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX responses_by_age ON responses (created);
CREATE INDEX responses_by_chain ON responses (tenant, chain, created);

-- What was said in a turn, in order: its input (side 0), then its output (side 1).
CREATE TABLE items (
    tenant TEXT NOT NULL,
    response TEXT NOT NULL,
    side SMALLINT NOT NULL,
    position BIGINT NOT NULL,
    -- The item's own id, if it has one: references name it.
    id TEXT,
    item TEXT NOT NULL,
    PRIMARY KEY (tenant, response, side, position),
    FOREIGN KEY (tenant, response) REFERENCES responses (tenant, id) ON DELETE CASCADE
);

CREATE INDEX items_by_id ON items (tenant, id) WHERE id IS NOT NULL;
