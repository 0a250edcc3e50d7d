"""Which names of other libraries the installed releases lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def missing_names(
    table: Mapping[str, Sequence[str]], owners: Mapping[str, object]
) -> dict[str, list[str]]:
    """Walk a compat module's `PRIVATE_NAMES`.

    Args:
        table: Owner -> names that we use of it.
        owners: Owner -> the thing itself.

    Returns:
        Owner -> names that it does not have; empty if all are there.
    """
    assert table.keys() == owners.keys()
    found = {
        owner: [name for name in names if not hasattr(owners[owner], name)]
        for owner, names in table.items()
    }
    return {owner: names for owner, names in found.items() if names}
