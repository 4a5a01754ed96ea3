"""A digest says that a secret has changed, and not what it is."""

from kuberay.facts.digests import secret_digest


def test_a_digest_tells_secrets_apart_and_is_none_of_the_usual_hashes() -> None:
    assert secret_digest("a", "s") != secret_digest("b", "s")
    assert secret_digest("a", "s") != secret_digest("a", "t")
