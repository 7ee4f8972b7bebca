"""Arithmetic of an endpoint's traffic: percentages by deployment that add up to 100."""

from __future__ import annotations

from collections.abc import Mapping


def with_share(before: Mapping[str, int], deployment: str, share: int) -> dict[str, int]:
    """Return the traffic with a share for one deployment; the others keep their proportions.

    Args:
        before: The traffic without the deployment, adding up to 100; or empty.
        deployment: The deployment.
        share: Its share in percent; without other deployments it gets 100.

    Returns:
        Whole percentages that add up to 100, without zeros.
    """
    others = {name: percent for name, percent in before.items() if percent and name != deployment}
    total = sum(others.values())
    if not total:
        return {deployment: 100}
    exact = {name: percent * (100 - share) / total for name, percent in others.items()}
    shares = {name: int(value) for name, value in exact.items()}
    # Largest remainder method; ties are broken by name.
    missing = 100 - share - sum(shares.values())
    for name in sorted(exact, key=lambda name: (shares[name] - exact[name], name))[:missing]:
        shares[name] += 1
    return {name: percent for name, percent in {**shares, deployment: share}.items() if percent}


def without(now: Mapping[str, int], deployment: str, before: Mapping[str, int]) -> dict[str, int]:
    """Return the traffic without a deployment.

    Args:
        now: The current traffic.
        deployment: The deployment.
        before: The traffic before the deployment had a share.

    Returns:
        The traffic before; if another client has moved the others since, they keep their current proportions.
    """
    others = {name: percent for name, percent in now.items() if percent and name != deployment}
    if not others or dict(now) == with_share(before, deployment, now.get(deployment, 0)):
        return dict(before)
    return with_share(others, deployment, 0)


def format_traffic(traffic: Mapping[str, int]) -> str:
    """Return the traffic as text, such as `v1 90 %, v2 10 %`."""
    return ", ".join(f"{name} {share} %" for name, share in traffic.items()) or "none"
