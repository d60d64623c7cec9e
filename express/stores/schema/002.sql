-- An execution is written here at its start and at its end. status: 0 RUNNING, 1 SUCCEEDED, 2 FAILED, 3 TIMED_OUT,
-- 4 ABORTED. Times are wall-clock seconds.
CREATE TABLE executions (
    id INTEGER PRIMARY KEY, machine TEXT NOT NULL, name TEXT NOT NULL, revision TEXT NOT NULL, version_arn TEXT,
    alias_arn TEXT, status INTEGER NOT NULL, started REAL NOT NULL, stopped REAL, input BLOB NOT NULL,
    trace_header TEXT, output BLOB, error TEXT, cause TEXT
);
CREATE UNIQUE INDEX executions_name ON executions (machine, name);
CREATE INDEX executions_started ON executions (machine, started, id);
CREATE INDEX executions_status ON executions (machine, status, started, id) WHERE status <> 1;
CREATE INDEX executions_stopped ON executions (stopped) WHERE stopped IS NOT NULL;
-- The state of those that run. version is the fence: a turn is taken only by whoever knows the present one.
CREATE TABLE live (
    id INTEGER PRIMARY KEY, version INTEGER NOT NULL, due REAL, busy INTEGER NOT NULL, state BLOB NOT NULL
);
CREATE INDEX live_due ON live (due) WHERE due IS NOT NULL;
CREATE INDEX live_busy ON live (id) WHERE busy > 0;
-- One row per turn, appended and never changed.
CREATE TABLE history (id INTEGER PRIMARY KEY, execution INTEGER NOT NULL, first INTEGER NOT NULL, events BLOB NOT NULL);
CREATE UNIQUE INDEX history_of ON history (execution, first);
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
