-- What only a superuser can do, once for each server and harmless when repeated: the role `writegate apply` works as,
-- and its database. Run by psql with WRITEGATE_PASSWORD_WRITEGATE_OWNER in its environment.
\set ON_ERROR_STOP on
\set password ''
\getenv password WRITEGATE_PASSWORD_WRITEGATE_OWNER

SELECT 'CREATE ROLE writegate_owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'writegate_owner') \gexec
ALTER ROLE writegate_owner LOGIN CREATEROLE PASSWORD :'password';

-- The reader shows all client connections: apply hands this on to it.
GRANT pg_monitor TO writegate_owner WITH ADMIN OPTION;

SELECT 'CREATE DATABASE writegate OWNER writegate_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'writegate') \gexec
