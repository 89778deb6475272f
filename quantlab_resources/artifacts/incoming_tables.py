"""The table of a publish request: as given, or read from the Parquet or CSV file that the request names."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import artifact_type
from quantlab_core.artifacts.type_of_table import has_columns_of, type_of_table
from quantlab_core.errors import InvalidInputError, SchemaError, first_line
from quantlab_resources.artifacts.files.file_names import check_type_name
from quantlab_resources.artifacts.files.parquet_files import MAX_DECODED_BYTES, decode, sha256_of, without_identity
from quantlab_resources.artifacts.incoming_files import read_incoming


def registered_type(name: str, version: int) -> ArtifactType | None:
    """The specification of (name, version), or None if it is not registered. Raises SchemaError for an unsafe name."""
    check_type_name(name, version)
    try:
        return artifact_type(name, version)
    except SchemaError:
        return None


def incoming_table(request: PublishRequest) -> tuple[pa.Table, ArtifactType, str | None]:
    """The table, its type's specification, and the file hash where the request names a file.

    Raises SchemaError, InvalidInputError (unreadable or too large), StorageError.
    """
    registered = registered_type(request.artifact_type, request.schema_version)
    data, file_hash = request.data, None
    if isinstance(data, Path):
        data, file_hash = _read(data, registered)
    spec = type_of_table(request.artifact_type, request.schema_version, data)
    return data if spec is registered else data.replace_schema_metadata(None), spec, file_hash


def _read(path: Path, spec: ArtifactType | None) -> tuple[pa.Table, str]:
    data = read_incoming(path, max_bytes=MAX_DECODED_BYTES)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, data, spec), sha256_of(data)
    return without_identity(decode(data, origin=str(path))), sha256_of(data)


def _read_csv(path: Path, data: bytes, spec: ArtifactType | None) -> pa.Table:
    """A lenient type's columns are its own only where all of them are there and hold what they should."""
    types = {} if spec is None else {field.name: field.type for field in spec.schema}
    if spec is None or not spec.is_lenient:
        return _csv_table(path, data, types)
    try:
        table = _csv_table(path, data, types)
    except InvalidInputError:
        return _csv_table(path, data, {})
    return table if has_columns_of(table, spec) else _csv_table(path, data, {})


def _csv_table(path: Path, data: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow.csv as csv  # only a publish from a CSV file pays for it

    _check_text(path, data)
    try:
        return csv.read_csv(
            io.BytesIO(data),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict(types), strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path} cannot be read as CSV: {first_line(error, at_most=200)}") from error


def _check_text(path: Path, data: bytes) -> None:
    """Refuse what the CSV reader would take for something else: bytes for text, the rest of the file for one value."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{path} is not UTF-8 text: byte {error.start} begins no character; convert it"
        ) from None
    if data.count(b'"') % 2:
        raise InvalidInputError(f"{path} cannot be read as CSV: a quote is opened and never closed")
