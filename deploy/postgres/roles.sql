-- Two roles for the product database: `shop_owner` owns it and migrates it; `shop` reads and writes rows, for the service.
-- Neither is a superuser. Run this as a superuser, in the database, with psql; again to change a password, or for a database
-- whose tables belong to that superuser. docker-compose.yml runs it at each start.
--   DB_OWNER_PASSWORD=… DB_SERVICE_PASSWORD=… psql --dbname=obs_tools --file=deploy/postgres/roles.sql
\set ON_ERROR_STOP on
\set QUIET on
\getenv owner_password DB_OWNER_PASSWORD
\getenv service_password DB_SERVICE_PASSWORD
\if :{?owner_password}
\else
do $$ begin raise exception 'DB_OWNER_PASSWORD is not set'; end $$;
\endif
\if :{?service_password}
\else
do $$ begin raise exception 'DB_SERVICE_PASSWORD is not set'; end $$;
\endif

begin;
-- Requests must not wait long behind `alter table`. If it waits longer, nothing is changed: run this again.
set local lock_timeout = '2s';
set local client_min_messages = warning;
-- The passwords are in statements, which must not get into the log of the server.
set local log_statement = 'none';
set local log_min_duration_statement = -1;
set local log_min_error_statement = 'panic';

select format('create role %I', name) from (values ('shop_owner'), ('shop')) roles (name)
where not exists (select from pg_roles where rolname = name) \gexec
alter role shop_owner nosuperuser nocreatedb nocreaterole login password :'owner_password';
alter role shop nosuperuser nocreatedb nocreaterole login password :'service_password';

-- Only these two may connect, and superusers.
revoke all on database :"DBNAME" from public;
alter database :"DBNAME" owner to shop_owner;
grant connect on database :"DBNAME" to shop;
revoke create on schema public from public;
grant usage, create on schema public to shop_owner;
grant usage on schema public to shop;

-- Tables, views and sequences that others own, except those of extensions. A sequence of a column follows its table.
select format('alter %s %s owner to shop_owner', case relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass)
from pg_class c
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') and relowner <> 'shop_owner'::regrole
  and not exists (
    select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid
      and (deptype = 'e' or relkind = 'S' and deptype in ('a', 'i')))
\gexec

-- What exists, and what migrations create.
grant select, insert, update, delete on all tables in schema public to shop;
grant usage, select, update on all sequences in schema public to shop;
alter default privileges for role shop_owner in schema public grant select, insert, update, delete on tables to shop;
alter default privileges for role shop_owner in schema public grant usage, select, update on sequences to shop;
-- Which migrations have run is for the owner to say. A new table of migrations is created without these rights.
select format('revoke insert, update, delete on %s from shop', name)
from unnest(array[to_regclass('public.kysely_migration'), to_regclass('public.kysely_migration_lock')]) tables (name)
where name is not null \gexec
commit;
