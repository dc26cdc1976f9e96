"""Protobuf values as JSON, by the descriptors that a registry gives (`format=serialized`)."""

from base64 import b64decode
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monitor.records.schemas.schema import JSON_OF, Schema

WELL_KNOWN: Final = (
    "any",
    "descriptor",
    "duration",
    "empty",
    "field_mask",
    "struct",
    "timestamp",
    "wrappers",
)
_OF_GOOGLE: Final = "google.protobuf."
_WRAPPERS: Final = "google/protobuf/wrappers.proto"
_SPELT: Final = frozenset(
    f"{_OF_GOOGLE}{name}" for name in ("Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue")
)
"""Messages that have a form of their own in JSON."""

Value = Callable[[Any], Any]

_DEEPEST: Final = 32


def protobuf_reader(schema: Schema) -> JSON_OF:
    """What reads values of any message in a file; raises TypeError or ValueError for a descriptor that is none.

    Fields have the names of the file. A number or boolean without presence is there also where it is 0 or false, as
    Protobuf takes it; a text or list without presence is absent where it is empty.
    """
    pool = DescriptorPool()
    for name in WELL_KNOWN:
        module = import_module(f"{_OF_GOOGLE}{name}_pb2")
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for name, dependency in schema.dependencies():
        if not name.startswith("google/protobuf/"):
            _add(pool, name, dependency.text)
    messages = _Messages(_add(pool, "", schema.text))
    return lambda value: msgspec.json.encode(messages.read(value))


def _add(pool: DescriptorPool, name: str, text: str) -> FileDescriptor:
    file = FileDescriptorProto.FromString(b64decode(text, validate=True))
    # Whoever imports it does so by the reference's name.
    file.name = name or "(value)"
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


class _Messages:
    """The messages of one file, made readable as they are met."""

    def __init__(self, file: FileDescriptor) -> None:
        self._file = file
        self._known: dict[tuple[int, ...], tuple[type[Message], Value]] = {}
        self._members: dict[str, list[tuple[str, str, bool, Value]]] = {}

    def read(self, value: bytes) -> Any:
        path, at = _path(value)
        if path not in self._known:
            descriptor = _found(self._file, path)
            self._known[path] = GetMessageClass(descriptor), self._message(descriptor)
        kind, spelt = self._known[path]
        return spelt(kind.FromString(value[at:]))

    def _message(self, descriptor: Descriptor) -> Value:
        name = descriptor.full_name
        if name in _SPELT:
            return json_format.MessageToDict
        if descriptor.file.name == _WRAPPERS:
            return lambda message: message.value
        if name not in self._members:
            # Messages may hold each other, so it is known before its fields are.
            members: list[tuple[str, str, bool, Value]] = []
            self._members[name] = members
            members += [self._member(field) for field in descriptor.fields]
        return lambda message: _spelt(message, self._members[name])

    def _member(self, field: FieldDescriptor) -> tuple[str, str, bool, Value]:
        message = field.message_type
        if message is not None and message.GetOptions().map_entry:
            one = self._single(message.fields_by_name["value"])
            return field.name, field.name, False, lambda held: {str(k): one(held[k]) for k in held} or None
        one = self._single(field)
        if field.is_repeated:
            return field.name, field.name, False, lambda held: list(map(one, held)) or None
        if field.has_presence:
            return field.name, field.name, True, one
        textual = field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
        return field.name, field.name, False, (lambda held: one(held) if held else None) if textual else one

    def _single(self, field: FieldDescriptor) -> Value:
        if field.message_type is not None:
            return self._message(field.message_type)
        if field.enum_type is not None:
            names = {value.number: value.name for value in field.enum_type.values}
            return lambda number: names.get(number, number)
        return _itself


def _itself(value: Any) -> Any:
    return value


def _spelt(message: Message, members: Iterable[tuple[str, str, bool, Value]]) -> dict[str, Any]:
    found = {}
    for attribute, name, presence, spelt in members:
        if presence and not message.HasField(attribute):
            continue
        value = spelt(getattr(message, attribute))
        if value is not None:
            found[name] = value
    return found


def _found(file: FileDescriptor, path: tuple[int, ...]) -> Descriptor:
    first, *inner = path
    descriptor = list(file.message_types_by_name.values())[first]
    for number in inner:
        descriptor = descriptor.nested_types[number]
    return descriptor


def _path(value: bytes) -> tuple[tuple[int, ...], int]:
    """Which message of the file a value is, as places among the messages, and where the message begins.

    A count and so many places, zigzag varints; a count of 0 stands for the first message.
    """
    count, at = _varint(value, 0)
    if count == 0:
        return (0,), at
    if not 0 < count < _DEEPEST:
        raise ValueError(f"a way of {count} steps to its message")
    path = []
    for _ in range(count):
        place, at = _varint(value, at)
        if place < 0:
            raise ValueError("a place below 0 among the messages")
        path.append(place)
    return tuple(path), at


def _varint(value: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = value[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (found >> 1) ^ -(found & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("a number that does not end")
