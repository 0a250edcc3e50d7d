"""What all our commands share: exit codes, lines for the user, the end of the process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

import click

from har_edge.compat.python import run_exit_functions
from har_edge.errors import ConfigError, HarError
from har_edge.silence import never_silent, shown
from har_edge.visible import visible, visible_json

# What was registered for the end of the process may take so long.
FAREWELL_TIMEOUT_S = 2.0


def note(message: str) -> None:
    """Say something to the user, on stderr."""
    shown()
    click.echo(visible(message, lines=True), err=True)


def show(text: str) -> None:
    """Print what a command found, for people, on stdout."""
    shown()
    click.echo(visible(text, lines=True))


def show_json(value: object) -> None:
    """Print what a command found, for programs, on stdout."""
    shown()
    click.echo(visible_json(json.dumps(value, indent=2, ensure_ascii=False)))


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: what an interrupt would undo or finish is undone or finished.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def ends_like_an_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is inside as Ctrl-C does, with an exit code of their own.

    By themselves they end the process at once, and leave behind temporary files, locks and other
    processes. What `nohup` had ignored stays ignored. Elsewhere than on the main thread nothing is
    changed.

    Raises:
        Ended: when one comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise Ended(number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    previous = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    for number in previous:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_command(
    command: click.Command,
    arguments: Sequence[str] | None = None,
    *,
    prog_name: str | None = None,
    speaks: bool = False,
) -> NoReturn:
    """Run a command and exit by the project's exit codes; shared by all our commands.

    Args:
        command: The command, or a group of them.
        arguments: What was typed; None for that of the process.
        prog_name: How the command is called, if not like the process.
        speaks: Whether it says what it does whenever it has shown nothing for seconds.
    """
    prepare_streams()
    invoke = command.invoke

    def invoke_for_reader(ctx: click.Context) -> object:
        try:
            return invoke(ctx)
        except BrokenPipeError:
            # The reader (head, say) has enough, which is no error; click would call it one. What
            # is still buffered must go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None
        except Ended as ended:
            # Of an interrupt click makes an Abort, which in older releases forgets the signal.
            note("Interrupted.")
            raise click.exceptions.Exit(128 + ended.number) from None

    command.invoke = invoke_for_reader  # type: ignore[method-assign]
    try:
        with never_silent() if speaks else contextlib.nullcontext():
            code = command.main(arguments, prog_name=prog_name, standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        from har_edge.commands.habits import with_suggestion

        with_suggestion(error).show()
        code = error.exit_code
    except HarError as error:
        note(f"Error: {error}")
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        note("Interrupted.")
        code = 128 + (error.number if isinstance(error, Ended) else signal.SIGINT)
    sys.exit(code if isinstance(code, int) else 0)


def prepare_streams() -> None:
    """See to it that whatever is written to standard output and error, it is no traceback.

    Where one of the three standard descriptors is closed, the next file that is opened would take
    its place, and all that libraries print would go into it. Where the locale has an encoding
    without a character of a name, it is written as an escape.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is taken, which is this one
            os.open(os.devnull, os.O_RDWR)
    streams: tuple[TextIO | None, ...] = (sys.stdout, sys.stderr)
    if streams[1] is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def parse_num_threads(ctx: click.Context, param: click.Parameter, text: str) -> int | str:
    """Read a number of threads, or `auto`; the callback of an option."""
    if text == "auto":
        return text
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise click.BadParameter(
            f"should be auto or a whole number from 1. Received {text!r}.", ctx=ctx, param=param
        )
    return number


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Show settings that do not go together as click shows what it refuses itself.

    Raises:
        click.UsageError: in place of a `ConfigError`.
    """
    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def leave(code: int) -> NoReturn:
    """End the process, without the farewells of native libraries.

    The interpreter's own end runs their destructors while their threads are still there: those of
    LiteRT and OpenBLAS wait for their threads without limit (a run once hung for good after its
    last line), and a thread that hangs in a camera's driver has the interpreter wait likewise.
    All that a normal end does for Python's side is done here before: outputs were closed by the
    run, functions registered with `atexit` are called, for a time that is limited too, and what
    is buffered is flushed.
    """
    farewells = threading.Thread(target=run_exit_functions, daemon=True)
    farewells.start()
    farewells.join(FAREWELL_TIMEOUT_S)
    streams: tuple[TextIO | None, ...] = (sys.stdout, sys.stderr)
    for stream in filter(None, streams):
        with contextlib.suppress(OSError, ValueError):  # its reader has gone, or it was closed
            stream.flush()
    os._exit(code)
