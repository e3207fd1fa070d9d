-- Deferred as a command at fault: others of its type succeeded while it failed, for what usually passes by itself.
alter table writegate.deferred add column at_fault boolean not null default false;
