"""One table of settings, documented and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxpop.errors import SettingError
from voxpop.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def test_every_setting_is_in_the_readme_with_its_default_and_meaning() -> None:
    text = README.read_text("utf-8")
    for variable, default, meaning in Settings.table():
        row = f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |"
        assert row in text, f"the README lacks: {row}"


def test_the_environment_overlays_the_defaults() -> None:
    settings = Settings.load({"VOXPOP_PORT": "1234", "VOXPOP_FEED_PRIVATE_ADDRESSES": "true", "PATH": "/bin"})
    assert settings.port == 1234
    assert settings.feed_private_addresses is True
    assert settings.threads == Settings().threads


@pytest.mark.parametrize("environ", [{"VOXPOP_PORT": "many"}, {"VOXPOP_FEED_PRIVATE_ADDRESSES": "perhaps"}])
def test_a_value_of_another_type_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=next(iter(environ))):
        Settings.load(environ)


def test_a_misspelt_setting_is_an_error_and_not_silence() -> None:
    with pytest.raises(SettingError, match="VOXPOP_PROT"):
        Settings.load({"VOXPOP_PROT": "1"})


def test_secrets_are_not_shown() -> None:
    shown = Settings(database_url="postgresql://someone:hidden@host/db").shown()
    assert not any("hidden" in value for _, value, _ in shown)


def test_a_secret_may_lie_in_a_file_and_the_variable_itself_counts_before_it(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://someone:hidden@host/db\n", "utf-8")
    environ = {"VOXPOP_DATABASE_URL_FILE": str(tmp_path / "url")}
    assert Settings.load(environ).database_url == "postgresql://someone:hidden@host/db"
    assert (
        Settings.load({**environ, "VOXPOP_DATABASE_URL": "postgresql://near/db"}).database_url == "postgresql://near/db"
    )
    assert Settings.load({"VOXPOP_DATABASE_URL_FILE": ""}).database_url == ""


def test_a_file_of_a_secret_that_is_not_there_is_named_and_only_secrets_have_one(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"VOXPOP_DATABASE_URL_FILE.*nowhere"):
        Settings.load({"VOXPOP_DATABASE_URL_FILE": str(tmp_path / "nowhere")})
    with pytest.raises(SettingError, match="VOXPOP_PORT_FILE is no setting"):
        Settings.load({"VOXPOP_PORT_FILE": str(tmp_path / "nowhere")})
