"""Every error that quantlab raises on purpose, in one tree.

QuantlabError                       base; the message is one line that names the thing and the remedy
├── NotFoundError                   an id, key or file that does not exist
│   ├── ArtifactNotFoundError
│   ├── ExperimentNotFoundError
│   ├── ProjectionNotFoundError
│   └── LakeNotFoundError           no lake at the home that was named
├── InvalidInputError               the caller's input cannot be used; nothing was written
│   ├── LogicalKeyError             a logical key outside its grammar
│   ├── SchemaError                 a table that does not fit its artifact type
│   ├── StrategyError               a strategy configuration that is refused
│   ├── TelegramExportError         not a Telegram export, or a damaged one (has the byte offset)
│   ├── CallerAliasesError          a list of caller aliases that is refused
│   └── CandleFileError             a candle file that cannot be read without guessing
├── ConflictError                   another thing already has this id, or a state forbids the change
│   ├── IllegalTransitionError      an experiment status change that is not allowed
│   ├── SupersedeError              a supersession that is refused
│   └── HeadChangedError            somebody else replaced what a publish was computed from
├── IntegrityError                  stored bytes are not what the manifest says
│   ├── ArtifactDamagedError        hash of a stored file differs, or the file is unreadable
│   └── ArtifactMissingError        a recorded file is gone
├── DeliveryError                   a receiver of lineage did not take an event
├── StorageError                    the operating system refused (disk full, no permission, I/O error)
└── EnvironmentMissingError         a script was started where quantlab's packages are not installed
"""

from __future__ import annotations


def first_line(error: BaseException, *, at_most: int | None = None) -> str:
    """The first line of another library's error, for our messages of one line; its type's name where it says nothing.

    ``at_most`` is how many characters are shown, where the line can quote what was read.
    """
    return (str(error).splitlines() or [type(error).__name__])[0][:at_most]


class QuantlabError(Exception):
    """Base of all expected errors. ``str(error)`` is one clear line for the user."""


class NotFoundError(QuantlabError):
    """Something named by the caller does not exist. The message contains "not found"."""


class ArtifactNotFoundError(NotFoundError):
    """No artifact has this id."""


class ExperimentNotFoundError(NotFoundError):
    """No experiment has this id."""


class ProjectionNotFoundError(NotFoundError):
    """No projection with this id was ever built here."""


class LakeNotFoundError(NotFoundError):
    """There is no lake at the home that was named; reading commands never make one."""


class InvalidInputError(QuantlabError):
    """The input cannot be used as it is. Nothing was written."""


class LogicalKeyError(InvalidInputError):
    """A logical key does not follow the grammar of its artifact type."""


class SchemaError(InvalidInputError):
    """A table does not fit the schema, sort key or unique key of its artifact type."""


class StrategyError(InvalidInputError):
    """A strategy configuration is not valid; the message names the key."""


class TelegramExportError(InvalidInputError):
    """The file is not a readable Telegram export; where it is damaged, the message has the byte offset."""


class CallerAliasesError(InvalidInputError):
    """A list of caller aliases that contradicts itself or is none; the message names the caller and the alias."""


class CandleFileError(InvalidInputError):
    """A candle file cannot be read without guessing; the message says what to declare."""


class CandleSourceError(QuantlabError):
    """A candle source could not be asked or did not answer in full; what it had answered by then was not stored."""


class ConflictError(QuantlabError):
    """The request contradicts what is already recorded."""


class IllegalTransitionError(ConflictError):
    """An experiment cannot go from its present status to the requested one."""


class SupersedeError(ConflictError):
    """This artifact cannot supersede that one."""


class HeadChangedError(ConflictError):
    """Another run replaced the head of a key after this one took its view of the lake; running again sees it."""


class IntegrityError(QuantlabError):
    """Stored data is not what the manifest recorded."""


class ArtifactDamagedError(IntegrityError):
    """A stored file's bytes differ from the recorded hash, or cannot be read."""


class ArtifactMissingError(IntegrityError):
    """A recorded file is not there."""


class DeliveryError(QuantlabError):
    """A receiver did not take an event of lineage; it is kept and goes out with the next sending."""


class StorageError(QuantlabError):
    """The operating system refused a read or write; the message names the path."""


class EnvironmentMissingError(QuantlabError):
    """A script was started by a Python without quantlab's packages, and the project's environment is not there."""
