"""What is written down of a Helm release that was made by hand and that a stack takes
over.
"""

from typing import Annotated

from pydantic import Field

from kuberay.settings.base import Settings


class AdoptedRelease(Settings):
    """A Helm release that was made by hand, as `make adopt` has found it. `up` takes
    over this revision and no other.
    """

    revision: Annotated[int, Field(ge=1)]
    """Its revision."""
    fingerprint: str
    """Fingerprint of the Helm values that render what it has rendered. With other
    values `up` does not take it over.
    """


class AdoptedCluster(AdoptedRelease):
    """The release of a Ray cluster."""

    templates: dict[str, str] = {}
    """Fingerprints of its pod templates, by group. Running pods stay until their
    group's template is another one.
    """
