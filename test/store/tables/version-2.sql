-- stored: {"version":2}
CREATE TABLE entries (
     key TEXT PRIMARY KEY,
     revision INTEGER NOT NULL DEFAULT 0,
     watcher TEXT,
     ts_us INTEGER NOT NULL DEFAULT 0,
     value_revision INTEGER NOT NULL DEFAULT 0,
     schema_revision INTEGER NOT NULL DEFAULT 0,
     schema TEXT,
     value TEXT
   ) WITHOUT ROWID;
CREATE TABLE log (
     revision INTEGER PRIMARY KEY,
     previous INTEGER NOT NULL,
     key TEXT NOT NULL,
     event TEXT NOT NULL,
     action TEXT NOT NULL,
     ts_us INTEGER NOT NULL,
     json TEXT
   );
CREATE TABLE idempotency (
     id TEXT PRIMARY KEY,
     fingerprint TEXT NOT NULL,
     expires_us INTEGER NOT NULL,
     results TEXT NOT NULL
   ) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_us);
INSERT INTO entries VALUES ('deleted', 6, NULL, 1795000004000000, 0, 0, NULL, NULL);
INSERT INTO entries VALUES ('doc', 3, 'token', 1795000002000000, 3, 2, '{"type":"object"}', '{"x":2}');
INSERT INTO entries VALUES ('never written', 0, 'token', 0, 0, 0, NULL, NULL);
INSERT INTO entries VALUES ('no schema', 9, NULL, 0, 0, 0, NULL, NULL);
INSERT INTO entries VALUES ('only a schema', 7, NULL, 0, 0, 7, 'true', NULL);
INSERT INTO entries VALUES ('repeated', 10, NULL, 1795000007000000, 10, 0, NULL, '"first"');
INSERT INTO entries VALUES ('ä😀', 5, NULL, 1795000003000000, 5, 0, NULL, 'null');
INSERT INTO log VALUES (1, 0, 'doc', 'value', 'set', 1795000000000000, '{"x":1.0,"big":9007199254740993}');
INSERT INTO log VALUES (2, 1, 'doc', 'schema', 'set', 1795000001000000, '{"type":"object"}');
INSERT INTO log VALUES (3, 2, 'doc', 'value', 'set', 1795000002000000, '{"x":2}');
INSERT INTO log VALUES (4, 0, 'deleted', 'value', 'set', 1795000003000000, '"it''s gone"');
INSERT INTO log VALUES (5, 0, 'ä😀', 'value', 'set', 1795000003000000, 'null');
INSERT INTO log VALUES (6, 4, 'deleted', 'value', 'delete', 1795000004000000, NULL);
INSERT INTO log VALUES (7, 0, 'only a schema', 'schema', 'set', 1795000004000000, 'true');
INSERT INTO log VALUES (8, 0, 'no schema', 'schema', 'set', 1795000005000000, 'true');
INSERT INTO log VALUES (9, 8, 'no schema', 'schema', 'delete', 1795000006000000, NULL);
INSERT INTO log VALUES (10, 0, 'repeated', 'value', 'set', 1795000007000000, '"first"');
INSERT INTO idempotency VALUES ('id', 'fingerprint', 1795000307000000, '[{"revision":10,"previous":0,"ts":1795000007,"watched":false},null]');
