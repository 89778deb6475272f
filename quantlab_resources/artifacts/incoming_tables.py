"""The table of a publish request: as given, or read from the Parquet or CSV file that the request names."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.registry import artifact_type
from quantlab_core.artifacts.table_normal_form import inferred_type
from quantlab_core.errors import InvalidInputError, SchemaError
from quantlab_resources.artifacts.file_names import check_type_name
from quantlab_resources.artifacts.incoming_files import read_incoming
from quantlab_resources.artifacts.parquet_files import MAX_DECODED_BYTES, decode, sha256_of, without_identity


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
    spec = registered_type(request.artifact_type, request.schema_version)
    data, file_hash = request.data, None
    if isinstance(data, Path):
        data, file_hash = _read(data, spec)
    if spec is None:
        spec = inferred_type(request.artifact_type, request.schema_version, data)
        data = data.replace_schema_metadata(None)
    return data, spec, file_hash


def _read(path: Path, spec: ArtifactType | None) -> tuple[pa.Table, str]:
    data = read_incoming(path, max_bytes=MAX_DECODED_BYTES)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, data, spec), sha256_of(data)
    return without_identity(decode(data, origin=str(path))), sha256_of(data)


def _read_csv(path: Path, data: bytes, spec: ArtifactType | None) -> pa.Table:
    import pyarrow.csv as csv  # only a publish from a CSV file pays for it

    types = {} if spec is None else {field.name: field.type for field in spec.schema}
    try:
        return csv.read_csv(
            io.BytesIO(data),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path} cannot be read as CSV: {str(error).splitlines()[0][:200]}") from error
