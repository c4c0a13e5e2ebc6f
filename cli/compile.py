"""`retrigger compile`: the one file that a function loads."""

from __future__ import annotations

from pathlib import Path

import click

from retrigger.cli.offline import offline_option, templates_of
from retrigger.cli.render import Format, examples, format_option, json_line, say, visible


@click.command("compile", epilog=examples("retrigger compile --env dev --out build/dev.json"))
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--env", "environment", required=True, metavar="NAME", help="The environment to compile for.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it. Default: compiled-NAME.json in this folder.",
)
@offline_option
@format_option
def compile_(folder: Path, environment: str, out: Path | None, *, offline: bool, form: Format) -> None:
    """Write the one JSON file that a function loads: triggers, index and templates of one environment."""
    from retrigger.triggers.authoring.compile import compile_project
    from retrigger.triggers.authoring.project import find_root, load_project
    from retrigger.triggers.compiled import load

    root = find_root(folder)
    text = compile_project(load_project(root, templates_of(root, offline=offline)), environment)
    compiled = load(text)
    path = out or Path(f"compiled-{environment}.json")
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)  # a function that starts now reads the old file or the new one
    if form == "json":
        json_line({"path": str(path), "sha256": compiled.hash, "triggers": list(compiled.names)})
        return
    say(f"{visible(str(path))}  {len(text):,} bytes  sha256 {compiled.hash}")
    for name in compiled.names:
        say(f"  {name}")
