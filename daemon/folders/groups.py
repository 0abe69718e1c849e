"""The group that published files get: its number, and whether this user may give files to it."""

from __future__ import annotations

import grp
import os


class GroupUnusable(ValueError):
    """There is no such group, or this user is not in it."""


def group_number(name: str | None) -> int | None:
    """The gid of a group given by name or number; None stays None.

    Raises:
        GroupUnusable: it does not exist, or only root could give files to it.
    """
    if name is None:
        return None
    try:
        number = int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise GroupUnusable(f"there is no group {name}") from None
    if os.geteuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        raise GroupUnusable(f"this user is not a member of {name}")
    return number
