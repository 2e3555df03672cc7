"""The SQLite file: its schema, its migrations, and the only SQL of the project.

One file in WAL mode, one connection a thread (a shared ``sqlite_utils.Database`` fails now and
then). What is content (``answers``, by key) and what is an event (``calls``: who asked, when, at what
price) are separate tables, so that forgetting one run's calls never takes an answer another run uses.
No key, header or token is ever handed to this room.
"""

from __future__ import annotations

from lusifer.store.bookings import Bookings
from lusifer.store.calls import CALL_COLUMNS, Calls
from lusifer.store.core import FIRST_LOCAL, now
from lusifer.store.details import MovieDetails
from lusifer.store.evolutions import Evolutions
from lusifer.store.local_users import LocalUsers
from lusifer.store.prompt_versions import PromptVersions
from lusifer.store.run_file import RUN_ID
from lusifer.store.run_records import Runs
from lusifer.store.server_adaptations import ServerAdaptations
from lusifer.store.totals import Totals
from lusifer.store.traces import Traces
from lusifer.store.transfer import Transfer
from lusifer.store.whole_tables import Tables


class Store(
    Runs,
    Calls,
    Traces,
    Totals,
    Tables,
    Bookings,
    Evolutions,
    MovieDetails,
    PromptVersions,
    LocalUsers,
    ServerAdaptations,
    Transfer,
):
    """The database. Safe to use from any number of threads; each gets a connection of its own.

    Raises:
        StoreError: from any method, when the file can't be opened, read or written.
    """


__all__ = ["CALL_COLUMNS", "FIRST_LOCAL", "RUN_ID", "Store", "now"]
