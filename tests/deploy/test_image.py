"""The Dockerfile, read and not built: no container engine is at hand."""

from __future__ import annotations

import re
import tomllib

from tests.deploy.tools import ROOT, read

LINES = (ROOT / "Dockerfile").read_text("utf-8")


def test_its_bases_are_pinned_and_it_does_not_run_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", LINES, re.M)
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", base) for base in bases)
    assert re.findall(r"^USER (.*)", LINES, re.M) == ["$UID:$GID"]
    assert re.search(r"^ARG UID=[1-9]\d+$", LINES, re.M)


def test_whatever_it_copies_is_there_and_not_passed_over() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.*)", LINES, re.M)
    sources = {source for line in copied for source in line.split()[:-1]}
    assert sources == kept
    assert all((ROOT / source).exists() for source in sources)


def test_image_chart_and_package_are_of_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    chart = read("deploy/helm/voxpop/Chart.yaml")
    images = {s["image"] for s in read("docker-compose.yml")["services"].values() if s["image"].startswith("voxpop:")}
    assert chart["appVersion"] == version
    assert images == {f"voxpop:{version}", f"voxpop:{version}-gpu"}
