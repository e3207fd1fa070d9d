"""The fixtures that services' tests get, in the way they get them: pytest finds the plugin by itself."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
    import pytest
    from tests.sample import accounts

    @pytest.fixture
    def writegate_services():
        return [accounts]
"""
TESTS = """
    import pytest
    from tests.sample import Deposit
    from writegate import publish
    from writegate.errors import SettingsError
    from writegate.publishing import process

    @pytest.mark.parametrize("number", range(6))
    def test_it_is_this_tests_own(writegate_broker, number):
        assert writegate_broker.published == []
        publish(Deposit(account=f"a-{number}", amount=1))
        writegate_broker.assert_published(Deposit, key=f"a-{number}", times=1)

    def test_nothing_of_it_is_left():
        with pytest.raises(SettingsError, match="WRITEGATE_BROKER_URL is not set"):
            publish(Deposit(account="a-1", amount=1))

    def test_what_is_missing_is_told(writegate_broker):
        publish(Deposit(account="a-1", amount=7))
        writegate_broker.assert_published(Deposit, amount=8)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> pytest.Pytester:
    """A service's own tests, which know nothing of this project's configuration."""
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.delenv("WRITEGATE_BROKER_URL", raising=False)
    pytester.makeconftest(CONFTEST)
    return pytester


@pytest.mark.parametrize("how", [[], pytest.param(["-n", "2"], marks=pytest.mark.slow)], ids=["one process", "two"])
def test_each_test_has_a_broker_and_leaves_none(project: pytest.Pytester, how: list[str]) -> None:
    project.makepyfile(TESTS)
    done = project.runpytest_subprocess("-W", "error", *how)
    done.assert_outcomes(passed=7, failed=1)
    done.stdout.fnmatch_lines(
        ["*AssertionError: expected accounts.deposit amount=8 at least once, found it 0 times; published were:"]
    )
    done.stdout.fnmatch_lines(["E*accounts.deposit key='a-1' account='a-1' amount=7"])
    done.stdout.no_fnmatch_line("*published.py:*")  # the failure points to the test


def test_whoever_does_not_name_the_services_is_told_how(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(writegate_broker): pass")
    done = pytester.runpytest_subprocess()
    done.stdout.fnmatch_lines(["*define in conftest.py a fixture `writegate_services` that returns them*"])


def test_a_run_that_does_not_use_it_does_not_load_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "def test_it():\n    import sys\n    assert not {'pika', 'writegate.testing'} & set(sys.modules)"
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
