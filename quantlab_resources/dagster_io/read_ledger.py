"""What a step has read. Lineage is written from here, so that it says what was read and not what was declared."""

from __future__ import annotations

from quantlab_core.errors import ConflictError


class ReadLedger:
    """Ids of the artifacts that each step read, in the order of first reading."""

    def __init__(self) -> None:
        self._reads: dict[tuple[str, str], dict[str, None]] = {}

    def record(self, run_id: str, step_key: str, artifact_id: str) -> None:
        """Note that the step read the artifact."""
        self._reads.setdefault((run_id, step_key), {})[artifact_id] = None

    def read_by(self, run_id: str, step_key: str) -> tuple[str, ...]:
        """Everything the step has read so far."""
        return tuple(self._reads.get((run_id, step_key), ()))

    def check(self, run_id: str, step_key: str, claimed: tuple[str, ...], logical_key: str) -> None:
        """Raise ConflictError when an output claims an input that the step never read."""
        unread = set(claimed) - set(self.read_by(run_id, step_key))
        if unread:
            raise ConflictError(
                f"{logical_key} claims the input {min(unread)}, which its step never read; nothing was published"
            )

    def forget(self, run_id: str, step_key: str) -> None:
        """Drop the entries of a finished step."""
        self._reads.pop((run_id, step_key), None)
