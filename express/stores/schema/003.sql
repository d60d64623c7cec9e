-- The tasks of activities that no worker has taken yet, the oldest first.
CREATE TABLE activity_tasks (
    id INTEGER PRIMARY KEY, activity TEXT NOT NULL, execution INTEGER NOT NULL, seq INTEGER NOT NULL
);
CREATE UNIQUE INDEX activity_tasks_of ON activity_tasks (execution, seq);
CREATE INDEX activity_queue ON activity_tasks (activity, id);
