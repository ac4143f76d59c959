"""Identifiers planted in the input of a study, and the search for them in all that it wrote."""

import re
import zipfile
import zlib
from io import BytesIO

import numpy as np
import pandas as pd

PLANTED = {
    "PatientName": "Zebulon^Quagmire", "PatientID": "HOSP-7781234", "PatientBirthDate": "19610229",
    "InstitutionName": "Klinikum Musterstadt", "AccessionNumber": "ACC99187",
    "SeriesDescription": "cine sax Quagmire", "ReferringPhysicianName": "Dr^Strangelove",
    "StudyInstanceUID": "1.2.826.0.1.4711.77",
}  # fmt: skip
WORDS = ("Zebulon", "Quagmire", "HOSP-77", "7781234", "19610229", "Klinikum", "Musterstadt",
         "ACC99187", "Strangelove", "826.0.1.4711")  # fmt: skip


def found_in(folder, words=WORDS, files=None):
    """Words that stand in the names or bytes of files, each with the file.

    Args:
        folder: names count from here.
        words: to look for, whatever their case.
        files: to look through; None for all below the folder.
    """
    found = []
    for path in files or folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        text = name.encode() + (b"".join(readable(path)) if path.is_file() else b"")
        found += [(word, name) for word in words if word.lower().encode() in text.lower()]
    return found


def readable(path):
    """The bytes of a file as they are, and what its compressed parts hold."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".parquet":
        yield pd.read_parquet(path).to_csv().encode()
    elif path.suffix == ".pdf":
        for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
            unpacker = zlib.decompressobj()
            try:
                text = unpacker.decompress(stream)
            except zlib.error:
                continue
            # letters of two bytes each, which kerning moves apart
            yield re.sub(rb"\)\s*-?[\d.]+\s*\(|\x00", b"", text)
    elif zipfile.is_zipfile(BytesIO(data)):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for name in archive.namelist():
                yield archive.read(name)
                if name.endswith(".npy"):
                    with archive.open(name) as member:
                        yield str(np.lib.format.read_array(member).tolist()).encode()
