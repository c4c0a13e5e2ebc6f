"""`retrigger deploy`: from a project to what a cloud runs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from retrigger.cli.errors import Usage
from retrigger.cli.offline import offline_option, templates_of
from retrigger.cli.render import Format, count, examples, format_option, json_line, note, say, visible

_EXAMPLES = examples("retrigger deploy bundle --env prod", "retrigger deploy bundle --env prod --out build/prod.zip")
_NEXT: Final = {
    "gcp": "unzip it, then `gcloud run deploy NAME --source FOLDER --no-allow-unauthenticated`",
    "azure": "`az functionapp deployment source config-zip -g GROUP -n NAME --src {file} --build-remote true`",
}


@click.group(epilog=_EXAMPLES)
def deploy() -> None:
    """Make of a project what a cloud runs. Nothing is sent to a cloud yet: `bundle` writes what you deploy."""


@deploy.command(epilog=_EXAMPLES)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--env", "environment", required=True, metavar="NAME", help="The environment that it is for.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it. Default: retrigger-NAME-HASH.zip in this folder.",
)
@offline_option
@format_option
def bundle(folder: Path, environment: str, out: Path | None, *, offline: bool, form: Format) -> None:
    """Write the zip that a function of one environment is built from.

    In it are the entry point, the compiled triggers and templates, what a function needs of retrigger, and its
    requirements, pinned with hashes. The same project and version of retrigger give the same bytes on every machine:
    HASH begins the SHA-256 of them. Nothing is sent anywhere, and nothing is read but the project, its plug-ins, and
    the templates that it names by an address.
    """
    from retrigger.deploy.bundle import bundle as build
    from retrigger.deploy.warnings import warnings
    from retrigger.triggers.authoring.compile import compile_project
    from retrigger.triggers.authoring.project import find_root, load_project
    from retrigger.triggers.compiled import load

    root = find_root(folder)
    text = compile_project(load_project(root, templates_of(root, offline=offline)), environment)
    compiled = load(text)
    cloud = compiled.environment.cloud
    note(f"compiled {count(len(compiled.names), 'trigger')} for {environment}")
    built = build(text, cloud)
    path = out or Path(built.file_name)
    _write(path, built.data)
    warned = [*warnings(compiled.environment, cloud)]
    for line in warned:
        note(f"{click.style('warning', fg='yellow')}: {visible(line)}")
    if form == "json":
        about = {"environment": environment, "cloud": cloud, "triggers": list(compiled.names), "warnings": warned}
        json_line({"path": str(path), "sha256": built.sha256, **about, "files": list(built.files)})
        return
    say(f"{visible(str(path))}  {len(built.data):,} bytes  sha256 {built.sha256}")
    for name in built.files:
        say(f"  {name}")
    note(f"next: {_NEXT[cloud].format(file=visible(str(path)))} (docs/deploy.md)")


def _write(path: Path, data: bytes) -> None:
    """The whole file or none of it: whoever deploys at the same time takes the old one or the new one."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise Usage(f"{path} cannot be written: {error.strerror}. Choose another place with --out FILE.") from error
