"""data.nc: the dataset of a run as netCDF 4, read without trust."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import DATA, RUN, RecordError, open_file, read_record

if TYPE_CHECKING:
    import xarray as xr

_READ_TIMEOUT = 60.0  # seconds for a file to be read: most of them are the imports


def to_netcdf(data: xr.Dataset) -> bytes:
    """Write a dataset into memory: HDF5 keeps files open that it could not finish."""
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    store: Any = H5NetCDFStore  # without types
    memory = io.BytesIO()
    with h5netcdf.File(memory, "w") as file:
        data.dump_to_store(store(file))
    return memory.getvalue()


def from_netcdf(netcdf: bytes) -> xr.Dataset:
    """Read a dataset from memory.

    Raises
    ------
    Exception
        Of HDF5, h5netcdf or xarray, if it is damaged; they may also run for ever, or crash.
    """
    import xarray as xr

    with xr.open_dataset(io.BytesIO(netcdf), engine="h5netcdf") as data:
        if data.nbytes > len(netcdf):  # ours are not compressed
            raise ValueError(f"it is said to hold {data.nbytes} bytes, and has {len(netcdf)}")
        return data.load()


def load(folder: str | Path) -> xr.Dataset:
    """Read the dataset of a run that is the one which its record tells of.

    HDF5 sees nothing that does not match the hash in run.json. Who changes both can still have it
    run for ever, or crash, so another process reads it first.

    Raises
    ------
    RecordError
        If it is not there or damaged.
    """
    record = read_record(Path(folder))
    path = Path(folder) / DATA
    try:
        with open_file(path) as file:
            netcdf = file.read()
    except FileNotFoundError as error:
        raise RecordError(f"{folder} has no {DATA}; finish the run with --resume") from error
    if hashlib.sha256(netcdf).hexdigest() != record.get("sha256"):
        raise RecordError(
            f"{path} is damaged: its SHA-256 is not the one in {RUN}; make it again with --resume"
        )
    reason = _try(netcdf)
    if reason:
        raise RecordError(f"{path} is damaged: {reason}; make it again with --resume")
    return from_netcdf(netcdf)


def _try(netcdf: bytes) -> str | None:
    """Read a dataset in a process of its own, and say why that fails."""
    # Without Dask, which xarray imports, only because it is there.
    code = f"import sys; sys.modules['dask'] = None; from {__name__} import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], input=netcdf, capture_output=True, timeout=_READ_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return f"HDF5 cannot read it within {_READ_TIMEOUT:g} s"
    if done.returncode == 0:
        return None
    said = done.stdout.decode(errors="replace").strip()
    return said or f"a process that reads it ends with code {done.returncode}"


def main() -> None:
    """Read a dataset from the input of this process; exit with 1 and the reason if that fails."""
    try:
        from_netcdf(sys.stdin.buffer.read())
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(reason)
        raise SystemExit(1) from None
