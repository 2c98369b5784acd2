"""Cases whose one file holds all channels: parted into a file a channel in the cache, when they are first needed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from modelsgenesis.errors import GenesisError
from modelsgenesis.targets.base import Case
from modelsgenesis.targets.derived import stamp

FOLDER = "channels"


@dataclass(frozen=True)
class Parted:
    """Cases with a file a channel.

    Attributes:
        cases: the cases.
        sources: image of a case -> the file it is a channel of; of those parted only.
    """

    cases: list[Case]
    sources: Mapping[Path, Path]

    @property
    def derive(self) -> Callable[[Case], None] | None:
        """What writes the images of a case; None when there is nothing to write."""
        return partial(_write, self.sources) if self.sources else None


def part_channels(cases: Sequence[Case], modalities: Sequence[str], cache: Path, described: Path) -> Parted:
    """The cases with one image a channel, those of several channels in one file being written below `cache` later.

    Raises GenesisError naming the image when it holds another number of channels than `described` names.
    """
    from modelsgenesis.data.guarded import count_channels

    found: list[Case] = []
    sources: dict[Path, Path] = {}
    for case in cases:
        counts = [count_channels(image) for image in case.images]
        if modalities and sum(counts) != len(modalities):
            holds = f"{case.images[0]}: case {case.id} has {sum(counts)} channels"
            raise GenesisError(
                f"{holds}, but {described} names {len(modalities)} ({', '.join(modalities)}); correct one of them"
            )
        images: list[Path] = []
        for image, count in zip(case.images, counts, strict=True):
            parts = _places(image, count, cache) if count > 1 else [image]
            sources |= dict.fromkeys(parts, image) if count > 1 else {}
            images += parts
        found.append(replace(case, images=tuple(images)))
    return Parted(found, sources)


def _places(image: Path, count: int, cache: Path) -> list[Path]:
    folder = cache.absolute() / FOLDER
    name = image.name.split(".")[0]
    return [folder / f"{name}-{stamp(image)}_{channel:04d}.nii.gz" for channel in range(count)]


def _write(sources: Mapping[Path, Path], case: Case) -> None:
    """Write the channels of a case that are not there yet, each atomically and as its source stores it."""
    from modelsgenesis.data.guarded import read_channels
    from modelsgenesis.data.volume import write_volume

    for source in dict.fromkeys(sources[image] for image in case.images if image in sources):
        places = [image for image in case.images if sources.get(image) == source]
        for volume, place in zip(read_channels(source), places, strict=True):
            if not place.exists():
                write_volume(volume.array, volume, place)
