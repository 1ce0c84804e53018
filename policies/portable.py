"""Policies as plain data, for those who work elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from policies.baselines import BASELINES, Policy


@dataclass(frozen=True)
class PortablePolicy:
    """A baseline by its name, or an agent as the files of its run."""

    name: str
    files: tuple[tuple[str, bytes], ...] = ()  # none: a baseline

    @classmethod
    def of(cls, policy: str | Policy) -> PortablePolicy | None:
        """Pack a policy; None: it can't be packed."""
        if isinstance(policy, str):
            return cls(policy)
        files = getattr(policy, "files", dict[str, bytes]())
        return cls(policy.name, tuple(files.items())) if files else None

    def policy(self) -> Policy:
        """The policy."""
        return _agent(self) if self.files else BASELINES[self.name]()


@lru_cache(1)
def _agent(packed: PortablePolicy) -> Policy:
    from policies.agent import load_agent  # needs the extra train

    with TemporaryDirectory() as folder:
        for name, content in packed.files:
            (Path(folder) / name).write_bytes(content)
        return load_agent(folder, packed.name)
