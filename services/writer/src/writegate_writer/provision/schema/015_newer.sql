-- Deferred because no writer knows its version yet: of each publisher only some may wait.
alter table writegate.deferred add column newer boolean not null default false;
