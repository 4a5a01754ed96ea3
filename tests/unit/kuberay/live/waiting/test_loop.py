"""What a wait makes of the API server's answers, and of none."""

import httpx2
import pytest

from kuberay.live.waiting.loop import no_answer

REQUEST = httpx2.Request("GET", "https://cluster.example")


def refused(code: int) -> httpx2.HTTPStatusError:
    return httpx2.HTTPStatusError("said no", request=REQUEST, response=httpx2.Response(code, request=REQUEST))


@pytest.mark.parametrize("error", [httpx2.ReadTimeout(""), httpx2.ConnectError("refused"), refused(429), refused(503)])
def test_a_server_that_is_busy_or_out_of_reach_is_asked_again(error: httpx2.HTTPError) -> None:
    assert no_answer(error).startswith("the Kubernetes API server does not answer: ")


@pytest.mark.parametrize("code", [403, 404, 422])
def test_an_answer_is_taken_as_it_is(code: int) -> None:
    with pytest.raises(httpx2.HTTPStatusError):
        no_answer(refused(code))
