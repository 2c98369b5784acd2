"""From the name of an init source to its file: the zoo of the package, a run, a file, the Hugging Face hub, a path."""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from modelsgenesis import zoo
from modelsgenesis.errors import GenesisError, UsageError, first_line, meant
from modelsgenesis.places import located
from modelsgenesis.progress import tell

HUB_FILE = "model.safetensors"
"""The file of weights of a folder or repository in the hub's form."""


def parted(uri: str | Path, kinds: Collection[str]) -> tuple[str, str]:
    """Kind and rest of an init source: KIND:REST, a name of the zoo, or a path, which is a run when it is a folder.

    Raises UsageError when it is none of them.
    """
    uri = os.fspath(uri)
    kind, colon, rest = uri.partition(":")
    if kind in kinds and (colon or kind == "scratch"):
        return kind, rest
    if uri in zoo.names():
        return "zoo", uri
    if uri and located(uri).exists():
        return ("run" if located(uri).is_dir() else "file"), uri
    names = zoo.names()
    hint = meant(uri, [*names, *kinds])
    raise UsageError(
        f"unknown init source {uri!r}, and no such path; {hint}valid: {', '.join(names)}, a path, "
        f"{', '.join(sorted(kinds))}"
    )


def run_file(folder: str) -> Path:
    """The weights of a finished run folder, or of a folder in the hub's form; GenesisError when there are none."""
    place = located(folder)
    if place.is_file():
        raise UsageError(f"run:{folder}: is a file; did you mean file:{folder}?")
    if not place.is_dir():
        raise GenesisError(f"run:{folder}: no such folder; check the path")
    for name in ("weights.safetensors", HUB_FILE):
        if (place / name).is_file():
            return place / name
    raise GenesisError(f"run:{folder}: has no weights.safetensors; is the run finished? (genesis ... --resume)")


def zoo_file(name: str) -> Path:
    """The file of weights of the package; UsageError listing their names."""
    if name not in zoo.names():
        raise UsageError(f"zoo:{name}: no such weights; {meant(name, zoo.names())}there: {', '.join(zoo.names())}")
    return zoo.file_of(name)


def hub_file(repository: str) -> Path:
    """OWNER/REPO or OWNER/REPO/FILE of the Hugging Face hub, fetched once: its cache serves without a network.

    Raises GenesisError when the hub cannot be reached and the cache has nothing, or the file is not there.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    owner, _, rest = repository.partition("/")
    name, _, named = rest.partition("/")
    if not owner or not name:
        raise UsageError(f"hf:{repository}: write hf:OWNER/REPO, or hf:OWNER/REPO/FILE")
    wanted = (f"{owner}/{name}", named or HUB_FILE)
    try:
        return Path(hf_hub_download(*wanted, local_files_only=True))
    except HFValidationError as error:
        raise UsageError(f"hf:{repository}: no name of a repository ({first_line(error)})") from error
    except LocalEntryNotFoundError:
        tell(f"hf:{repository}: is not in the cache, asking the hub")
    try:
        return Path(hf_hub_download(*wanted))
    except RepositoryNotFoundError as error:
        raise GenesisError(f"hf:{repository}: no such repository, or it is private (hf auth login)") from error
    except Exception as error:  # whatever its network libraries raise
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise GenesisError(f"hf:{repository}: has no {wanted[1]}; write hf:{wanted[0]}/FILE") from error
        raise GenesisError(
            f"hf:{repository}: the hub cannot be reached, and the cache does not have it ({first_line(error)}); check "
            "the network, or copy the file here and name its path"
        ) from error


LOCATIONS: dict[str, Callable[[str], Path]] = {
    "run": run_file,
    "file": located,
    "zoo": zoo_file,
    "hf": hub_file,
}
"""Kind of an init source -> where its file is."""
