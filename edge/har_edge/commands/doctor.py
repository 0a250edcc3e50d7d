"""`har-edge doctor`: what is wrong with this machine, and what would mend it."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine: runtimes, models, cameras, heat, and what would fix them.

    \b
    Exit codes: 0 nothing fails, 1 something does.
    """
    from har_edge.machine.doctor import examine, format_findings

    findings = examine()
    if as_json:
        facts = [finding.as_dict() for finding in findings]
        click.echo(json.dumps({"findings": facts}, indent=2, ensure_ascii=False))
    else:
        click.echo(format_findings(findings))
    ctx.exit(int(any(finding.level == "fail" for finding in findings)))
