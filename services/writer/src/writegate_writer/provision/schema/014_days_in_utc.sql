-- A day of the ledger is a day of UTC, whatever time zone the calling session has: the server's may be changed, and then
-- ids of the days before were looked for on other days than those on which they were written.
alter function writegate.add_ledger_partitions(int) set timezone = 'UTC';
alter function writegate.kept_since() set timezone = 'UTC';
alter function writegate.drop_ledger_partition() set timezone = 'UTC';
alter function writegate.look_up(text, uuid[], date) set timezone = 'UTC';
