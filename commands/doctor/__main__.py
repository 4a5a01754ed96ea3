"""Looks at a stack and its cluster, and says what is wrong and what to do:
`python -m commands.doctor --stack dev`.

Each line begins with a mark:
  ok       as it should be
  warning  works, and will not always
  wrong    does not work, or is not what the settings ask for
  unknown  cannot be told: the cluster does not answer, or you may not read it

It changes nothing. Its exit code is 0 where nothing is wrong, and 1 where something is.
"""

import asyncio
import sys

from commands.doctor.examination import Examination
from commands.doctor.finding import Finding, conclusion
from commands.stack.cli import Pulumi
from commands.stack.command import command_parser, ends_in_a_line
from kuberay.facts.visible import log_line


def main() -> None:
    parser = command_parser("commands.doctor", __doc__)
    parser.add_argument("--stack", required=True, help="which stack")
    parser.add_argument("--config-file", help="its config, where that is not Pulumi.<stack>.yaml")
    given = parser.parse_args()
    with ends_in_a_line("stopped"):
        findings = asyncio.run(_print_findings(Examination(Pulumi(given.stack, given.config_file))))
    text, code = conclusion(findings)
    print()
    print(log_line(text))
    sys.exit(code)


async def _print_findings(examination: Examination) -> list[Finding]:
    findings: list[Finding] = []
    async for finding in examination.findings():
        print(log_line(finding), flush=True)
        findings.append(finding)
    return findings


if __name__ == "__main__":
    main()
