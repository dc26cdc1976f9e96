"""`include`: rules, receivers and streams.labels from other files, each with its own places for problems."""

from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import Final

from monitor.config.problem import Place, Report, WrongError
from monitor.config.redact import redacted
from monitor.config.section import each
from monitor.config.tree import Mapping, Node, Sequence, parse, shown
from monitor.config.values import scalar, text, written

KEY: Final = "include"
MOST_FILES: Final = 200
_MAY: Final = "rules, receivers and streams.labels can"


@dataclass(frozen=True, slots=True)
class Text:
    """A file's content, and the same without its secrets."""

    content: str
    redacted: str


def with_included(root: Mapping, report: Report) -> tuple[Mapping, list[Text]]:
    """`root` with what its `include` names added to it, and the texts of those files."""
    given = root.values.get(KEY)
    if given is None:
        return root, []
    texts = []
    for file in _files(given, report):
        inner = Report(str(file))
        content = read_text(str(file), inner)
        parsed = None if content is None else parse(content, inner)
        report.problems += inner.problems
        if content is not None and parsed is not None:
            texts.append(Text(content, f"# {file.name}\n{redacted(content, parsed)}"))
            root = _joined(root, parsed, report)
    return root, texts


def read_text(path: str, report: Report) -> str | None:
    """The content of a file; None after a problem was reported."""
    try:
        data = Path(path).read_bytes()
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = Place(data.count(b"\n", 0, error.start) + 1)
        report.add(place, "", "this line is not UTF-8", "save the file as UTF-8")
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or "its name is not valid").lower()
        report.add(Place(), "", f"the file cannot be read: {why}")
    return None


def _files(given: Node, report: Report) -> list[Path]:
    """The files that the list names, as seen from the file it stands in, each once."""
    folder = Path(report.file).parent
    found = each(given, lambda node: _matching(node, folder), report) if _is_list(given, report) else ()
    files = list(dict.fromkeys(file for some in found for file in some))
    if len(files) > MOST_FILES:
        report.add(given.place, given.path, f"these are more than {MOST_FILES} files", "name fewer")
        return []
    return files


def _is_list(given: Node, report: Report) -> bool:
    if isinstance(given, Sequence):
        return True
    report.add(given.place, given.path, "this must be a list of files", 'write ["teams/*.yaml"]')
    return False


def _matching(node: Node, folder: Path) -> tuple[Path, ...]:
    pattern = text(node)
    try:
        found = sorted(glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    except ValueError:
        found = []
    files = tuple(file for name in found if (file := folder / name).is_file())
    if not files:
        here = f"it is looked for from where {Path(node.place.file).name} is"
        raise WrongError(f"there is no file {written(scalar(node))}", here)
    return files


def _joined(root: Mapping, more: Mapping, report: Report) -> Mapping:
    for key, node in more.values.items():
        if key == "rules" and isinstance(node, Sequence):
            root = _appended(root, key, node)
        elif key == "receivers" and isinstance(node, Mapping):
            root = _with_receivers(root, node, report)
        elif key == "streams" and isinstance(node, Mapping):
            root = _with_labels(root, node, report)
        elif key in ("rules", "receivers", "streams"):
            report.add(node.place, node.path, f"`{key}` is not what it must be", "see it in alerts.yaml")
        else:
            sentence = f"{shown(key)} cannot be in an included file"
            report.add(more.keys[key], node.path, sentence, _MAY)
    return root


def _appended(root: Mapping, key: str, more: Sequence) -> Mapping:
    before = root.values.get(key)
    if before is not None and not isinstance(before, Sequence):
        return root
    items = (*(before.items if before else ()), *more.items)
    return _with(root, key, replace(before or more, items=items))


def _with(root: Mapping, key: str, node: Node) -> Mapping:
    keys = root.keys if key in root.keys else {**root.keys, key: node.place}
    return replace(root, values={**root.values, key: node}, keys=keys)


def _with_receivers(root: Mapping, more: Mapping, report: Report) -> Mapping:
    before = root.values.get("receivers")
    if before is not None and not isinstance(before, Mapping):
        return root
    known = before or replace(more, values={}, keys={})
    for name in more.values.keys() & known.values.keys():
        report.add(
            more.keys[name], more.values[name].path, f"{shown(name)} is a receiver already", "rename it"
        )
    values, keys = {**more.values, **known.values}, {**more.keys, **known.keys}
    return _with(root, "receivers", replace(known, values=values, keys=keys))


def _with_labels(root: Mapping, more: Mapping, report: Report) -> Mapping:
    for key in more.values.keys() - {"labels"}:
        sentence = f"streams.{key} cannot be in an included file"
        report.add(more.keys[key], more.values[key].path, sentence, _MAY)
    labels = more.values.get("labels")
    streams = root.values.get("streams", replace(more, values={}, keys={}))
    if not isinstance(labels, Sequence) or not isinstance(streams, Mapping):
        return root
    return _with(root, "streams", _appended(streams, "labels", labels))
