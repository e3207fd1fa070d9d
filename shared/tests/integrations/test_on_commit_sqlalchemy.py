"""Publishing after the commit of a SQLAlchemy session: what is undone is not published, by savepoint or altogether."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tests.recorder import Recorder
from tests.sample import Note
from writegate import Command, publish_on_commit
from writegate.errors import DeclarationError, QueueFull
from writegate.publishing import process

A, B, C, D = (Note(text=letter) for letter in "ABCD")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with process.replace(made := Recorder()):
        yield made


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def test_it_is_published_after_the_commit_in_order_and_in_one_call(recorder: Recorder, session: Session) -> None:
    with session.begin():
        publish_on_commit(A, session=session)
        session.execute(text("create table t (x int)"))
        publish_on_commit(B, session=session)
        assert recorder.calls == []
    assert recorder.calls == [("publish_many", [A, B])]
    session.commit()
    assert len(recorder.calls) == 1, "and once"


def test_what_is_rolled_back_is_not_published(recorder: Recorder, session: Session) -> None:
    publish_on_commit(A, session=session)
    session.rollback()
    publish_on_commit(B, session=session)
    session.close()
    with suppress(ZeroDivisionError), session.begin():
        publish_on_commit(C, session=session)
        raise ZeroDivisionError
    session.commit()
    assert recorder.calls == []


def test_a_commit_that_fails_publishes_nothing(recorder: Recorder) -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        session.execute(text("pragma foreign_keys = on"))
        session.execute(text("create table parent (id int primary key)"))
        session.execute(text("create table child (id int references parent (id) deferrable initially deferred)"))
        session.execute(text("insert into child values (1)"))
        publish_on_commit(A, session=session)
        with pytest.raises(Exception, match="FOREIGN KEY"):
            session.commit()
        session.rollback()
    engine.dispose()
    assert recorder.calls == []


def test_savepoints_take_what_is_theirs_with_them(recorder: Recorder, session: Session) -> None:
    publish_on_commit(A, session=session)
    with session.begin_nested():
        publish_on_commit(B, session=session)
        undone = session.begin_nested()
        publish_on_commit(Note(text="undone"), session=session)
        undone.rollback()
        with session.begin_nested():
            publish_on_commit(C, session=session)
        assert recorder.calls == [], "the release of a savepoint is no commit"
    publish_on_commit(D, session=session)
    session.commit()
    assert recorder.commands == [A, B, C, D]


def test_a_savepoint_that_is_kept_is_undone_with_what_is_around_it(recorder: Recorder, session: Session) -> None:
    outer = session.begin_nested()
    with session.begin_nested():
        publish_on_commit(A, session=session)
    outer.rollback()
    publish_on_commit(B, session=session)
    session.commit()
    assert recorder.commands == [B]


def test_the_session_goes_on_after_a_command_was_not_accepted(
    recorder: Recorder, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.execute(text("create table t (x int)"))
    session.execute(text("insert into t values (1)"))
    publish_on_commit(A, session=session)
    recorder.error = QueueFull(A.command_id, "full")
    with pytest.raises(QueueFull):
        session.commit()
    assert f"these may not be published: accounts.note {A.command_id}" in caplog.text
    assert "text" not in caplog.records[0].getMessage(), "ids, and no data"
    recorder.error = None
    session.rollback()
    assert session.execute(text("select x from t")).all() == [(1,)], "it was committed"
    publish_on_commit(B, session=session)
    session.commit()
    assert recorder.commands == [A, B]


def test_a_scoped_session_is_the_one_of_its_scope(recorder: Recorder) -> None:
    scoped = scoped_session(sessionmaker(create_engine("sqlite://")))
    publish_on_commit(A, session=scoped)
    scoped.commit()
    scoped.remove()
    assert recorder.commands == [A]


@pytest.mark.parametrize("scoped", [False, True])
def test_an_asyncio_session_publishes_without_blocking_its_loop(recorder: Recorder, *, scoped: bool) -> None:
    async def run() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        maker = async_sessionmaker(engine)
        session: Any = async_scoped_session(maker, asyncio.current_task) if scoped else maker()
        await session.execute(text("create table t (x int)"))
        publish_on_commit(A, session=session)
        async with session.begin_nested():
            publish_on_commit(B, session=session)
        await session.commit()
        publish_on_commit(C, session=session)
        await session.rollback()
        await session.close()
        await engine.dispose()

    asyncio.run(run())
    assert recorder.calls == [("apublish_many", [A, B])]


def test_the_plain_session_inside_an_asyncio_one_does_the_same(recorder: Recorder) -> None:
    async def run() -> None:
        async with AsyncSession(create_async_engine("sqlite+aiosqlite://")) as session:
            await session.run_sync(lambda plain: publish_on_commit(A, session=plain))
            await session.commit()

    asyncio.run(run())
    assert recorder.calls == [("apublish_many", [A])]


def test_a_session_that_is_given_up_is_not_kept(recorder: Recorder) -> None:
    session = Session()
    publish_on_commit(A, session=session)
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    assert recorder.calls == []


def test_a_wrong_command_is_an_error_before_the_commit(recorder: Recorder, session: Session) -> None:
    class Homeless(Command):
        """Of no service."""

    with pytest.raises(DeclarationError, match="belongs to no service"):
        publish_on_commit(Homeless(), session=session)
