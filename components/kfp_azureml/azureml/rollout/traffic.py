"""Shares of an endpoint's traffic: percentages by deployment, which add up to 100."""

from __future__ import annotations

from collections.abc import Mapping


def with_share(before: Mapping[str, int], deployment: str, share: int) -> dict[str, int]:
    """Give a deployment a share, and the others the rest in the proportions they had.

    Args:
        before: The traffic without the deployment, adding up to 100; or none at all.
        deployment: The deployment.
        share: Its share in percent; where there are no others it gets everything.

    Returns:
        Whole percentages that add up to 100, without those that are 0.
    """
    others = {name: percent for name, percent in before.items() if percent and name != deployment}
    total = sum(others.values())
    if not total:
        return {deployment: 100}
    exact = {name: percent * (100 - share) / total for name, percent in others.items()}
    shares = {name: int(value) for name, value in exact.items()}
    # What rounding took away goes to those that lost most; the name decides between equals.
    missing = 100 - share - sum(shares.values())
    for name in sorted(exact, key=lambda name: (shares[name] - exact[name], name))[:missing]:
        shares[name] += 1
    return {name: percent for name, percent in {**shares, deployment: share}.items() if percent}


def without(now: Mapping[str, int], deployment: str, before: Mapping[str, int]) -> dict[str, int]:
    """Take a deployment's share away again.

    Args:
        now: The traffic.
        deployment: The deployment.
        before: The traffic when it had no share yet, or the one that it is to keep.

    Returns:
        The traffic before. Where somebody has moved the others since, they keep the proportions they have now.
    """
    others = {name: percent for name, percent in now.items() if percent and name != deployment}
    if not others or dict(now) == with_share(before, deployment, now.get(deployment, 0)):
        return dict(before)
    return with_share(others, deployment, 0)


def in_words(traffic: Mapping[str, int]) -> str:
    """Say a traffic for people, such as `v1 90 %, v2 10 %`."""
    return ", ".join(f"{name} {share} %" for name, share in traffic.items()) or "none"
