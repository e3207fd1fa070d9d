-- Deferred because it failed itself, and not for a hold, for its version or behind another command of its key.
alter table writegate.deferred add column failed boolean not null default false;
