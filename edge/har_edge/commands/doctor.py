"""`har-edge doctor`: what is wrong with this machine, and what would mend it."""

from __future__ import annotations

import click

from har_edge.commands.harness import show, show_json
from har_edge.commands.options.formats import format_options
from har_edge.silence import never_silent


@click.command()
@format_options
@click.pass_context
def doctor(ctx: click.Context, output_format: str) -> None:
    """Check this machine (runtimes, models, cameras, heat) and say how to fix what is wrong.

    \b
    Examples:
      har-edge doctor
      har-edge doctor --output-format json

    \b
    Exit codes: 0 no check failed, 1 at least one did.
    """
    from har_edge.machine.doctor import examine, format_findings

    with never_silent():
        findings = examine()
    if output_format == "json":
        facts = [finding.as_dict() for finding in findings]
        show_json({"findings": facts})
    else:
        show(format_findings(findings))
    ctx.exit(int(any(finding.level == "fail" for finding in findings)))
