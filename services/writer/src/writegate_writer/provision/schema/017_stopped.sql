-- Why a domain is not served at present though it has an owner, and since when, as its owner found out; null: it is.
alter table writegate.domain add stopped_by text;
alter table writegate.domain add stopped_at timestamptz;
