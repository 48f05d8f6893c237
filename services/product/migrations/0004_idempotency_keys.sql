-- The writes of the past day that had an idempotency key, for their repetitions. It refers to no product, so that neither creating
-- it nor deleting a product waits for the other.
create table idempotency_keys (
  -- A hash of the caller and of the key that the caller sent.
  key text collate "C" primary key,
  -- A hash of the request.
  fingerprint text not null,
  product_id integer not null,
  -- The product of the first response. All are null for a deletion.
  version integer,
  fields jsonb,
  created_at timestamptz(3),
  updated_at timestamptz(3),
  written_at timestamptz not null default now()
);

-- For the removal of those that are older.
create index idempotency_keys_written_at on idempotency_keys (written_at);
