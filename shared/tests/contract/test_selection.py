"""Which parked or deferred commands an operation is for."""

from __future__ import annotations

from writegate.contract.operations import DEFERRED, PARKED, DryRun, Selection


def test_a_selection_is_a_condition_and_words() -> None:
    selection = Selection(service="a", numbers=(1, 2), text="x" * 200)
    condition, parameters = selection.sql(PARKED)
    within = "position(convert_to(%(text)s, 'UTF8') IN kept.raw) > 0"
    assert condition == f"true AND kept.service = %(service)s AND {within} AND kept.seq = ANY(%(numbers)s)"
    assert parameters == {"service": "a", "numbers": [1, 2], "text": "x" * 200}
    assert str(selection) == f"service=a text={'x' * 100}… numbers=1,2"
    assert (Selection().sql(PARKED), str(Selection())) == (("true", {}), "all")


def test_a_selection_of_deferred_commands_names_their_columns() -> None:
    condition, _ = Selection(cause="held: x", numbers=(1,)).sql(DEFERRED)
    assert condition == "true AND kept.reason = %(cause)s AND kept.number = ANY(%(numbers)s)"


def test_a_dry_run_keeps_its_name_on_the_wire() -> None:
    assert DryRun.__writegate__.task == "writegate.rehearse"
