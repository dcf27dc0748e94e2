"""`python -m commands NAME`: what the Makefile calls. A mistake the user can mend is told in a line, without a trace."""

from __future__ import annotations

import os
import signal

signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # nothing has been started yet that would have to be ended

import importlib  # noqa: E402
import sys  # noqa: E402

from commands.interrupt import end_in_peace, interrupt_quietly, was_interrupted  # noqa: E402

OURS = ("contract", "workspace", "commands", "pipelines", "stores", "serving", "training", "validation")

COMMANDS = {
    "apply": "check the declarations and register them with Feast",
    "diff": "say what the declarations change, before they are applied",
    "plan": "print what the engines will run",
    "simulate": "write simulated events into the lake",
    "backfill": "fill the feature logs from the lake",
    "materialize": "bring the newest rows into Redis",
    "refresh": "bring batch views up to date, at their slide",
    "stream": "follow the broker and keep Redis fresh",
    "train": "train and test a model",
    "retrain": "train on new days, and propose a challenger",
    "validate": "check events and feature logs",
    "data-docs": "show what all suites found, and their trends",
    "parity": "hold online against offline",
    "consistency": "hold what was served against offline",
    "drift": "hold a served day against what was trained on",
    "key": "make a key for a caller of the scoring service",
    "challenge": "name a version of a model, for an experiment",
    "compare": "compare a challenger with the champion on the same rows",
    "promote": "make a version the champion",
    "rollback": "make the champion of before champion again",
    "register": "record trainings and aliases in MLflow",
    "score": "score a table of requests",
    "load": "load the scoring service, and tell how long answers take",
    "experiment": "show how experiments stand, or let a stopped arm go on",
    "status": "show what is there and how far the stream is",
    "compact": "make few files of what the stream landed and logged",
    "replay-dead-letters": "put mended events back on their topics",
    "run": "do all of it, and keep traffic going",
}


def main(arguments: list[str]) -> int:
    """Run one command and return the exit code."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print("usage: python -m commands NAME, with NAME one of\n")
        print("\n".join(f"  {name:20} {what}" for name, what in COMMANDS.items()))
        return 2
    name = arguments[0].replace("-", "_")
    interrupt_quietly()
    try:
        module = importlib.import_module("commands.loop.main" if arguments[0] == "run" else f"commands.{name}")
        return int(module.main() or 0)
    except KeyboardInterrupt:
        end_in_peace()
        return 130
    except Exception as error:
        if was_interrupted():  # what a library made of it
            return 130
        if type(error).__module__.split(".")[0] not in OURS:
            raise
        print(f"\n{arguments[0]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if was_interrupted():  # all that was started has ended; libraries' own farewells would only complain
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
