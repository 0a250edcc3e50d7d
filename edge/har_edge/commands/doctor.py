"""`har-edge doctor`: what is wrong with this machine, and what would mend it."""

from __future__ import annotations

import click

from har_edge.commands.harness import show, show_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine (runtimes, models, cameras, heat) and say how to fix what is wrong.

    \b
    Exit codes: 0 no check failed, 1 at least one did.
    """
    from har_edge.machine.doctor import examine, format_findings

    findings = examine()
    if as_json:
        facts = [finding.as_dict() for finding in findings]
        show_json({"findings": facts})
    else:
        show(format_findings(findings))
    ctx.exit(int(any(finding.level == "fail" for finding in findings)))
