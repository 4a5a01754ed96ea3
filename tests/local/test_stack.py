"""The stack file for a run on this machine."""

from local.stack import local_config


def test_what_this_machine_needs_lies_over_the_committed_settings() -> None:
    committed = {"config": {"kuberay:architecture": "aarch64", "kuberay:chartRepository": "https://charts.example"}}
    made = local_config(committed, {"kuberay:chartRepository": "http://127.0.0.1:1/"}, None)
    assert made == {"config": {"kuberay:architecture": "aarch64", "kuberay:chartRepository": "http://127.0.0.1:1/"}}


def test_the_salt_of_the_stack_that_is_there_stays() -> None:
    assert local_config({"config": {}}, {}, "salt")["encryptionsalt"] == "salt"


def test_a_committed_salt_goes_first() -> None:
    assert local_config({"config": {}, "encryptionsalt": "committed"}, {}, "salt")["encryptionsalt"] == "committed"


def test_a_stack_file_without_settings_will_do() -> None:
    assert local_config({}, {"a": "b"}, None) == {"config": {"a": "b"}}
