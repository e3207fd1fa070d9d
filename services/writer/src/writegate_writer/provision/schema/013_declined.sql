-- The answers of handlers are kept with the decision: what one returned, or why it declined. In a row without an answer
-- they take no room.
alter table writegate.ledger add result json, add reason text;

-- Every row there is was decided before there was a third outcome: none has to be read for this.
alter table writegate.ledger drop constraint ledger_outcome_check,
    add constraint ledger_outcome_check check (outcome in ('a', 'p', 'd')) not valid;   -- applied, parked, declined
alter table writegate.deferred drop constraint deferred_state_check,
    add constraint deferred_state_check check (state in ('deferred', 'applied', 'parked', 'declined')) not valid;
