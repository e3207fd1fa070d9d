-- As `pgbench --initialize` makes them, without the primary keys: it fills the tables first, and adds those after.
create schema tpcb_1;
create schema tpcb_50;

create table tpcb_1.pgbench_branches (bid int not null, bbalance int, filler char(88)) with (fillfactor = 100);
create table tpcb_1.pgbench_tellers (tid int not null, bid int, tbalance int, filler char(84)) with (fillfactor = 100);
create table tpcb_1.pgbench_accounts (aid int not null, bid int, abalance int, filler char(84)) with (fillfactor = 100);
-- The check is ours: a larger amount is the poison of the benchmark.
create table tpcb_1.pgbench_history (
    tid int, bid int, aid int, delta int check (delta between -5000 and 5000), mtime timestamp, filler char(22)
);

create table tpcb_50.pgbench_branches (like tpcb_1.pgbench_branches including all) with (fillfactor = 100);
create table tpcb_50.pgbench_tellers (like tpcb_1.pgbench_tellers including all) with (fillfactor = 100);
create table tpcb_50.pgbench_accounts (like tpcb_1.pgbench_accounts including all) with (fillfactor = 100);
create table tpcb_50.pgbench_history (like tpcb_1.pgbench_history including all);
