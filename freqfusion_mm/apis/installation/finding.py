"""What a look at the installation finds, one line of the report each."""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Finding:
    """One line of the report; `level` is 'ok', 'note' or 'problem', and a problem has a remedy."""

    level: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        return f'{self.level:8}{self.text}' + (f'\n{"":8}-> {self.remedy}' if self.remedy else '')


def ok(text: str) -> Finding:
    """What is as it should be."""
    return Finding('ok', text)


def note(text: str, remedy: str = '') -> Finding:
    """What does no harm, or only to somebody who wants what is missing."""
    return Finding('note', text, remedy)


def problem(text: str, remedy: str) -> Finding:
    """What does not work, and what to do."""
    return Finding('problem', text, remedy)


def installed_version(name: str) -> str | None:
    """The version of a distribution, or None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def numbers(version_text: str) -> tuple[int, ...]:
    """'2.1.2+cpu' as (2, 1, 2), to compare."""
    return tuple(int(part) for part in re.findall(r'\d+', version_text.partition('+')[0])[:3])


def flat(error: BaseException) -> str:
    """What an error says, on one line that is not too long."""
    return ' '.join(str(error).split())[:300]
