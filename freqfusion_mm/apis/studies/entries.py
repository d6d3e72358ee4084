"""Reading YAML that people write: every mistake is one error that says where it is, what was wanted and what came."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ValueError: it is no YAML; the message names the line.
    """
    try:
        return yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is no YAML: {" ".join(str(error).split())}') from None


class Entry:
    """A mapping of the YAML file with its place in it, for the messages."""

    def __init__(self, where: str, content: Any) -> None:
        if not isinstance(content, dict):
            raise ValueError(f'{where} wants a mapping, got {content!r}')
        self.where = where
        self.content = content

    def keys(self, *known: str) -> None:
        """Refuses keys that nobody reads."""
        for key in self.content:
            if key not in known:
                near = get_close_matches(str(key), known, 1)
                hint = f'did you mean {near[0]}' if near else f'it knows {", ".join(known)}'
                raise ValueError(f'{self.where} has the unknown entry {key!r}; {hint}')

    def get(self, key: str, kind: type, *default: Any) -> Any:
        if key not in self.content:
            if default:
                return default[0]
            raise ValueError(f'{self.where} wants an entry {key} ({kind.__name__}), which is missing')
        value = self.content[key]
        if type(value) is not kind:
            raise ValueError(f'{self.where}: {key} wants {kind.__name__}, got {value!r}')
        return value

    def entries(self, key: str) -> list['Entry']:
        values = self.get(key, list)
        if not values:
            raise ValueError(f'{self.where}: {key} wants at least one, got none')
        return [
            Entry(f'{self.where}: {key}[{value.get("name", i) if isinstance(value, dict) else i}]', value)
            for i, value in enumerate(values)
        ]

    def numbers(self, key: str) -> tuple[int, ...]:
        values = self.get(key, list)
        if not values or any(type(value) is not int for value in values):
            raise ValueError(f'{self.where}: {key} wants whole numbers, at least one, got {values}')
        if key == 'seeds':
            self.distinct(key, values)
        return tuple(values)

    def options(self) -> dict[str, Any]:
        options = self.get('options', dict, {})
        for key, value in options.items():
            if not isinstance(key, str):
                raise ValueError(f'{self.where}: options wants keys like train_cfg.max_iters, got {key!r}')
            self.no_text_number(key, value)
        return options

    def distinct(self, key: str, values: list) -> None:
        twice = [value for i, value in enumerate(values) if value in values[:i]]
        if twice:
            raise ValueError(f'{self.where}: {key} wants each once, got {twice[0]!r} twice')

    def no_text_number(self, key: str, value: Any) -> None:
        """Refuses 1e-3: YAML reads it as text, and a number with an exponent only in the form 1.0e-3."""
        try:
            number = float(value) if isinstance(value, str) else None
        except ValueError:
            return
        if number is not None:
            raise ValueError(f'{self.where}: {key} wants a number, got the text {value!r}; write 1e-3 as 1.0e-3')
