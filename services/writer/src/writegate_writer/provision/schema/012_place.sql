-- The place of a parked command in the order of the deferred ones, should people have it decided again: behind what of
-- its key was deferred before it was parked, ahead of what was deferred behind it. Those parked until now come first.
alter table writegate.parked add place bigint;
update writegate.parked set place = seq - 4611686018427387904;
alter table writegate.parked alter place set default nextval('writegate.deferred_seq_seq'), alter place set not null;
