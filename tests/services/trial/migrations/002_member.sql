create table trial.member (account text primary key, address text not null unique);
