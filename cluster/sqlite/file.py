"""One SQLite file shared by threads and processes: two connections a process, one to write and one to read.

A read never waits for another's write (WAL). Writers of one process queue on a lock, without a limit; the first of
each process waits for the file's own for at most `BUSY_TIMEOUT_S`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from models.errors import StoreError

Database = sqlite3.Connection
BUSY_TIMEOUT_S = 10.0
_BUSY_PAUSE_S = 0.02
_SCHEMA_VERSION = 6
_WAL_LIMIT_BYTES = 64 << 20
# Users and ids fall on pages at random: a longer log before each checkpoint copies a page once that was
# written several times, and a cache of the hot pages spares reading them again. A third off an append.
_CHECKPOINT_PAGES = 8_000
_CACHE_KIB = 32_768


class SqliteFile:
    """Opens on first use; `sqlite3` errors leave as `StoreError`."""

    def __init__(self, path: str, schema: str, migrations: Mapping[int, str] | None = None) -> None:
        """`schema` makes what is not there; then each of `migrations` brings a file from before its version along."""
        self._path = path
        self._schema = schema
        self._migrations = migrations or {}
        self._writer = _Connection(self._connect)
        self._reader = _Connection(self._connect)
        self._pid = os.getpid()
        self._inherited: list[_Connection] = []

    @contextmanager
    def read(self) -> Iterator[Database]:
        """A connection that sees every commit made before each statement."""
        self._check_fork()
        with _store_errors(self._path), self._reader as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Database]:
        """One IMMEDIATE transaction: committed at the end of the block, rolled back when it raises."""
        self._check_fork()
        with _store_errors(self._path), self._writer as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk makes SQLite roll back by itself
                    db.execute("ROLLBACK")
                raise

    @property
    def path(self) -> str:
        """Where the file lies."""
        return self._path

    @contextmanager
    def alone(self) -> Iterator[Database]:
        """The writing connection outside of a transaction, for what SQLite does to the file as a whole."""
        self._check_fork()
        with _store_errors(self._path), self._writer as db:
            yield db

    def close(self) -> None:
        """Close both connections; the next use opens them again."""
        self._check_fork()
        self._writer.close()
        self._reader.close()

    def _check_fork(self) -> None:
        """After a fork the child opens its own: SQLite forbids both using and closing the parent's."""
        if self._pid != os.getpid():
            self._inherited += [self._writer, self._reader]
            self._writer, self._reader = _Connection(self._connect), _Connection(self._connect)
            self._pid = os.getpid()

    def _connect(self) -> Database:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(db)
            except sqlite3.OperationalError as error:
                db.close()
                # Two processes that create the file at once: turning WAL on does not wait by itself.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_PAUSE_S)
            except BaseException:
                db.close()
                raise
            else:
                return db

    def _prepare(self, db: Database) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # What is deleted is overwritten: an erased user must not be found in free pages.
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        (found,) = db.execute("PRAGMA user_version").fetchone()
        if found > _SCHEMA_VERSION:
            raise StoreError(
                f"online store {self._path} has schema {found}; this Shoal knows {_SCHEMA_VERSION}. Update Shoal."
            )
        if found < _SCHEMA_VERSION:
            self._bring_up_to_date(db)

    def _bring_up_to_date(self, db: Database) -> None:
        """One transaction; of several processes that open an old file at once, one finds something to do."""
        db.execute("BEGIN IMMEDIATE")
        try:
            (found,) = db.execute("PRAGMA user_version").fetchone()
            if found < _SCHEMA_VERSION:
                changes = [text for version, text in sorted(self._migrations.items()) if 0 < found < version]
                for statement in ";".join([self._schema, *changes]).split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


class _Connection:
    """A connection and the lock that goes with it, as a context manager."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._db: Database | None = None

    def __enter__(self) -> Database:
        self._lock.acquire()
        try:
            if self._db is None:
                self._db = self._connect()
            return self._db
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


@contextmanager
def _store_errors(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"online store {path} did not answer: {error}. Check the file, its disk and its rights."
        ) from error
    except OSError as error:
        raise StoreError(f"online store {path} cannot be opened: {error}.") from error
