"""What the commands are given to look at: the samples of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from har_edge.commands.harness import note
from har_edge.errors import DataError

if TYPE_CHECKING:
    from har_edge.datasets import Sample


def usable_samples(data: Sequence[str], root: str) -> list[Sample]:
    """List the samples of some datasets, and say what is passed over.

    Args:
        data: Folders of classes, manifests or run folders.
        root: Folder that their paths are relative to; empty for their own.

    Raises:
        DataError: if one cannot be listed, all hold none, or one holds sequences of poses.
    """
    from har_edge.run_folder import list_data
    from har_train.dataset.samples import check_kind

    samples: list[Sample] = []
    for each in data:
        listing = list_data(each, root)
        if skipped := str(listing.skipped):
            note(skipped)
        samples += listing.usable()
    if not samples:
        raise DataError(
            f"{', '.join(data)} should hold stills or clips. Received none. Check the path."
        )
    check_kind(samples, poses=False)
    return samples
