-- The last state of executions that have ended unsuccessfully, from which they can be redriven.
CREATE TABLE tombs (id INTEGER PRIMARY KEY, state BLOB NOT NULL);
ALTER TABLE executions ADD COLUMN redrives INTEGER NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN redriven REAL;
CREATE TABLE redrive_tokens (
    execution INTEGER NOT NULL, token TEXT NOT NULL, redriven REAL NOT NULL, PRIMARY KEY (execution, token)
) WITHOUT ROWID;
