"""How the tests run a command."""

import pytest

from stylegrow.cli.main import main


@pytest.fixture
def run(models, tmp_path, monkeypatch, capsys):
    """Runs a command on a model, by name one of the fixtures', in an empty folder; gives status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(name, model, *options):
        status = main([name, "--model", str(models / model), "--device", "cpu", *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return command
