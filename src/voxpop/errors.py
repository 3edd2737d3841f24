"""The error tree.

    VoxpopError
    ├── SettingError        a setting is missing or malformed
    ├── Refused             an input record breaks a rule of the door: goes to the dead letters, the rest goes on
    ├── ModelError          a model is missing, corrupt or not the one that was named
    ├── StoreError          the database answered with something that waiting does not mend
    │   ├── Fenced          another member owns this partition now: what was computed must be dropped
    │   └── Superseded      another model version counts now: what was read must be read again
    └── Unavailable         a service is away for now          (retry)
        ├── StoreUnavailable
        ├── LogUnavailable
        ├── SourceUnavailable
        └── ReceiverUnavailable

Every class says whether the same call may succeed later (``retryable``), so that no caller has to know the tree.
"""

from __future__ import annotations

from typing import ClassVar


class VoxpopError(Exception):
    """Base of every error that Voxpop raises on purpose. Its message says what to do next."""

    retryable: ClassVar[bool] = False


class SettingError(VoxpopError):
    """A setting is missing, malformed or contradicts another."""


class Refused(VoxpopError):  # noqa: N818 - a verdict on a record, not a failure of the program
    """A record may not enter.

    Args:
        reason: one sentence for a person.
        field: the field that broke the rule, where one did.
    """

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class ModelError(VoxpopError):
    """A model cannot be loaded, or is not the one that its profile names."""


class StoreError(VoxpopError):
    """The database answered with something that waiting does not mend."""


class Fenced(StoreError):  # noqa: N818 - the field's own word
    """Another member of the consumer group has claimed the partition since; this one's results must be dropped."""


class Superseded(StoreError):  # noqa: N818 - a state, as Fenced
    """Another model version was made to count since; what this one read must be read again by that one."""


class Unavailable(VoxpopError):  # noqa: N818 - read as a state
    """A service does not answer at present."""

    retryable = True


class StoreUnavailable(Unavailable):
    """The database does not answer."""


class LogUnavailable(Unavailable):
    """The log (Kafka, or PostgreSQL as the log) does not answer."""


class SourceUnavailable(Unavailable):
    """A feed or an address does not answer, or answers with a failure of its own."""


class ReceiverUnavailable(Unavailable):
    """Who was to be told of an alert does not take the message."""
