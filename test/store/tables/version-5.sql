-- stored: {"version":5,"begin":1795000000000}
CREATE TABLE entries (
     key TEXT PRIMARY KEY,
     revision INTEGER NOT NULL DEFAULT 0,
     watcher TEXT,
     ts_us INTEGER NOT NULL DEFAULT 0,
     value_revision INTEGER NOT NULL DEFAULT 0,
     schema_revision INTEGER NOT NULL DEFAULT 0,
     schema TEXT,
     value TEXT
   , schema_ts_us INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL DEFAULT 0, agent TEXT, schema_agent TEXT) WITHOUT ROWID;
CREATE TABLE log (
     revision INTEGER PRIMARY KEY,
     previous INTEGER NOT NULL,
     key TEXT NOT NULL,
     event TEXT NOT NULL,
     action TEXT NOT NULL,
     ts_us INTEGER NOT NULL,
     json TEXT
   , created_us INTEGER, expires_us INTEGER, agent TEXT);
CREATE TABLE idempotency (
     id TEXT PRIMARY KEY,
     fingerprint TEXT NOT NULL,
     expires_us INTEGER NOT NULL,
     results TEXT NOT NULL
   , text TEXT, agent TEXT) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_us);
CREATE TABLE expiries (key TEXT PRIMARY KEY, expires_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX expiries_by_time ON expiries (expires_us);
INSERT INTO entries VALUES ('', 0, 'token', 0, 0, 0, NULL, NULL, 0, 0, NULL, NULL);
INSERT INTO entries VALUES ('deleted', 1795000000006, NULL, 1795000004000000, 0, 0, NULL, NULL, 0, 0, NULL, NULL);
INSERT INTO entries VALUES ('doc', 1795000000003, 'token', 1795000002000000, 1795000000003, 1795000000002, '{"type":"object"}', '{"x":2}', 1795000001000000, 1795000000000000, 'an agent', 'an agent');
INSERT INTO entries VALUES ('expires', 1795000000011, NULL, 1795000008000000, 1795000000011, 0, NULL, '1', 0, 1795000008000000, 'an agent', NULL);
INSERT INTO entries VALUES ('never written', 0, 'token', 0, 0, 0, NULL, NULL, 0, 0, NULL, NULL);
INSERT INTO entries VALUES ('no schema', 1795000000009, NULL, 0, 0, 0, NULL, NULL, 1795000005000000, 0, NULL, NULL);
INSERT INTO entries VALUES ('only a schema', 1795000000007, NULL, 0, 0, 1795000000007, 'true', NULL, 1795000004000000, 0, NULL, 'an agent');
INSERT INTO entries VALUES ('repeated', 1795000000010, NULL, 1795000007000000, 1795000000010, 0, NULL, '"first"', 0, 1795000007000000, 'an agent', NULL);
INSERT INTO entries VALUES ('ä😀', 1795000000005, NULL, 1795000003000000, 1795000000005, 0, NULL, 'null', 0, 1795000003000000, 'an agent', NULL);
INSERT INTO log VALUES (1795000000001, 0, 'doc', 'value', 'set', 1795000000000000, '{"x":1.0,"big":9007199254740993}', 1795000000000000, NULL, 'an agent');
INSERT INTO log VALUES (1795000000002, 1795000000001, 'doc', 'schema', 'set', 1795000001000000, '{"type":"object"}', NULL, NULL, 'an agent');
INSERT INTO log VALUES (1795000000003, 1795000000002, 'doc', 'value', 'set', 1795000002000000, '{"x":2}', 1795000000000000, NULL, 'an agent');
INSERT INTO log VALUES (1795000000004, 0, 'deleted', 'value', 'set', 1795000003000000, '"it''s gone"', 1795000003000000, NULL, 'an agent');
INSERT INTO log VALUES (1795000000005, 0, 'ä😀', 'value', 'set', 1795000003000000, 'null', 1795000003000000, NULL, 'an agent');
INSERT INTO log VALUES (1795000000006, 1795000000004, 'deleted', 'value', 'delete', 1795000004000000, NULL, NULL, NULL, 'an agent');
INSERT INTO log VALUES (1795000000007, 0, 'only a schema', 'schema', 'set', 1795000004000000, 'true', NULL, NULL, 'an agent');
INSERT INTO log VALUES (1795000000008, 0, 'no schema', 'schema', 'set', 1795000005000000, 'true', NULL, NULL, 'an agent');
INSERT INTO log VALUES (1795000000009, 1795000000008, 'no schema', 'schema', 'delete', 1795000006000000, NULL, NULL, NULL, 'an agent');
INSERT INTO log VALUES (1795000000010, 0, 'repeated', 'value', 'set', 1795000007000000, '"first"', 1795000007000000, NULL, 'an agent');
INSERT INTO log VALUES (1795000000011, 0, 'expires', 'value', 'set', 1795000008000000, '1', 1795000008000000, 1795086408000000, 'an agent');
INSERT INTO idempotency VALUES ('id', 'fingerprint', 1795000307000000, '[{"revision":1795000000010,"previous":0,"ts":1795000007,"created":1795000007,"watched":false,"namespaceWatched":true},{"change":null,"revision":0,"ts":0}]', '"first"', 'an agent');
INSERT INTO expiries VALUES ('expires', 1795086408000000);
