-- stored: {"version":6,"begin":1795000000000000}
CREATE TABLE entries (
     key TEXT PRIMARY KEY,
     revision INTEGER NOT NULL DEFAULT 0,
     watcher TEXT,
     ts_us INTEGER NOT NULL DEFAULT 0,
     value_revision INTEGER NOT NULL DEFAULT 0,
     schema_revision INTEGER NOT NULL DEFAULT 0,
     schema TEXT,
     value TEXT
   , schema_ts_us INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL DEFAULT 0, agent TEXT, schema_agent TEXT, gone_us INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE expiries (key TEXT PRIMARY KEY, expires_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE "log" (
     revision INTEGER PRIMARY KEY,
     previous INTEGER NOT NULL,
     key TEXT NOT NULL,
     event TEXT NOT NULL,
     action TEXT NOT NULL,
     ts_us INTEGER NOT NULL,
     created_us INTEGER,
     expires_us INTEGER,
     agent TEXT,
     total INTEGER NOT NULL,
     json TEXT
   );
CREATE TABLE "idempotency" (
     seq INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     fingerprint TEXT NOT NULL,
     expires_us INTEGER NOT NULL,
     total INTEGER NOT NULL,
     results TEXT NOT NULL,
     agent TEXT
   );
CREATE INDEX expiries_by_time ON expiries (expires_us);
CREATE INDEX entries_by_gone ON entries (gone_us) WHERE gone_us > 0;
INSERT INTO entries VALUES ('', 0, 'token', 0, 0, 0, NULL, NULL, 0, 0, NULL, NULL, 0);
INSERT INTO entries VALUES ('deleted', 1795000000000006, NULL, 1795000004000000, 0, 0, NULL, NULL, 0, 0, NULL, NULL, 1795000004000000);
INSERT INTO entries VALUES ('doc', 1795000000000003, 'token', 1795000002000000, 1795000000000003, 1795000000000002, '{"type":"object"}', '{"x":2}', 1795000001000000, 1795000000000000, 'an agent', 'an agent', 0);
INSERT INTO entries VALUES ('expires', 1795000000000011, NULL, 1795000008000000, 1795000000000011, 0, NULL, '1', 0, 1795000008000000, 'an agent', NULL, 0);
INSERT INTO entries VALUES ('never written', 0, 'token', 0, 0, 0, NULL, NULL, 0, 0, NULL, NULL, 0);
INSERT INTO entries VALUES ('no schema', 1795000000000009, NULL, 0, 0, 0, NULL, NULL, 1795000005000000, 0, NULL, NULL, 1795000006000000);
INSERT INTO entries VALUES ('only a schema', 1795000000000007, NULL, 0, 0, 1795000000000007, 'true', NULL, 1795000004000000, 0, NULL, 'an agent', 0);
INSERT INTO entries VALUES ('repeated', 1795000000000010, NULL, 1795000007000000, 1795000000000010, 0, NULL, '"first"', 0, 1795000007000000, 'an agent', NULL, 0);
INSERT INTO entries VALUES ('ä😀', 1795000000000005, NULL, 1795000003000000, 1795000000000005, 0, NULL, 'null', 0, 1795000003000000, 'an agent', NULL, 0);
INSERT INTO log VALUES (1795000000000001, 0, 'doc', 'value', 'set', 1795000000000000, 1795000000000000, NULL, 'an agent', 135, '{"x":1.0,"big":9007199254740993}');
INSERT INTO log VALUES (1795000000000002, 1795000000000001, 'doc', 'schema', 'set', 1795000001000000, NULL, NULL, 'an agent', 255, '{"type":"object"}');
INSERT INTO log VALUES (1795000000000003, 1795000000000002, 'doc', 'value', 'set', 1795000002000000, 1795000000000000, NULL, 'an agent', 365, '{"x":2}');
INSERT INTO log VALUES (1795000000000004, 0, 'deleted', 'value', 'set', 1795000003000000, 1795000003000000, NULL, 'an agent', 483, '"it''s gone"');
INSERT INTO log VALUES (1795000000000005, 0, 'ä😀', 'value', 'set', 1795000003000000, 1795000003000000, NULL, 'an agent', 593, 'null');
INSERT INTO log VALUES (1795000000000006, 1795000000000004, 'deleted', 'value', 'delete', 1795000004000000, NULL, NULL, 'an agent', 700, NULL);
INSERT INTO log VALUES (1795000000000007, 0, 'only a schema', 'schema', 'set', 1795000004000000, NULL, NULL, 'an agent', 817, 'true');
INSERT INTO log VALUES (1795000000000008, 0, 'no schema', 'schema', 'set', 1795000005000000, NULL, NULL, 'an agent', 930, 'true');
INSERT INTO log VALUES (1795000000000009, 1795000000000008, 'no schema', 'schema', 'delete', 1795000006000000, NULL, NULL, 'an agent', 1039, NULL);
INSERT INTO log VALUES (1795000000000010, 0, 'repeated', 'value', 'set', 1795000007000000, 1795000007000000, NULL, 'an agent', 1154, '"first"');
INSERT INTO log VALUES (1795000000000011, 0, 'expires', 'value', 'set', 1795000008000000, 1795000008000000, 1795086408000000, 'an agent', 1262, '1');
INSERT INTO idempotency VALUES (1, 'id', 'fingerprint', 1795000307000000, 294, '[{"revision":1795000000000010,"previous":0,"ts":1795000007,"created":1795000007,"watched":false,"namespaceWatched":true},{"change":null,"revision":1795000000000010,"ts":1795000007}]', 'an agent');
INSERT INTO expiries VALUES ('expires', 1795086408000000);
